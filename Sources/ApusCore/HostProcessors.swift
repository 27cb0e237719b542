import Foundation

/// The processors of this machine.
package enum HostProcessors {
    /// How many of them the calling thread may run on: fewer than there are where `taskset` or a container's set says
    /// so. (Without such a set the mask may name processors that are not there.)
    package static var usableCount: Int {
        let count = ProcessInfo.processInfo.activeProcessorCount
        let status = try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        return min(status.flatMap(usableCount(inStatus:)) ?? count, count)
    }

    /// The bits of the mask that Linux shows, such as `Cpus_allowed: ff,00000003`; `nil` where there is none.
    package static func usableCount(inStatus status: String) -> Int? {
        let name = "Cpus_allowed:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        var count = 0
        for digit in line.dropFirst(name.count) where !digit.isWhitespace && digit != "," {
            guard let bits = digit.hexDigitValue else { return nil }
            count += bits.nonzeroBitCount
        }
        return count > 0 ? count : nil
    }
}
