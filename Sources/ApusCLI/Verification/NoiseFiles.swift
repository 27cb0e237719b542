import Apus
import Foundation

/// A small data set of noise in the files of a published one: whether bits are the same does not depend on what is
/// seen, and nothing need be fetched.
enum NoiseFiles {
    static let trainingCount = 300
    static let testCount = 100

    /// Writes the files of the data set `name` into `folder`.
    /// - Throws: `ApusError.unknownName`, `ApusError.file`.
    static func write(_ name: String, into folder: URL) throws {
        let dataset = try PublishedDataset.named(name)
        let parts = [(trainingCount, UInt64(1)), (testCount, UInt64(2))]
        if dataset.imageShape.rank == 3 {
            for ((count, seed), name) in zip(parts, ["data_batch_1.bin", "test_batch.bin"]) {
                let records = (0..<count).flatMap { index in
                    [label(index)] + pixels(dataset.imageShape.elementCount, image: index, seed: seed)
                }
                try AtomicFile.write(records, to: folder.appendingPathComponent(name))
            }
            return
        }
        let (height, width) = (dataset.imageShape[0], dataset.imageShape[1])
        for (index, (count, seed)) in parts.enumerated() {
            let images = (0..<count).flatMap { pixels(height * width, image: $0, seed: seed) }
            let files = dataset.files[2 * index..<2 * index + 2].map { folder.appendingPathComponent($0.name) }
            try AtomicFile.write(header([count, height, width]) + images, to: files[0])
            try AtomicFile.write(header([count]) + (0..<count).map(label), to: files[1])
        }
    }

    private static func label(_ index: Int) -> UInt8 { UInt8(index % 10) }

    private static func pixels(_ count: Int, image: Int, seed: UInt64) -> [UInt8] {
        let random = Philox(seed: seed, step: UInt64(image))
        return (0..<count).map { UInt8(random.word($0) >> 24) }
    }

    /// IDX: bytes, of so many axes, and the sizes in four bytes each.
    private static func header(_ sizes: [Int]) -> [UInt8] {
        [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 0xFF) } }
    }
}
