import ApusCore
import ApusData
import Foundation
import Testing

@Suite struct FetchingTests {
    let cache: TemporaryFolder

    init() throws { cache = try TemporaryFolder() }

    private var locations: DataLocations {
        DataLocations(cache: cache.url, system: cache.url.appendingPathComponent("system"))
    }

    /// A home that serves the toy set; `change` may spoil what it sends, by address.
    private static func server(
        change: @escaping @Sendable (String, [UInt8]) throws -> [UInt8] = { $1 }
    ) -> Fetcher {
        Fetcher { address, file, byteLimit, progress in
            guard let content = ToySet.contents.first(where: { address.hasSuffix("/\($0.name).gz") }) else {
                throw ApusError.download(url: address, reason: "HTTP status 404", cure: "")
            }
            let bytes = try change(address, gzip(content.bytes))
            #expect(bytes.count <= byteLimit)
            progress(0, bytes.count)
            try file.write(contentsOf: bytes)
            progress(bytes.count, bytes.count)
        }
    }

    private var cachedNames: [String] { ToySet.contents.map { "toy/\($0.name)" }.sorted() }

    @Test func fetchedFilesAreKeptUnpacked() throws {
        let loaded = try ToySet.published().load(from: locations, fetcher: Self.server())
        let folder = cache.url.appendingPathComponent("toy", isDirectory: true)
        #expect(loaded.source == .network(folder))
        #expect(loaded.train.labels == [1, 0, 2])
        #expect(try cache.contents() == ["toy"] + cachedNames)
        let nothing = Fetcher { address, _, _, _ in
            throw ApusError.download(url: address, reason: "asked twice", cure: "")
        }
        #expect(try ToySet.published().load(from: locations, fetcher: nothing).source == .cache(folder))
    }

    @Test func onlyWhatIsMissingOrHarmedIsFetched() throws {
        try ToySet.write(to: cache, under: "toy/")
        try cache.write([1, 2, 3], to: "toy/t10k-labels-idx1-ubyte")
        let (set, seen) = (try ToySet.published(), Record<FetchProgress>())
        try set.fetch(into: locations, fetcher: Self.server()) { seen.add($0) }
        #expect(seen.all.map(\.file) == ["t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"])
        // Ten bytes unpacked; stored gzip adds 10 + 5 + 8.
        let last = try #require(seen.all.last)
        #expect(last.fileIndex == 0 && last.fileCount == 1)
        #expect(last.byteCount == 33 && last.expectedByteCount == 33)
        #expect(try cache.contents() == ["toy"] + cachedNames)
    }

    @Test func theNextHomeIsTriedAndKept() throws {
        let asked = Record<String>()
        let server = Self.server { address, bytes in
            asked.add(address)
            if address.hasPrefix("https://first") {
                throw ApusError.download(url: address, reason: "HTTP status 500", cure: "")
            }
            return bytes
        }
        try ToySet.published().fetch(into: locations, fetcher: server)
        // The first home is asked for the first file only.
        #expect(asked.all.map { $0.hasPrefix("https://first") } == [true, false, false, false, false])
        #expect(try cache.contents() == ["toy"] + cachedNames)
    }

    @Test func wrongBytesAreAnErrorAndAreNotKept() throws {
        let wrong = idx([3], [1, 1, 1])
        let found = try SHA256.hexadecimal(of: wrong)
        let server = Self.server { address, bytes in address.contains("train-labels") ? gzip(wrong) : bytes }
        let expected = try ToySet.published().files[1].checksum
        #expect(
            message { try ToySet.published().fetch(into: locations, fetcher: server) }
                == "https://first.example/train-labels-idx1-ubyte.gz: is not the published file: expected SHA-256 "
                + "\(expected), found \(found). Delete it and fetch it again.")
        #expect(try cache.contents() == ["toy", "toy/train-images-idx3-ubyte"])
    }

    @Test func aPageInsteadOfTheFileIsAnError() throws {
        let server = Self.server { _, _ in Array("<html>Please log in</html>".utf8) }
        #expect(
            message { try ToySet.published().fetch(into: locations, fetcher: server) }.contains("is not the published"))
        #expect(try cache.contents() == ["toy"])
    }

    @Test func moreThanTheFileIsNotUnpacked() throws {
        let server = Self.server { _, bytes in gzip([UInt8](repeating: 0, count: 900)) }
        #expect(
            message { try ToySet.published().fetch(into: locations, fetcher: server) }.contains("is not the published"))
    }

    @Test func aCacheThatCannotBeWritten() throws {
        // A file stands where the cache's folder should be.
        let place = try cache.write([1], to: "file")
        let problem = message {
            try ToySet.published().fetch(
                into: DataLocations(cache: place, system: place), fetcher: Self.server())
        }
        #expect(
            problem == "\(place.path)/toy: cannot be written: Not a directory. Choose another place, or make room.")
    }

    @Test func aBrokenTransferLeavesNothing() throws {
        let server = Fetcher { address, file, _, _ in
            try file.write(contentsOf: [1, 2, 3])
            throw ApusError.download(url: address, reason: "the connection was lost", cure: "")
        }
        #expect(
            message { try ToySet.published().fetch(into: locations, fetcher: server) }.contains("connection was lost"))
        #expect(try cache.contents() == ["toy"])
    }
}

/// Collects what a closure is called with.
private final class Record<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Value] = []

    func add(_ value: Value) { lock.withLock { values.append(value) } }
    var all: [Value] { lock.withLock { values } }
}
