import ApusCore
import CSampleData

/// The part of MNIST inside the program.
package enum BuiltInSample {
    /// - Parameter reason: Why nothing better was found: a whole sentence.
    package static func load(because reason: String) throws -> LoadedDataset {
        var byteCount = 0
        let memory = UnsafeRawBufferPointer(start: apus_mnist_sample(&byteCount), count: byteCount)
        let stream = try PackedStream(memory: memory, name: "the part of MNIST inside this program")
        let set = PublishedDataset.mnist
        func dataset(_ part: String, _ images: PublishedDataset.File, _ labels: PublishedDataset.File) throws -> Dataset
        {
            try Dataset(
                images: IDXFile(from: stream, isWhole: false), at: images.name,
                labels: IDXFile(from: stream, isWhole: false), at: labels.name, classCount: set.classCount,
                scale: 1 / 255, name: "\(set.name) \(part)", source: "the first samples of \(set.title), built in")
        }
        let train = try dataset("train", set.files[0], set.files[1])
        let test = try dataset("test", set.files[2], set.files[3])
        let warning =
            "Only the part of MNIST inside this program is used: the first \(train.count) training and \(test.count) "
            + "test images. Results will be worse than with all of it. \(reason)"
        return LoadedDataset(
            train: train, test: test, source: .builtIn, warnings: [warning], classNames: set.classNames)
    }
}
