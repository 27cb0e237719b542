import ApusCore
import ApusData
import Foundation
import Testing

@Suite struct CIFARTests {
    let folder: TemporaryFolder
    let cache: TemporaryFolder

    init() throws { (folder, cache) = (try TemporaryFolder(), try TemporaryFolder()) }

    private func locations(folder: URL? = nil) -> DataLocations {
        DataLocations(folder: folder, cache: cache.url, system: cache.url.appendingPathComponent("system"))
    }

    private static let noNetwork = Fetcher { address, _, _, _ in
        throw ApusError.download(url: address, reason: "no route", cure: "")
    }

    private func load(_ folder: URL? = nil, of set: PublishedDataset? = nil) throws -> LoadedDataset {
        try (try set ?? ToyCIFAR.published()).load(from: locations(folder: folder), fetcher: Self.noNetwork)
    }

    @Test func planesBecomeChannels() throws {
        // A record whose red plane counts 0...255 four times, whose green is 7 throughout, and whose blue is 9 but for
        // its last pixel.
        let red = (0..<1024).map { UInt8($0 % 256) }
        let blue = [UInt8](repeating: 9, count: 1023) + [200]
        let file = try folder.write([4] + red + [UInt8](repeating: 7, count: 1024) + blue, to: "a.bin")
        let data = try Dataset(cifarFilesAt: [file, file])
        let images = data.inputs[0].values
        #expect(images.shape == [2, 32, 32, 3] && images.elementType == .uint8)
        let bytes: [UInt8] = images.values()
        #expect(bytes.prefix(9) == [0, 7, 9, 1, 7, 9, 2, 7, 9])
        // The second row begins with pixel 32, the last pixel is number 1,023.
        #expect(bytes[96..<99] == [32, 7, 9])
        #expect(bytes[3069..<3072] == [255, 7, 200])
        #expect(Array(bytes.prefix(3072)) == Array(bytes.suffix(3072)))
        #expect(data.labels == [4, 4])
        #expect(data.inputs[0].scale == Float(1) / 255)
    }

    @Test func filesThatAreNone() throws {
        func problem(_ bytes: [UInt8]) throws -> String {
            let file = try folder.write(bytes, to: "data_batch_1.bin")
            return message { _ = try Dataset(cifarFilesAt: [file]) }
        }
        let path = folder.url.appendingPathComponent("data_batch_1.bin").path
        let expected = "\(path): expected records of 3073 bytes, a label and 32 x 32 x 3 pixels, found "
        #expect(try problem([]) == expected + "an empty file.")
        #expect(try problem(Array("<html>".utf8)) == expected + "an HTML page.")
        let whole = ToyCIFAR.record(3, 1) + ToyCIFAR.record(2, 5)
        for count in [3074, 6000, 6145, 6147] {
            #expect(
                try problem(Array((whole + whole).prefix(count)))
                    == "\(path): is damaged: its \(count) bytes are no whole number of records of 3073 bytes. "
                    + "Fetch or copy the file again.")
        }
        _ = try folder.write(ToyCIFAR.record(9, 1) + ToyCIFAR.record(10, 1), to: "data_batch_1.bin")
        #expect(throws: ApusError.label(10, index: 1, classCount: 10, source: path)) {
            try Dataset(cifarFilesAt: [URL(fileURLWithPath: path)])
        }
        let missing = folder.url.appendingPathComponent("none.bin")
        #expect(throws: ApusError.file(path: missing.path, .missing)) { try Dataset(cifarFilesAt: [missing]) }
        #expect(message { _ = try Dataset(cifarFilesAt: []) }.hasPrefix("Dataset: expected at least one input column"))
    }

    @Test(arguments: ["", "toy/"]) func allFilesInAFolder(subfolder: String) throws {
        try ToyCIFAR.write(to: folder, under: subfolder)
        let loaded = try load(folder.url)
        #expect(loaded.train.labels == [1, 2, 3])
        #expect(loaded.test.labels == [9])
        #expect(loaded.train.inputs[0].values.values(as: UInt8.self)[3072 * 2] == 30)
        #expect(loaded.warnings.isEmpty)
        #expect(loaded.source == .folder(folder.url))
        #expect(loaded.train.checksums.keys.sorted() == ["data_batch_1.bin", "data_batch_2.bin"])
        #expect(loaded.train.name == "toy train" && loaded.test.name == "toy test")
    }

    @Test func aPartIsEnoughAndIsReported() throws {
        let first = try folder.write(ToyCIFAR.record(5, 6), to: "data_batch_1.bin")
        let expected =
            "\(folder.url.path): expected the files of Toy (data_batch_1.bin or more of them, and test_batch.bin; or "
            + "toy.tar.gz) here or in its folder toy, found "
        #expect(message { _ = try load(folder.url) } == expected + "only data_batch_1.bin.")
        try folder.write(ToyCIFAR.record(7, 8), to: "test_batch.bin")
        let loaded = try load(folder.url)
        #expect(loaded.train.labels == [5] && loaded.test.labels == [7])
        #expect(
            loaded.warnings == [
                "data_batch_1.bin, test_batch.bin in \(folder.url.path) are not the published files of Toy."
            ])
        try FileManager.default.removeItem(at: first)
        #expect(message { _ = try load(folder.url) } == expected + "only test_batch.bin.")
        try FileManager.default.removeItem(at: folder.url.appendingPathComponent("test_batch.bin"))
        #expect(message { _ = try load(folder.url) } == expected + "none of them.")
    }

    @Test func theArchiveInAFolderOrByItself() throws {
        let archive = try folder.write(ToyCIFAR.archive, to: "toy.tar.gz")
        for place in [folder.url, archive] {
            let first = try load(place)
            #expect(first.train.labels == [1, 2, 3] && first.test.labels == [9])
            #expect(first.warnings.isEmpty)
            let again = try load(place)
            #expect(again.train.inputs == first.train.inputs && again.train.checksums == first.train.checksums)
        }
        #expect(try cache.contents().filter { $0.hasSuffix(".bin") }.count == 3)
        // What was unpacked and then harmed is not used.
        let checksum = try ToyCIFAR.archiveChecksum()
        try cache.write(ToyCIFAR.record(4, 4), to: "unpacked/\(checksum)/test_batch.bin")
        #expect(try load(archive).test.labels == [9])
    }

    @Test func archivesThatAreNone() throws {
        let page = try folder.write(Array("<html>".utf8), to: "toy.tar.gz")
        #expect(message { _ = try load(page) } == "\(page.path): expected a tar archive, found an HTML page.")
        let empty = try folder.write([], to: "toy.tar.gz")
        #expect(message { _ = try load(empty) } == "\(empty.path): expected a tar archive, found an empty file.")
        let other = try folder.write(gzip(tar([("readme.txt", [1, 2])])), to: "toy.tar.gz")
        #expect(
            message { _ = try load(other) }
                == "\(other.path): expected an archive with the files of Toy, found none of them.")
        let part = try folder.write(
            gzip(tar([("x/data_batch_1.bin", ToyCIFAR.record(0, 0)), ("x/test_batch.bin", ToyCIFAR.record(1, 0))])),
            to: "toy.tar.gz")
        let loaded = try load(part)
        #expect(loaded.train.labels == [0])
        #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("is not the published file of Toy"))
    }

    @Test func anArchiveCutShortIsAnError() throws {
        let whole = ToyCIFAR.archive
        for count in stride(from: 1, to: whole.count - 1030, by: 97) {
            let file = try folder.write(Array(whole.prefix(count)), to: "toy.tar.gz")
            let problem = message { _ = try load(file) }
            #expect(problem.hasPrefix("\(file.path): "), "\(count) bytes: \(problem)")
        }
    }

    @Test func fetchedOnceAndKeptUnpacked() throws {
        let server = Fetcher { address, file, byteLimit, progress in
            #expect(address == "https://first.example/toy.tar.gz")
            #expect(byteLimit == ToyCIFAR.archive.count)
            try file.write(contentsOf: ToyCIFAR.archive)
            progress(ToyCIFAR.archive.count, nil)
        }
        let loaded = try ToyCIFAR.published().load(from: locations(), fetcher: server)
        #expect(loaded.train.labels == [1, 2, 3])
        let names = ["toy", "toy/data_batch_1.bin", "toy/data_batch_2.bin", "toy/test_batch.bin"]
        #expect(try cache.contents() == names)
        let again = try load()
        #expect(again.source == .cache(cache.url.appendingPathComponent("toy", isDirectory: true)))
        let harmed = try cache.write(ToyCIFAR.record(4, 4), to: "toy/test_batch.bin")
        #expect(message { _ = try load() }.hasPrefix("\(harmed.path): is not the published file"))
        try ToyCIFAR.published().fetch(into: locations(), fetcher: server)
        #expect(try load().test.labels == [9])
    }

    @Test func wrongBytesFromTheHomeAreNotKept() throws {
        let server = Fetcher { _, file, _, _ in try file.write(contentsOf: gzip(tar([("a", [1])]))) }
        #expect(
            message { try ToyCIFAR.published().fetch(into: locations(), fetcher: server) }
                .hasPrefix("https://first.example/toy.tar.gz: is not the published file: expected SHA-256 "))
        #expect(try cache.contents() == ["toy"])
    }

    @Test func withoutNetworkItSaysWhatToDo() throws {
        #expect(
            message { _ = try load(of: .cifar10) }
                == "Cannot fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz: no route. Check the network, "
                + "or put the files of CIFAR-10 (cifar-10-binary.tar.gz, or what is in it) into a folder and name it "
                + "with --data or APUS_DATA.")
        #expect(PublishedDataset.cifar10.files.reduce(0) { $0 + $1.byteCount } == 60_000 * 3_073)
    }

    /// A part of CIFAR-10, where this machine has one.
    static let realPart: URL? = {
        guard let place = PublishedFilesTests.sharedData?.appendingPathComponent("cifar10-mini") else { return nil }
        return FileManager.default.fileExists(atPath: place.appendingPathComponent("test_batch.bin").path)
            ? place : nil
    }()

    @Test(.enabled(if: realPart != nil)) func aRealPart() throws {
        let loaded = try load(Self.realPart, of: .cifar10)
        #expect(loaded.train.inputs[0].values.shape == [5_000, 32, 32, 3])
        #expect(loaded.test.inputs[0].values.shape == [1_000, 32, 32, 3])
        #expect(Set(loaded.train.labels ?? []) == Set(0...9))
        #expect(loaded.classNames[9] == "truck")
        #expect(loaded.warnings.count == 1)
    }
}

/// A published set of three training samples in two files and one test sample, in one archive.
enum ToyCIFAR {
    /// A record of `label` with all pixels of `value`.
    static func record(_ label: UInt8, _ value: UInt8) -> [UInt8] { [label] + [UInt8](repeating: value, count: 3072) }

    static let contents: [(name: String, bytes: [UInt8])] = [
        ("data_batch_1.bin", record(1, 10) + record(2, 20)), ("data_batch_2.bin", record(3, 30)),
        ("test_batch.bin", record(9, 90)),
    ]

    static let archive = gzip(
        tar([("toy/readme.html", Array("<html>".utf8))] + contents.map { ("toy/" + $0.name, $0.bytes) }))

    static func archiveChecksum() throws -> String { try SHA256.hexadecimal(of: archive) }

    static func published() throws -> PublishedDataset {
        let files = try contents.map {
            PublishedDataset.File(
                name: $0.name, checksum: try SHA256.hexadecimal(of: $0.bytes), byteCount: $0.bytes.count)
        }
        return PublishedDataset(
            name: "toy", title: "Toy",
            form: .cifar(.init(name: "toy.tar.gz", checksum: try archiveChecksum(), byteCount: archive.count)),
            files: files, homes: ["https://first.example/"], licence: "none", classNames: (0..<10).map { "\($0)" },
            folderNames: ["toy"])
    }

    static func write(to folder: TemporaryFolder, under subfolder: String) throws {
        for (name, bytes) in contents { try folder.write(bytes, to: subfolder + name) }
    }
}
