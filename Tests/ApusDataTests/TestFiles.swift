import ApusCore
import ApusData
import Foundation

/// A folder that goes when the value's last user goes.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "apus-data-\(UUID().uuidString)", isDirectory: true)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    @discardableResult
    func write(_ bytes: [UInt8], to name: String) throws -> URL {
        let file = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
        return file
    }

    /// The names of everything below, sorted.
    func contents() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: url.path).sorted()
    }
}

/// The bytes of an IDX file of unsigned bytes.
func idx(_ shape: [Int], _ elements: [UInt8], type: UInt8 = 0x08) -> [UInt8] {
    [0, 0, type, UInt8(shape.count)] + shape.flatMap { littleEndian(UInt32($0)).reversed() } + elements
}

/// `bytes` as a gzip file without compression: one stored block (RFC 1951, 3.2.4) for each 65,535 bytes.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
    var rest = bytes[...]
    repeat {
        let block = rest.prefix(65_535)
        rest = rest.dropFirst(65_535)
        let (size, isLast) = (UInt16(block.count), rest.isEmpty)
        result += [isLast ? 1 : 0] + littleEndian(size) + littleEndian(~size) + block
    } while !rest.isEmpty
    let check = bytes.withUnsafeBytes { CRC32.value(ofParts: [$0]) }
    return result + littleEndian(check) + littleEndian(UInt32(bytes.count))
}

/// The bytes of a tar archive of `files`, in the form of POSIX.1-1988 (ustar): a header of 512 bytes for each, contents
/// filled up to 512, two empty blocks at the end.
func tar(_ files: [(name: String, bytes: [UInt8])]) -> [UInt8] {
    func field(_ text: String, _ width: Int) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0, count: width - text.utf8.count)
    }
    func octal(_ value: Int, _ width: Int) -> String {
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: width - 1 - digits.count) + digits
    }
    var result: [UInt8] = []
    for (name, bytes) in files {
        var header = field(name, 100) + field(octal(0o644, 8), 8) + field(octal(0, 8), 8) + field(octal(0, 8), 8)
        header += field(octal(bytes.count, 12), 12) + field(octal(0, 12), 12)
        // The checksum is taken with spaces in its own place.
        header += Array("        0".utf8) + [UInt8](repeating: 0, count: 100) + Array("ustar\u{0}00".utf8)
        header += [UInt8](repeating: 0, count: 512 - header.count)
        header.replaceSubrange(148..<156, with: field(octal(header.reduce(0) { $0 + Int($1) }, 7), 7) + [32])
        result += header + bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }
    return result + [UInt8](repeating: 0, count: 1024)
}

func littleEndian<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
    (0..<Integer.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// The error that `work` throws, as text; empty where it throws none.
func message(_ work: () throws -> Void) -> String {
    do {
        try work()
        return ""
    } catch { return "\(error)" }
}

/// A published set of three training and two test samples of 2 x 2, as four files.
struct ToySet {
    static let contents: [(name: String, bytes: [UInt8])] = [
        ("train-images-idx3-ubyte", idx([3, 2, 2], [0, 51, 102, 153, 1, 2, 3, 4, 255, 255, 0, 0])),
        ("train-labels-idx1-ubyte", idx([3], [1, 0, 2])),
        ("t10k-images-idx3-ubyte", idx([2, 2, 2], [9, 8, 7, 6, 5, 4, 3, 2])),
        ("t10k-labels-idx1-ubyte", idx([2], [2, 1])),
    ]

    static func published(name: String = "toy") throws -> PublishedDataset {
        let files = try contents.map {
            PublishedDataset.File(
                name: $0.name, checksum: try SHA256.hexadecimal(of: $0.bytes), byteCount: $0.bytes.count)
        }
        return PublishedDataset(
            name: name, title: "Toy", form: .idx, files: files,
            homes: ["https://first.example/", "https://second.example/"], licence: "none",
            classNames: ["a", "b", "c"], folderNames: [name])
    }

    /// Writes the files; `spell` turns a name into the one on disk.
    static func write(
        to folder: TemporaryFolder, under subfolder: String = "", packed: Bool = false,
        spell: (String) -> String = { $0 }
    ) throws {
        for (name, bytes) in contents {
            try folder.write(packed ? gzip(bytes) : bytes, to: subfolder + spell(name) + (packed ? ".gz" : ""))
        }
    }
}
