import ApusCore
import Foundation

/// A file of the binary version of CIFAR-10: records of a label byte and 3,072 pixel bytes, the red plane of
/// 32 x 32 pixels before the green and the blue one. There may be any number of records.
///
/// Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
package struct CIFARFile {
    /// uint8 `[n, 32, 32, 3]`.
    package let images: NDArray
    /// int32 `[n]`.
    package let labels: NDArray
    /// The SHA-256 of the file.
    let checksum: String

    static let classCount = 10
    private static let side = 32
    private static let recordByteCount = 1 + 3 * side * side

    init(_ url: URL) throws {
        let bytes = try contents(of: url)
        try self.init(bytes, path: url.path)
    }

    /// - Parameter path: Where the bytes came from, for errors.
    /// - Throws: `ApusError.file` for bytes that are no records, `ApusError.label`.
    package init(_ bytes: some ContiguousBytes & Collection<UInt8>, path: String) throws {
        let (count, rest) = bytes.count.quotientAndRemainder(dividingBy: Self.recordByteCount)
        guard count > 0 else {
            throw ApusError.file(
                path: path,
                .foreign(
                    expected: "records of \(Self.recordByteCount) bytes, a label and 32 x 32 x 3 pixels",
                    found: FileKind.description(of: Array(bytes.prefix(64)))))
        }
        guard rest == 0 else {
            throw ApusError.file(
                path: path,
                .damaged(
                    reason: "its \(bytes.count) bytes are no whole number of records of \(Self.recordByteCount) bytes"))
        }
        (images, labels, checksum) = try bytes.withUnsafeBytes { records in
            let labels = NDArray(shape: [count]) { (labels: UnsafeMutableBufferPointer<Int32>) in
                for index in labels.indices { labels[index] = Int32(records[index * Self.recordByteCount]) }
            }
            return (Self.images(of: records, count: count), labels, try SHA256.hexadecimal(of: records))
        }
        if let index = labels.values(as: Int32.self).firstIndex(where: { $0 >= Self.classCount }) {
            throw ApusError.label(
                Int(labels.values(as: Int32.self)[index]), index: index, classCount: Self.classCount, source: path)
        }
    }

    /// Brings the planes of each record together, pixel by pixel.
    private static func images(of records: UnsafeRawBufferPointer, count: Int) -> NDArray {
        NDArray(shape: [count, side, side, 3]) { (images: UnsafeMutableBufferPointer<UInt8>) in
            guard let source = records.baseAddress, var pixel = images.baseAddress else { return }
            let planeSize = side * side
            for index in 0..<count {
                let planes = (source + index * recordByteCount + 1).assumingMemoryBound(to: UInt8.self)
                for place in 0..<planeSize {
                    pixel[0] = planes[place]
                    pixel[1] = planes[place + planeSize]
                    pixel[2] = planes[place + 2 * planeSize]
                    pixel += 3
                }
            }
        }
    }
}

extension Dataset {
    /// A data set of files of CIFAR-10's binary version, such as `data_batch_1.bin`, one after another: images
    /// uint8 `[n, 32, 32, 3]`, multiplied by 1/255 in a batch, and labels int32 `[n]`.
    ///
    /// - Parameter files: One or more; each holds any number of records.
    /// - Throws: `ApusError.file` for a file that cannot be used, `ApusError.label` for a label above 9,
    ///   `ApusError.shape` where there is no file.
    public init(cifarFilesAt files: [URL]) throws {
        try self.init(
            ParallelReading.map(files) { try CIFARFile($0) }, names: files.map(\.lastPathComponent), name: "cifar10",
            source: files.map(\.path).joined(separator: ", "))
    }

    init(_ files: [CIFARFile], names: [String], name: String, source: String) throws {
        try self.init(
            inputs: NDArray(joining: files.map(\.images)).map { [try Column($0, scale: 1 / 255, name: name)] } ?? [],
            targets: NDArray(joining: files.map(\.labels)).map { [try Column($0, name: name)] } ?? [],
            name: name, source: source,
            checksums: Dictionary(zip(names, files.map(\.checksum))) { first, _ in first })
    }
}
