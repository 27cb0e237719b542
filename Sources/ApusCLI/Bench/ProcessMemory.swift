import Foundation

/// The memory of this process.
package enum ProcessMemory {
    /// The most bytes that it has had in memory so far, code and libraries included; `nil` where the system does not say.
    package static var peakByteCount: Int? {
        #if os(Linux)
            // Not from getrusage, which counts what the parent had when it started this process.
            let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
            return peakByteCount(inStatus: status)
        #else
            var usage = rusage()
            return getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : nil
        #endif
    }

    /// From the text of `/proc/self/status`, which has a line such as `VmHWM:     5124 kB`.
    package static func peakByteCount(inStatus text: String) -> Int? {
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let words = line?.split(whereSeparator: \.isWhitespace) ?? []
        guard words.count == 3, words[2] == "kB", let kilobytes = Int(words[1]) else { return nil }
        return kilobytes * 1_024
    }
}
