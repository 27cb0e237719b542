import ApusCore
import Foundation

/// Keeps large published files unpacked, so that only the first of many runs waits for gzip.
///
/// An unpacked file is named by the SHA-256 of the packed one, so it does not matter where that lies or what becomes
/// of it; and it counts only if its own checksum is the published one.
struct UnpackedCache {
    let folder: URL

    /// Packed files below this size unpack fast enough.
    private static let smallestByteCount = 4_000_000

    /// Reads an IDX file, by way of the cache where that is faster.
    func read(_ url: URL, published file: PublishedDataset.File) throws -> IDXFile {
        guard let place = place(for: url) else { return try IDXFile(contentsOf: url) }
        if let kept = try? IDXFile(contentsOf: place), kept.checksum == file.checksum { return kept }
        let content = try IDXFile(contentsOf: url)
        // A cache that cannot be written costs time, nothing else.
        if content.checksum == file.checksum { try? CacheFile.write(to: place, content.write(to:)) }
        return content
    }

    private func place(for url: URL) -> URL? {
        guard url.pathExtension == "gz", let packed = try? Data(contentsOf: url, options: .mappedIfSafe),
            packed.count >= Self.smallestByteCount,
            let checksum = try? packed.withUnsafeBytes({ try SHA256.hexadecimal(of: $0) })
        else { return nil }
        return folder.appendingPathComponent("unpacked").appendingPathComponent(checksum)
    }
}
