import ApusCore
import Foundation

/// A folder of checkpoints: the newest ones, as `step-000000000400.safetensors`, and the best one, `best.safetensors`.
///
/// Its paths say that they are files: otherwise each would be looked up on the disk, also between two steps.
public struct CheckpointFolder: Hashable, Sendable {
    public let url: URL

    public init(_ url: URL) { self.url = url }

    /// The checkpoint of the epoch at which the watched figure was best.
    public var best: URL { url.appendingPathComponent("best.safetensors", isDirectory: false) }

    /// The files of the newest checkpoints, the newest first; empty where there is no such folder, and where it cannot
    /// be listed.
    public var files: [URL] { (try? listedFiles()) ?? [] }

    /// As `files`.
    /// - Throws: `ApusError.file` with `.unreadable` where there is a folder that cannot be listed.
    package func listedFiles() throws -> [URL] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: url.path)
                .filter { Self.step(ofFile: $0) != nil }.sorted(by: >)
                .map { url.appendingPathComponent($0, isDirectory: false) }
        } catch {
            let folder = open(url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            let code = errno
            if folder >= 0 { close(folder) } else if code == ENOENT { return [] }
            let reason = folder >= 0 ? "it cannot be listed" : String(cString: strerror(code))
            throw ApusError.file(path: url.path, .unreadable(reason: reason))
        }
    }

    /// The newest checkpoint that is whole; `nil` where there is none.
    ///
    /// The best one counts as the oldest. One is passed over where it is damaged, which its checksum tells. Where it can
    /// merely not be read, it may be whole: that is an error, as older ones are not to take its place.
    /// - Parameter report: told why a newer one is passed over. Default: a line on the standard error output.
    /// - Throws: `ApusError.file` with `.unreadable`, also for a checkpoint of a later version of Apus.
    public func newest(
        reportingTo report: (ApusError) -> Void = { Self.warn($0) }
    ) throws -> Checkpoint? {
        // Whoever trains there may have put newer ones in the place of those that were listed.
        for _ in 0..<3 {
            var hasVanished = false
            for file in try listedFiles() + [best] {
                do {
                    return try Checkpoint(contentsOf: file)
                } catch ApusError.file(_, .missing) {
                    hasVanished = hasVanished || file != best
                } catch let problem as ApusError where Self.isOfDamage(problem) {
                    report(problem)
                }
            }
            if !hasVanished { break }
        }
        return nil
    }

    private static func isOfDamage(_ problem: ApusError) -> Bool {
        if case .file(_, .checkpoint) = problem { true } else { false }
    }

    /// Says on the standard error output why a checkpoint is passed over.
    public static func warn(_ problem: ApusError) {
        FileHandle.standardError.write(Data("WARNING: \(problem) It is passed over.\n".utf8))
    }

    /// The file of the checkpoint after `step`; names sort as their steps do.
    func file(step: Int) -> URL {
        let digits = "\(step)"
        return url.appendingPathComponent(
            "\(Self.prefix)\(String(repeating: "0", count: max(0, Self.digitCount - digits.count)))\(digits)"
                + Self.suffix, isDirectory: false)
    }

    /// Removes all but the newest `count`; where one cannot be removed, it stays.
    package func keepNewest(_ count: Int) {
        for file in files.dropFirst(count) { unlink(file.path) }
    }

    /// Whether there are any, the best one included, whole or not.
    /// - Throws: `ApusError.file` with `.unreadable` where that cannot be found out.
    package func hasFiles() throws -> Bool {
        try !listedFiles().isEmpty || FileManager.default.fileExists(atPath: best.path)
    }

    /// Those after `step`.
    func files(after step: Int) throws -> [URL] {
        try listedFiles().filter { (Self.step(ofFile: $0.lastPathComponent) ?? 0) > step }
    }

    /// Removes `files`, whether they are whole or damaged.
    /// - Throws: `ApusError.file` where one can merely not be read, so that nobody knows what would be lost; all are
    ///   there still.
    func remove(_ files: [URL]) throws {
        for file in files {
            do {
                _ = try Checkpoint(contentsOf: file)
            } catch ApusError.file(_, .missing) {
            } catch let problem as ApusError where Self.isOfDamage(problem) {}
        }
        for file in files { unlink(file.path) }
    }

    /// Puts checkpoints none of which is whole out of the way of new ones, without the loss of a byte: into a folder
    /// beside, with `.damaged-1` at the end of its name, or the next number that is free.
    /// - Returns: that folder; `nil` where there is no checkpoint.
    /// - Throws: `ApusError.file`; they are where they were then.
    package func setAsideDamaged() throws -> URL? {
        guard try hasFiles() else { return nil }
        func refusal(_ place: URL, _ code: Int32) -> ApusError {
            .file(path: place.path, .unwritable(reason: String(cString: strerror(code))))
        }
        for number in 1... {
            let place = url.deletingLastPathComponent()
                .appendingPathComponent("\(url.lastPathComponent).damaged-\(number)", isDirectory: true)
            guard mkdir(place.path, 0o777) == 0 else {
                if errno == EEXIST { continue }
                throw refusal(place, errno)
            }
            // A folder takes the place of an empty one.
            guard rename(url.path, place.path) == 0 else {
                let code = errno
                rmdir(place.path)
                throw refusal(place, code)
            }
            return place
        }
        preconditionFailure("\(url.lastPathComponent).damaged- with every number exists")
    }

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
