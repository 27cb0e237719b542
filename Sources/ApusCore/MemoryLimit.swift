import Foundation

/// How much memory what comes from outside may ask for: a size in a file is a promise, and allocation that fails stops
/// the program.
package enum MemoryLimit {
    /// Half of the machine's memory, in bytes: readers hold a file and what they make of it side by side.
    package static let byteCount = Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)

    /// - Throws: `ApusError.file` with `.unreadable` where the contents of `path` take more than `limit` bytes.
    package static func check(_ count: Int, path: String, limit: Int = byteCount) throws {
        guard count <= limit else {
            throw ApusError.file(
                path: path, .unreadable(reason: "it takes \(count) bytes of memory, more than the \(limit) that it may")
            )
        }
    }
}
