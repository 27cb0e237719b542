import ApusCore
import Foundation

/// How far the fetching of a data set has come.
public struct FetchProgress: Sendable, Hashable {
    /// The file being fetched.
    public let file: String
    /// Its place among the files, from 0, and how many there are.
    public let fileIndex: Int
    public let fileCount: Int
    /// Bytes of this file so far, and in all where the server says so.
    public let byteCount: Int
    public let expectedByteCount: Int?
}

/// What brings the bytes of an address into a file. Tests put their own in place of the network.
package struct Fetcher: Sendable {
    /// Fetches `address` into the open `file`, at most `byteLimit` bytes. Throws `ApusError.download` or, for
    /// a file that cannot be written, whatever the file throws.
    package var fetch:
        @Sendable (
            _ address: String, _ file: FileHandle, _ byteLimit: Int, _ progress: @escaping @Sendable (Int, Int?) -> Void
        ) throws -> Void

    package init(
        _ fetch: @escaping @Sendable (String, FileHandle, Int, @escaping @Sendable (Int, Int?) -> Void) throws -> Void
    ) {
        self.fetch = fetch
    }
}

extension PublishedDataset {
    /// Fetches what the cache does not hold yet, checks it and keeps it there unpacked.
    ///
    /// - Parameters:
    ///   - locations: Its `cache` and `usesNetwork` count. Default: those that the process' environment names.
    ///   - progress: Called as bytes arrive, on another thread.
    /// - Returns: The cache's folder of this data set.
    /// - Throws: `ApusError.download` where no home could be reached, `ApusError.file` with `.checksum` for bytes that
    ///   are not the published ones, `.unwritable` where the cache cannot be written.
    @discardableResult
    public func fetch(
        into locations: DataLocations = DataLocations(),
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in }
    ) throws -> URL {
        try fetch(into: locations, fetcher: .network, progress: progress)
    }

    @discardableResult
    package func fetch(
        into locations: DataLocations, fetcher: Fetcher,
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in }
    ) throws -> URL {
        let folder = cacheFolder(in: locations)
        let missing = files.filter { !isHeld($0, in: folder) }
        guard missing.isEmpty || locations.usesNetwork else {
            throw ApusError.download(url: homes[0], reason: "APUS_OFFLINE is set", cure: "Unset it, or \(folderCure)")
        }
        var homes = homes
        for (index, file) in missing.enumerated() {
            try fetch(file, from: &homes, into: folder, fetcher: fetcher) { byteCount, expected in
                progress(
                    FetchProgress(
                        file: file.name, fileIndex: index, fileCount: missing.count, byteCount: byteCount,
                        expectedByteCount: expected))
            }
        }
        return folder
    }

    /// Tries each home in turn, and brings the one that answers to the front for the files to come. Bytes that are not
    /// the published ones are the worst that can come: they are reported even where another home could not be reached.
    private func fetch(
        _ file: File, from homes: inout [String], into folder: URL, fetcher: Fetcher,
        progress: @escaping @Sendable (Int, Int?) -> Void
    ) throws {
        var problems: [ApusError] = []
        for (index, home) in homes.enumerated() {
            do {
                try fetch(file, from: home + file.name + ".gz", into: folder, fetcher: fetcher, progress: progress)
                homes.swapAt(0, index)
                return
            } catch let problem as ApusError {
                if case .file(_, .unwritable) = problem { throw problem }
                problems.append(problem)
            }
        }
        let reasons = problems.compactMap { problem in
            if case .download(_, let reason, _) = problem { reason } else { nil as String? }
        }
        throw problems.first { if case .download = $0 { false } else { true } }
            ?? ApusError.download(
                url: homes[0] + file.name + ".gz",
                reason: reasons.joined(separator: "; "), cure: "Check the network, or \(folderCure)")
    }

    private func fetch(
        _ file: File, from address: String, into folder: URL, fetcher: Fetcher,
        progress: @escaping @Sendable (Int, Int?) -> Void
    ) throws {
        let packed = folder.appendingPathComponent(".\(file.name).\(UUID().uuidString).gz")
        defer { try? FileManager.default.removeItem(at: packed) }
        // gzip adds a little to what it cannot press.
        let byteLimit = file.byteCount + file.byteCount / 100 + 1_000
        try CacheFile.write(to: packed) { try fetcher.fetch(address, $0, byteLimit, progress) }
        let stream: PackedStream
        do {
            stream = try PackedStream(file: packed)
            var bytes = try stream.read(file.byteCount)
            bytes += try stream.read(1)
            let checksum = try SHA256.hexadecimal(of: bytes)
            guard checksum == file.checksum else {
                throw ApusError.file(path: address, .checksum(expected: file.checksum, found: checksum))
            }
            try CacheFile.write(to: folder.appendingPathComponent(file.name)) { try $0.write(contentsOf: bytes) }
        } catch ApusError.file(packed.path, let problem) {
            throw ApusError.file(path: address, problem)
        }
    }

    /// Whether the cache holds the file whole and unharmed.
    private func isHeld(_ file: File, in folder: URL) -> Bool {
        let held = try? IDXFile(contentsOf: folder.appendingPathComponent(file.name))
        return held?.checksum == file.checksum
    }

    private var folderCure: String {
        let names = files.map { $0.name + ".gz" }.joined(separator: ", ")
        return "put the files of \(title) (\(names)) into a folder and name it with --data or APUS_DATA."
    }
}
