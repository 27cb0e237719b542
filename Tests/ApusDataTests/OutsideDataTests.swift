import ApusCore
import ApusData
import Foundation
import Testing

/// Files that were made to break their readers.
@Suite struct OutsideDataTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// What reading an array from the bytes says.
    private func npyFault(_ header: String, _ elements: [UInt8] = []) -> String {
        let start = [0x93] + Array("NUMPY".utf8) + [1, 0] + littleEndian(UInt16(header.utf8.count))
        let bytes = start + Array(header.utf8)
        return message { _ = try (bytes + elements).withUnsafeBytes { try NDArray(npy: $0, path: "FILE") } }
    }

    private func header(
        _ shape: String, type: String = "|u1", isColumnMajor: String = "False", more: String = ""
    ) -> String { "{'descr': '\(type)', 'fortran_order': \(isColumnMajor), 'shape': \(shape), \(more)}" }

    /// Without elements there is nothing to count, but strides multiply the other sizes.
    @Test func emptyArraysBeyondCounting() throws {
        let reason = "more than can be. Fetch or copy the file again."
        #expect(
            npyFault(header("(0, 99999999999, 99999999999)"))
                == "FILE: is damaged: its header promises [0, 99999999999, 99999999999] elements, \(reason)")
        #expect(
            npyFault(header("(0, 1, 99999999999, 99999999999)", isColumnMajor: "True"))
                == "FILE: is damaged: its header promises [0, 1, 99999999999, 99999999999] elements, \(reason)")
        #expect(npyFault(header("(0, 9, 9)")) == "")
        let file = try folder.write(idx([0, 0xFFFF_FFFF, 0xFFFF_FFFF], [], type: 0x0D), to: "empty")
        #expect(
            message { _ = try IDXFile(contentsOf: file) }
                == "\(file.path): is damaged: its header promises [0, 4294967295, 4294967295] elements, \(reason)")
    }

    @Test func headersOfNumPyWithOtherEntries() {
        let fault = "FILE: is damaged: its header cannot be understood. Fetch or copy the file again."
        #expect(npyFault(header("()"), [7]) == "")
        #expect(npyFault(header("()", more: "'descr': '<f4', "), [7]) == fault)
        #expect(npyFault(header("()", more: "'more': True, "), [7]) == fault)
        #expect(npyFault(header("(\(String(repeating: "1,", count: 64)))"), [7]) == "")
        #expect(npyFault(header("(\(String(repeating: "1,", count: 65)))"), [7]) == fault)
        // The words of a type are as long as the file likes.
        #expect(
            npyFault(header("()", type: "<U" + String(repeating: "9", count: 1_000)), [7])
                == "FILE: expected an array of numbers, found texts (type <U\(String(repeating: "9", count: 62))...).")
    }

    /// A header that promises more than memory has, in a file that is large but has nothing in it.
    @Test func aPromiseBeyondMemory() throws {
        let file = try folder.write(idx([0xFFFF, 0xFFFF, 0x80], []), to: "sparse")
        let promise = 0xFFFF * 0xFFFF * 0x80
        guard truncate(file.path, off_t(16 + promise)) == 0 else { return }
        #expect(
            message { _ = try IDXFile(contentsOf: file) }
                == "\(file.path): cannot be read: it takes \(promise) bytes of memory, "
                + "more than the \(MemoryLimit.byteCount) that it may.")
    }

    /// 100 bytes of gzip that promise 64 megabytes: refused by what gzip can hold at most, 1,032 for one.
    @Test func aPromiseBeyondGzip() throws {
        let packed = gzip(idx([1 << 26], [1, 2, 3]))
        #expect(
            message {
                _ = try packed.withUnsafeBytes {
                    try IDXFile(from: PackedStream(memory: $0, name: "FILE"), isWhole: true)
                }
            }
                == "FILE: is damaged: its header promises 67108872 bytes, more than gzip can hold in its size. "
                + "Fetch or copy the file again.")
    }

    /// Zip archives by hand: local headers, then the table of contents (PKWARE's APPNOTE, 4.3.7, 4.3.12, 4.3.16).
    private func zip(_ files: [(name: [UInt8], bytes: [UInt8])], method: UInt16 = 0, flags: UInt16 = 0) -> [UInt8] {
        var (result, table): ([UInt8], [UInt8]) = ([], [])
        for (name, bytes) in files {
            let check = bytes.withUnsafeBytes { CRC32.value(ofParts: [$0]) }
            let size = littleEndian(UInt32(bytes.count))
            let common =
                littleEndian(UInt16(20)) + littleEndian(flags) + littleEndian(method) + [0, 0, 0, 0]
                + littleEndian(check) + size + size + littleEndian(UInt16(name.count)) + [0, 0]
            table +=
                [0x50, 0x4B, 1, 2, 20, 0] + common + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                + littleEndian(UInt32(result.count)) + name
            result += [0x50, 0x4B, 3, 4] + common + name + bytes
        }
        let count = littleEndian(UInt16(files.count))
        return result + table + [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + count + count + littleEndian(UInt32(table.count))
            + littleEndian(UInt32(result.count)) + [0, 0]
    }

    private let small: [UInt8] = {
        let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}"
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(text.utf8.count), 0] + Array(text.utf8) + [1, 2]
    }()

    private func npz(_ bytes: [UInt8]) throws -> NPZFile {
        try bytes.withUnsafeBytes { try NPZFile(from: ArchiveReader(memory: $0, name: "FILE", as: .zip)) }
    }

    @Test func archivesOfArrays() throws {
        let file = try npz(zip([(Array("a.npy".utf8), small), (Array("b.txt".utf8), [1])]))
        #expect(file.arrays == ["a": NDArray([1, 2] as [UInt8])])
        #expect(
            message { _ = try npz(zip([(Array("a.npy".utf8), small), (Array("a.npy".utf8), small)])) }
                == "FILE: is damaged: a.npy is in it a second time. Fetch or copy the file again.")
        // 14 is LZMA, whose first bytes say how much memory to take.
        #expect(
            message { _ = try npz(zip([(Array("a.npy".utf8), small)], method: 14)) }
                == "FILE: expected files that are stored or deflated, found a.npy packed otherwise: ZIP 2.0 (lzma).")
        // Two files of the archive that have their bytes in common are twice as much as it holds.
        #expect(
            message { _ = try npz(zip([(Array("a\u{1B}.npy".utf8), Array(small.dropLast()))])) }
                == "FILE/a\\u{1B}.npy: is cut short: expected 67 bytes, found 66. Fetch or copy the file again.")
    }

    /// Bit 11 of the flags says that a name is UTF-8; without it, it is in no known code.
    @Test func namesOfOtherLetters() throws {
        for flags in [0x800, 0] as [UInt16] {
            let file = try npz(zip([(Array("größe.npy".utf8), small)], flags: flags))
            #expect(file.arrays.keys.sorted() == ["größe"], "\(flags)")
        }
        #expect(try npz(zip([([0xFF, 0xFE] + Array(".npy".utf8), small)])).arrays.count == 1)
        let url = folder.url.appendingPathComponent("names.npz")
        try NPZFile(["größe": NDArray([1] as [Float])]).save(to: url)
        #expect(try NPZFile(contentsOf: url).arrays.keys.sorted() == ["größe"])
    }

    /// libarchive asks whether memory was short by what the last failed call on the thread has left behind, and then ends
    /// the program.
    @Test func memoryThatOnceWasShortIsForgotten() throws {
        for flags in [0x800, 0] as [UInt16] {
            for start: [UInt8] in [[0xFF, 0xFE], [0xC3], [0xED, 0xA0, 0x80], Array("ö".utf8)] {
                let bytes = zip([(start + Array(".npy".utf8), small)], flags: flags)
                func outcome(after code: Int32) -> String {
                    var names: [String] = []
                    let text = message {
                        errno = code
                        names = try npz(bytes).arrays.keys.sorted()
                    }
                    return text + "\(names)"
                }
                #expect(outcome(after: ENOMEM) == outcome(after: 0), "\(flags) \(start)")
            }
        }
    }

    @Test func anArchiveUnpacksToWhatItMay() throws {
        try zip([(Array("a.npy".utf8), small)]).withUnsafeBytes { memory in
            let reader = try ArchiveReader(memory: memory, name: "FILE", as: .zip)
            let entry = try #require(try reader.next())
            #expect(
                message { _ = try reader.contents(of: entry, byteLimit: 66) }
                    == "FILE: is damaged: a.npy in it has more than 66 bytes. Fetch or copy the file again.")
        }
    }

    /// Two links each way would be 2^40 paths before the system calls it a circle: this would not end.
    @Test func foldersInACircle() throws {
        let pixels: [UInt8] = [1]
        try folder.write(pixels, to: "cats/1.png")
        for name in ["cats/again", "cats/andAgain"] {
            let link = folder.url.appendingPathComponent(name)
            try FileManager.default.createSymbolicLink(
                at: link, withDestinationURL: folder.url.appendingPathComponent("cats"))
        }
        let images = try ImageFolder(folder.url)
        #expect(images.files.map(\.lastPathComponent) == ["1.png"] && images.classNames == ["cats"])
    }

    @Test func rowsOfAMillionFields() throws {
        let row = [UInt8](repeating: UInt8(ascii: ","), count: 1 << 20)
        #expect(
            message { _ = try Dataset(csv: row, path: "FILE") }
                == "FILE: line 1: expected at most 1048576 fields, found more.")
        #expect(
            message { _ = try Dataset(csv: Array("x\n\u{1B}[2Jabcdefghijklmnopqrstuvwxyz".utf8), path: "FILE") }
                == "FILE: line 2, column 1 (x): expected a finite number, "
                + "found \"\\u{1B}[2Jabcdefghijklmnopqrst...\".")
    }
}
