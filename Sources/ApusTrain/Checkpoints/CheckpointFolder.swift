import ApusCore
import Foundation

/// A folder of checkpoints: the newest ones, as `step-000000000400.safetensors`, and the best one, `best.safetensors`.
public struct CheckpointFolder: Hashable, Sendable {
    public let url: URL

    public init(_ url: URL) { self.url = url }

    /// The checkpoint of the epoch at which the watched figure was best.
    public var best: URL { url.appendingPathComponent("best.safetensors") }

    /// The files of the newest checkpoints, the newest first; empty where there is no such folder.
    public var files: [URL] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.filter { Self.step(ofFile: $0) != nil }.sorted(by: >).map { url.appendingPathComponent($0) }
    }

    /// The newest checkpoint that is whole; `nil` where there is none.
    ///
    /// The best one counts as the oldest.
    /// - Parameter report: told why a newer one is passed over. Default: a line on the standard error output.
    public func newest(
        reportingTo report: (ApusError) -> Void = { Self.warn($0) }
    ) -> Checkpoint? {
        // Whoever trains there may have put newer ones in the place of those that were listed.
        for _ in 0..<3 {
            var hasVanished = false
            for file in files + (FileManager.default.fileExists(atPath: best.path) ? [best] : []) {
                do {
                    return try Checkpoint(contentsOf: file)
                } catch ApusError.file(_, .missing) {
                    hasVanished = true
                } catch {
                    if let problem = error as? ApusError { report(problem) }
                }
            }
            if !hasVanished { break }
        }
        return nil
    }

    /// Says on the standard error output why a checkpoint is passed over.
    public static func warn(_ problem: ApusError) {
        FileHandle.standardError.write(Data("WARNING: \(problem) The one before it is used.\n".utf8))
    }

    /// The file of the checkpoint after `step`; names sort as their steps do.
    func file(step: Int) -> URL {
        let digits = "\(step)"
        return url.appendingPathComponent(
            "\(Self.prefix)\(String(repeating: "0", count: max(0, Self.digitCount - digits.count)))\(digits)"
                + Self.suffix)
    }

    /// Removes all but the newest `count`; where one cannot be removed, it stays.
    package func keepNewest(_ count: Int) {
        for file in files.dropFirst(count) { unlink(file.path) }
    }

    /// Removes all, the best one too.
    package func removeAll() {
        keepNewest(0)
        unlink(best.path)
    }

    /// Those after `step`.
    func files(after step: Int) -> [URL] { files.filter { (Self.step(ofFile: $0.lastPathComponent) ?? 0) > step } }

    /// Removes what a killed process has left half written.
    func removeUnfinished() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        for name in names where AtomicFile.isTemporary(name) { unlink(url.appendingPathComponent(name).path) }
    }

    private static let (prefix, suffix, digitCount) = ("step-", ".safetensors", 12)

    private static func step(ofFile name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        let digits = name.dropFirst(prefix.count).dropLast(suffix.count)
        guard digits.count >= digitCount, digits.allSatisfy(\.isNumber) else { return nil }
        return Int(digits)
    }
}
