import ApusCore
import ApusData
import Foundation
import Testing

/// Tests on the real files, where this machine has them.
@Suite struct PublishedFilesTests {
    /// The folder `shared/data` beside the package or further up, if there is one.
    static let sharedData: URL? = {
        var folder = URL(fileURLWithPath: #filePath)
        while folder.pathComponents.count > 1 {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("shared/data")
            if PublishedDataset.mnist.filesHeld(in: candidate.appendingPathComponent("mnist")) != nil {
                return candidate
            }
        }
        return nil
    }()

    static let hasFashion =
        PublishedDataset.fashionMNIST.filesHeld(in: URL(fileURLWithPath: "/usr/share/datasets/fashion-mnist")) != nil

    private static let noNetwork = Fetcher { address, _, _, _ in
        throw ApusError.download(url: address, reason: "not in tests", cure: "")
    }

    @Test func theBuiltInPart() throws {
        let sample = try BuiltInSample.load(because: "")
        #expect(sample.train.inputs[0].values.shape == [6_000, 28, 28])
        #expect(sample.test.inputs[0].values.shape == [1_000, 28, 28])
        // The first labels of MNIST, as its users know them.
        #expect(sample.train.labels?.prefix(10) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
        #expect(sample.test.labels?.prefix(10) == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
        #expect(sample.classNames.count == 10)
    }

    @Test(.enabled(if: sharedData != nil)) func mnistPackedThenFromTheUnpackedCache() throws {
        let cache = try TemporaryFolder()
        let locations = DataLocations(folder: Self.sharedData, cache: cache.url)
        let first = try PublishedDataset.mnist.load(from: locations, fetcher: Self.noNetwork)
        #expect(first.warnings.isEmpty)
        #expect(first.train.count == 60_000 && first.test.count == 10_000)
        #expect(try cache.contents().count == 2)
        let second = try PublishedDataset.mnist.load(from: locations, fetcher: Self.noNetwork)
        #expect(second.train.inputs == first.train.inputs)
        #expect(second.train.checksums == first.train.checksums)
        let sample = try BuiltInSample.load(because: "")
        #expect(sample.train.inputs[0].values == first.train.prefix(6_000).inputs[0].values)
        #expect(sample.train.labels == first.train.prefix(6_000).labels)
        #expect(sample.test.inputs[0].values == first.test.prefix(1_000).inputs[0].values)
        #expect(sample.test.labels == first.test.prefix(1_000).labels)
    }

    @Test(.enabled(if: hasFashion)) func fashionFromTheSystemsPackage() throws {
        let cache = try TemporaryFolder()
        let loaded = try PublishedDataset.fashionMNIST.load(
            from: DataLocations(cache: cache.url), fetcher: Self.noNetwork)
        #expect(loaded.train.count == 60_000 && loaded.test.count == 10_000)
        // Fashion-MNIST has 6,000 training samples of each class.
        #expect((0..<10).allSatisfy { label in loaded.train.labels?.count { $0 == label } == 6_000 })
        #expect(loaded.classNames[9] == "Ankle boot")
    }
}
