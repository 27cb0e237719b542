import Apus
import Foundation

/// The folder that holds all of a run: what was asked for, what came of it, and what it takes to repeat it.
package struct RunFolder: Sendable {
    package let url: URL

    /// As the user wrote it.
    var path: String { url.relativePath }
    var weightsPath: String { "\(path)/\(weights.lastPathComponent)" }

    package var card: URL { url.appendingPathComponent("card.json") }
    /// The weights, safetensors.
    package var weights: URL { url.appendingPathComponent("weights.safetensors") }
    /// The model's description.
    var model: URL { url.appendingPathComponent("model.json") }
    /// The pictures of where the network sees its answers, one for each image that was asked about.
    var explanations: URL { url.appendingPathComponent("explained") }
    /// The report, the batch and the variables of a step that failed.
    var failure: URL { url.appendingPathComponent("failure") }
    /// A JSON object a line, one for each epoch.
    package var history: URL { url.appendingPathComponent("history.jsonl") }
    /// The bits of each step's loss, see `LossRecord`.
    package var losses: URL { url.appendingPathComponent("losses.f32") }
    /// Hashes of the variables, see `Fingerprints`.
    package var fingerprints: URL { url.appendingPathComponent("fingerprints.jsonl") }
    /// The newest checkpoints, and the best one.
    package var checkpoints: CheckpointFolder { CheckpointFolder(url.appendingPathComponent("checkpoints")) }
    /// Held by the process that writes here.
    var lockFile: URL { url.appendingPathComponent(Self.lockName) }
    private static let lockName = ".lock"
    /// The file that takes the room for what is written at the end. It stands there for a moment only; a process killed
    /// then leaves it, as it leaves half-written files.
    package static let roomName = ".room.temporary"

    /// The existing run in `path`.
    /// - Throws: `ApusError.file`.
    package init(opening path: String) throws {
        url = URL(fileURLWithPath: path)
        guard let isFolder = FileManager.default.isFolder(atPath: path) else {
            throw ApusError.file(path: path, .missing)
        }
        guard isFolder, FileManager.default.fileExists(atPath: card.path) else {
            throw ApusError.file(
                path: path,
                .foreign(expected: "a run's folder, with its card.json", found: isFolder ? "another folder" : "a file"))
        }
    }

    private init(_ url: URL) { self.url = url }

    /// A new folder: `path`, which must be empty where it exists, or else one under `runs` that is named after the
    /// experiment and the time.
    /// - Throws: `ApusError.usage` where `path` is in use, `ApusError.file` where it cannot be made.
    package static func make(at path: String?, experiment: String, date: Date = Date()) throws -> RunFolder {
        if let path {
            let url = URL(fileURLWithPath: path)
            try makeFolder(at: url)
            try checkEmptiness(path)
            return RunFolder(url)
        }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        let base = "\(experiment)-\(formatter.string(from: date))"
        let runs = URL(fileURLWithPath: "runs")
        try makeFolder(at: runs)
        for number in 1... {
            let url = runs.appendingPathComponent(number == 1 ? base : "\(base)-\(number)")
            let code = mkdir(url.path, 0o777) == 0 ? 0 : errno
            if code == 0 {
                try AtomicFile.syncFolder(of: url)
                return RunFolder(url)
            }
            guard code == EEXIST else { throw refusal(url, code) }
        }
        preconditionFailure("runs/\(base) with every number exists")
    }

    /// Finds out whether `make` will succeed, and makes nothing: before data are read, or fetched for minutes.
    /// - Throws: as `make`.
    package static func check(_ path: String?) throws {
        let url = URL(fileURLWithPath: path ?? "runs")
        // The first folder upwards that exists is where the first new one goes.
        var place = url
        while access(place.path, F_OK) != 0 {
            guard errno == ENOENT, place.path != "/" else { throw refusal(url, errno) }
            place.deleteLastPathComponent()
        }
        guard FileManager.default.isFolder(atPath: place.path) == true else {
            throw refusal(url, place.path == url.path ? EEXIST : ENOTDIR)
        }
        guard access(place.path, W_OK | X_OK) == 0 else { throw refusal(url, errno) }
        if let path, place.path == url.path { try checkEmptiness(path) }
    }

    private static func checkEmptiness(_ path: String) throws {
        guard let contents = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw ApusError.file(path: path, .unwritable(reason: "it cannot be listed"))
        }
        // A process that was killed at once leaves these; what else there is may be dear to somebody.
        guard contents.allSatisfy({ $0 == lockName || AtomicFile.isTemporary($0) }) else {
            throw ApusError.usage(
                problem: "The output folder \(path) is not empty, and nothing is overwritten.",
                cure: "Name another with --out, or remove it first.")
        }
    }

    private static func refusal(_ url: URL, _ code: Int32) -> ApusError {
        let reason = code == EEXIST ? "a file of that name is in the way" : String(cString: strerror(code))
        return .file(path: url.path, .unwritable(reason: reason))
    }

    /// Removes what a killed process has left half written. Only for the process that holds the lock.
    func removeUnfinished() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        where AtomicFile.isTemporary(name) {
            unlink(url.appendingPathComponent(name).path)
        }
    }

    /// Takes `byteCount` bytes of the disk until they are released, so that a disk that fills up meanwhile takes
    /// nothing from what is written at the end.
    /// - Parameters:
    ///   - otherByteCount: what is written before, for which there must be room now.
    ///   - largestFile: the bytes of the largest file.
    /// - Throws: `ApusError.file` with `.unwritable` where there is not that much room, or no such file may be.
    func reserve(byteCount: Int, beside otherByteCount: Int, largestFile: Int) throws -> Reservation {
        let most = Self.fileByteLimit
        if largestFile > most {
            let reason =
                "its largest file has \(largestFile.megabytes), and this process may write \(most.megabytes) (ulimit -f)"
            throw ApusError.file(path: url.path, .unwritable(reason: reason))
        }
        let file = url.appendingPathComponent(Self.roomName)
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.refusal(url, errno) }
        // Without a name it vanishes with the process, however that ends.
        unlink(file.path)
        let reservation = Reservation(descriptor: descriptor)
        let needed = byteCount + otherByteCount
        // What is taken is a file, which must not be larger than a file may be.
        let code = posix_fallocate(descriptor, 0, min(needed, most))
        // Some file systems cannot tell (EOPNOTSUPP, EINVAL).
        if code == ENOSPC || code == EDQUOT || code == EIO {
            let reason = "\(String(cString: strerror(code))); this run needs \(needed.megabytes)"
            throw ApusError.file(path: url.path, .unwritable(reason: reason))
        }
        ftruncate(descriptor, min(byteCount, most))
        return reservation
    }

    /// The bytes that a file of this process may have.
    private static var fileByteLimit: Int {
        var limit = rlimit()
        #if canImport(Darwin)
            let code = getrlimit(RLIMIT_FSIZE, &limit)
        #else
            let code = getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        #endif
        return code == 0 ? Int(clamping: limit.rlim_cur) : .max
    }
}

/// Room on a disk that nobody else can take.
final class Reservation {
    private var descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { release() }

    func release() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}

extension Int {
    /// As in `5.4 MB` and `0.03 MB`.
    var megabytes: String { String(format: self < 1_000_000 ? "%.2f MB" : "%.1f MB", Double(self) / 1e6) }
}

extension FileManager {
    /// Whether a folder stands there; `nil` where there is nothing.
    func isFolder(atPath path: String) -> Bool? {
        var isFolder: ObjCBool = false
        return fileExists(atPath: path, isDirectory: &isFolder) ? isFolder.boolValue : nil
    }
}
