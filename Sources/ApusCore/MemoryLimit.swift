import Foundation

/// How much memory what comes from outside may ask for: a size in a file is a promise, and allocation that fails stops
/// the program.
package enum MemoryLimit {
    /// Half of the memory that this process may have, in bytes: readers hold a file and what they make of it side by
    /// side.
    package static let byteCount =
        available(
            machine: Int(clamping: ProcessInfo.processInfo.physicalMemory), limits: processLimits + [containerLimit])
        / 2

    /// The machine's memory, or less where a limit says so.
    package static func available(machine: Int, limits: [Int]) -> Int { limits.reduce(machine, min) }

    /// Those of `ulimit -v` and `ulimit -d`.
    private static var processLimits: [Int] {
        #if canImport(Darwin)
            let kinds = [RLIMIT_AS, RLIMIT_DATA]
        #else
            let kinds = [RLIMIT_AS, RLIMIT_DATA].map { __rlimit_resource_t($0.rawValue) }
        #endif
        return kinds.map { kind in
            var limit = rlimit()
            return getrlimit(kind, &limit) == 0 ? Int(clamping: limit.rlim_cur) : .max
        }
    }

    /// That of a container, which has its own view of Linux' control groups (version 2).
    private static var containerLimit: Int {
        let text = try? String(contentsOfFile: "/sys/fs/cgroup/memory.max", encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? .max
    }

    /// - Throws: `ApusError.file` with `.unreadable` where the contents of `path` take more than `limit` bytes.
    package static func check(_ count: Int, path: String, limit: Int = byteCount) throws {
        guard count <= limit else {
            throw ApusError.file(
                path: path, .unreadable(reason: "it takes \(count) bytes of memory, more than the \(limit) that it may")
            )
        }
    }
}
