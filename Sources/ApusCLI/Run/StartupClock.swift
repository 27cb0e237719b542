import Apus
import Foundation

/// Where the time goes before the first step.
struct StartupClock {
    private var marks: [(name: String, seconds: Double)] = []
    private var last: Double

    /// Begins with the process.
    init() {
        last = Self.processSeconds
        marks = [("start", last)]
    }

    /// What passed since the last mark belongs to `name`.
    mutating func mark(_ name: String) {
        let now = Self.processSeconds
        marks.append((name, now - last))
        last = now
    }

    /// `first step after 0.312 s: data 0.120, ...`.
    var description: String {
        let parts = marks.map { "\($0.name) \(String(format: "%.3f", $0.seconds))" }
        return "first step after \(String(format: "%.3f", last)) s: \(parts.joined(separator: ", "))"
    }

    /// Seconds since the process began; the system tells its beginning to a hundredth of a second.
    static var processSeconds: Double {
        #if os(Linux)
            var now = timespec()
            clock_gettime(CLOCK_BOOTTIME, &now)
            let status = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8)) ?? ""
            // The fields after the program's name, which may itself hold spaces: number 20 of them is the start.
            let fields = status.split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 19, let ticks = Double(fields[19]) else { return 0 }
            return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        #else
            return Double(clock()) / Double(CLOCKS_PER_SEC)
        #endif
    }
}

/// Prints what passed before the first step, once.
final class StartupReport: Callback {
    private var clock: StartupClock
    private var isDone = false

    init(_ clock: StartupClock) { self.clock = clock }

    func trainingWillStart(_ training: Training) { clock.mark("training's start") }

    func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
        guard !isDone else { return }
        isDone = true
        clock.mark("first step")
        try Console.line(clock.description)
    }
}
