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
        let transfers = transfers(for: missing)
        for (index, transfer) in transfers.enumerated() {
            try fetch(transfer, from: &homes, into: folder, fetcher: fetcher) { byteCount, expected in
                progress(
                    FetchProgress(
                        file: transfer.title, fileIndex: index, fileCount: transfers.count, byteCount: byteCount,
                        expectedByteCount: expected))
            }
        }
        return folder
    }

    /// A file to be fetched, and what becomes of it.
    private struct Transfer: Sendable {
        /// How progress names it.
        let title: String
        /// Its name at its home.
        let name: String
        let byteLimit: Int
        /// Checks what was fetched into a file and puts what is in it into the folder. Wrong bytes are laid to the
        /// address that they came from.
        let unpack: @Sendable (_ packed: URL, _ folder: URL, _ address: String) throws -> Void
    }

    private func transfers(for missing: [File]) -> [Transfer] {
        switch form {
        case .idx:
            missing.map { file in
                // gzip adds a little to what it cannot press.
                Transfer(
                    title: file.name, name: file.name + ".gz", byteLimit: file.byteCount + file.byteCount / 100 + 1_000
                ) { packed, folder, address in
                    let stream = try PackedStream(file: packed)
                    var bytes = try stream.read(file.byteCount)
                    bytes += try stream.read(1)
                    try keep(bytes, as: file, in: folder, from: address)
                }
            }
        case .cifar(let archive):
            missing.isEmpty
                ? []
                : [
                    Transfer(title: archive.name, name: archive.name, byteLimit: archive.byteCount) {
                        packed, folder, address in
                        let checksum = try SHA256.hexadecimal(ofFileAt: packed)
                        guard checksum == archive.checksum else {
                            throw ApusError.file(
                                path: address, .checksum(expected: archive.checksum, found: checksum))
                        }
                        for (file, bytes) in try members(of: packed) {
                            try keep(bytes, as: file, in: folder, from: address)
                        }
                    }
                ]
        }
    }

    private func keep(_ bytes: [UInt8], as file: File, in folder: URL, from address: String) throws {
        let checksum = try SHA256.hexadecimal(of: bytes)
        guard checksum == file.checksum else {
            throw ApusError.file(path: address, .checksum(expected: file.checksum, found: checksum))
        }
        try CacheFile.write(to: folder.appendingPathComponent(file.name)) { try $0.write(contentsOf: bytes) }
    }

    /// Tries each home in turn, and brings the one that answers to the front for the files to come. Bytes that are not
    /// the published ones are the worst that can come: they are reported even where another home could not be reached.
    private func fetch(
        _ transfer: Transfer, from homes: inout [String], into folder: URL, fetcher: Fetcher,
        progress: @escaping @Sendable (Int, Int?) -> Void
    ) throws {
        var problems: [ApusError] = []
        for (index, home) in homes.enumerated() {
            do {
                try fetch(transfer, from: home + transfer.name, into: folder, fetcher: fetcher, progress: progress)
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
                url: homes[0] + transfer.name,
                reason: reasons.joined(separator: "; "), cure: "Check the network, or \(folderCure)")
    }

    private func fetch(
        _ transfer: Transfer, from address: String, into folder: URL, fetcher: Fetcher,
        progress: @escaping @Sendable (Int, Int?) -> Void
    ) throws {
        let packed = folder.appendingPathComponent(".\(transfer.name).\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: packed) }
        try CacheFile.write(to: packed) { try fetcher.fetch(address, $0, transfer.byteLimit, progress) }
        do {
            try transfer.unpack(packed, folder, address)
        } catch ApusError.file(packed.path, let problem) {
            throw ApusError.file(path: address, problem)
        }
    }

    /// Whether the cache holds the file whole and unharmed.
    private func isHeld(_ file: File, in folder: URL) -> Bool {
        (try? SHA256.hexadecimal(ofFileAt: folder.appendingPathComponent(file.name))) == file.checksum
    }

    private var folderCure: String {
        let names =
            switch form {
            case .idx: files.map { $0.name + ".gz" }.joined(separator: ", ")
            case .cifar(let archive): "\(archive.name), or what is in it"
            }
        return "put the files of \(title) (\(names)) into a folder and name it with --data or APUS_DATA."
    }
}
