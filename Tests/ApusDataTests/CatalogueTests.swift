import ApusCore
import ApusData
import Foundation
import Testing

@Suite struct CatalogueTests {
    let folder: TemporaryFolder
    let cache: TemporaryFolder

    init() throws { (folder, cache) = (try TemporaryFolder(), try TemporaryFolder()) }

    private static let noNetwork = Fetcher { address, _, _, _ in
        throw ApusError.download(url: address, reason: "no route", cure: "")
    }

    /// Places that have nothing, but for what a test puts there.
    private func locations(folder: URL? = nil, usesNetwork: Bool = true) -> DataLocations {
        DataLocations(
            folder: folder, cache: cache.url, system: cache.url.appendingPathComponent("system", isDirectory: true),
            usesNetwork: usesNetwork)
    }

    private func load(_ name: String = "toy", folder: URL? = nil) throws -> LoadedDataset {
        try ToySet.published(name: name).load(from: locations(folder: folder), fetcher: Self.noNetwork)
    }

    @Test(arguments: ["", "toy/"], [false, true]) func theUsersFolder(subfolder: String, packed: Bool) throws {
        try ToySet.write(to: folder, under: subfolder, packed: packed)
        let loaded = try load(folder: folder.url)
        #expect(loaded.source == .folder(folder.url))
        #expect(loaded.train.count == 3 && loaded.test.count == 2)
        #expect(loaded.train.labels == [1, 0, 2])
        #expect(loaded.test.inputs[0].values.values() == [9, 8, 7, 6, 5, 4, 3, 2] as [UInt8])
        #expect(loaded.test.inputs[0].scale == Float(1) / 255)
        #expect(loaded.warnings.isEmpty)
        #expect(
            loaded.train.checksums["train-labels-idx1-ubyte"]
                == (try SHA256.hexadecimal(of: ToySet.contents[1].bytes)))
    }

    @Test func theOtherSpelling() throws {
        try ToySet.write(to: folder, packed: true) { $0.replacingOccurrences(of: "-idx", with: ".idx") }
        #expect(try load(folder: folder.url).train.count == 3)
    }

    @Test func otherFilesOfTheSameNamesAreReported() throws {
        try ToySet.write(to: folder)
        let file = try folder.write(idx([2], [0, 0]), to: "t10k-labels-idx1-ubyte")
        let checksum = try SHA256.hexadecimal(of: idx([2], [0, 0]))
        let loaded = try load(folder: folder.url)
        #expect(loaded.test.labels == [0, 0])
        #expect(loaded.warnings == ["\(file.path) is not the published file of Toy: its SHA-256 is \(checksum)."])
    }

    @Test func filesInEachOthersPlacesAreRefused() throws {
        try ToySet.write(to: folder)
        let file = try folder.write(ToySet.contents[3].bytes, to: "train-labels-idx1-ubyte")
        #expect(
            message { _ = try load(folder: folder.url) }
                == "\(file.path): expected train-labels-idx1-ubyte of Toy, found t10k-labels-idx1-ubyte of it.")
    }

    /// The checksums are those of PublishedDataset+Known.swift.
    @Test func filesOfAnotherDatasetHaveItsName() {
        let (mnist, fashion) = (PublishedDataset.mnist, PublishedDataset.fashionMNIST)
        func text(_ checksum: String) -> String? {
            fashion.mistake(of: checksum, inPlaceOf: fashion.files[3]).map { "\(ApusError.file(path: "F", $0))" }
        }
        #expect(
            text(mnist.files[3].checksum)
                == "F: expected t10k-labels-idx1-ubyte of Fashion-MNIST, found t10k-labels-idx1-ubyte of MNIST, the "
                + "data set mnist.")
        #expect(text(String(mnist.files[3].checksum.reversed())) == nil)
    }

    @Test func aFolderWithoutTheFilesIsAnError() throws {
        // Everything is in the cache, and still not looked at.
        try ToySet.write(to: cache, under: "toy/")
        #expect(try load().source == .cache(cache.url.appendingPathComponent("toy", isDirectory: true)))
        let names = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
        let expected =
            "\(folder.url.path): expected the files of Toy (\(names); plain or .gz) here or in its folder toy, found "
        #expect(message { _ = try load(folder: folder.url) } == expected + "none of them.")
        try folder.write(ToySet.contents[1].bytes, to: "train-labels-idx1-ubyte")
        #expect(message { _ = try load(folder: folder.url) } == expected + "only train-labels-idx1-ubyte.")
        let missing = folder.url.appendingPathComponent("none")
        #expect(
            message { _ = try load(folder: missing) }
                == "\(missing.path): there is no such file or folder. Check the path.")
        let file = folder.url.appendingPathComponent("train-labels-idx1-ubyte")
        #expect(
            message { _ = try load(folder: file) }
                == "\(file.path): expected a folder with the files of Toy, found a file.")
    }

    @Test func badFilesInTheFolder() throws {
        try ToySet.write(to: folder)
        let labels = try folder.write(idx([3], [1, 3, 2]), to: "train-labels-idx1-ubyte")
        #expect(throws: ApusError.label(3, index: 1, classCount: 3, source: labels.path)) {
            try load(folder: folder.url)
        }
        try folder.write(idx([2], [1, 2]), to: "train-labels-idx1-ubyte")
        #expect(message { _ = try load(folder: folder.url) }.contains("it holds 2 labels, but"))
        try ToySet.write(to: folder)
        let images = try folder.write(idx([2, 3], [1, 2, 3, 4, 5, 6]), to: "t10k-images-idx3-ubyte")
        #expect(
            message { _ = try load(folder: folder.url) }.hasPrefix(
                "\(images.path): is damaged: its samples have the shape [3], those of "))
    }

    @Test func theSystemsPackages() throws {
        try ToySet.write(to: cache, under: "system/toy/", packed: true)
        let loaded = try load()
        #expect(
            loaded.source
                == .system(
                    cache.url.appendingPathComponent("system", isDirectory: true).appendingPathComponent(
                        "toy", isDirectory: true)))
    }

    @Test func aHarmedCacheIsAnError() throws {
        try ToySet.write(to: cache, under: "toy/")
        let file = try cache.write(idx([2], [0, 0]), to: "toy/t10k-labels-idx1-ubyte")
        let published = try ToySet.published().files[3].checksum
        let found = try SHA256.hexadecimal(of: idx([2], [0, 0]))
        #expect(
            message { _ = try load() } == "\(file.path): is not the published file: expected SHA-256 \(published), "
                + "found \(found). Delete it and fetch it again.")
    }

    @Test func withoutNetworkOnlyMNISTGoesOn() throws {
        let files = ToySet.contents.map { $0.name + ".gz" }.joined(separator: ", ")
        #expect(
            message { _ = try load() }
                == "Cannot fetch https://first.example/train-images-idx3-ubyte.gz: no route; no route. "
                + "Check the network, or put the files of Toy (\(files)) into a folder and name it with "
                + "--data or APUS_DATA.")
        let loaded = try PublishedDataset.mnist.load(from: locations(), fetcher: Self.noNetwork)
        #expect(loaded.source == .builtIn)
        #expect(loaded.train.count == 6_000 && loaded.test.count == 1_000)
        #expect(loaded.warnings.count == 1)
        #expect(
            loaded.warnings[0].hasPrefix(
                "Only the part of MNIST inside this program is used: the first 6000 training and 1000 test images. "
                    + "Results will be worse than with all of it. Cannot fetch "
                    + "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz: no route; no route."))
        #expect(
            message { _ = try ToySet.published().load(from: locations(usesNetwork: false), fetcher: Self.noNetwork) }
                .hasPrefix(
                    "Cannot fetch https://first.example/: APUS_OFFLINE is set. Unset it, or put the files of Toy"))
    }

    @Test func namesAndPlaces() throws {
        #expect(try PublishedDataset.named("MNIST").title == "MNIST")
        #expect(
            message { _ = try PublishedDataset.named("fashion-minst") }
                == "Unknown data set 'fashion-minst'. Did you mean 'fashion-mnist'? Known: mnist, fashion-mnist, cifar10."
        )
        let places = DataLocations(environment: ["HOME": "/home/a"])
        #expect(places.folder == nil)
        #expect(places.cache.path == "/home/a/.cache/apus")
        #expect(places.usesNetwork)
        let others = DataLocations(
            folder: nil, environment: ["HOME": "/h", "APUS_DATA": "/d", "APUS_CACHE": "/c", "APUS_OFFLINE": "1"])
        #expect(others.folder?.path == "/d" && others.cache.path == "/c" && !others.usesNetwork)
        #expect(DataLocations(folder: "/e", environment: ["APUS_DATA": "/d"]).folder?.path == "/e")
        #expect(DataLocations(environment: ["HOME": "/h", "APUS_DATA": ""]).folder == nil)
    }
}
