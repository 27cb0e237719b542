import Apus
import Foundation

/// Where the time goes before the first step.
struct StartupClock {
    private var marks: [(name: String, seconds: Double)] = []
    private var last = ContinuousClock.now
    private let knowsStart: Bool

    /// Begins with the process, or now where its start is not known.
    init() {
        let seconds = Self.processSeconds
        knowsStart = seconds != nil
        if let seconds { marks = [("start", seconds)] }
    }

    /// What passed since the last mark belongs to `name`.
    mutating func mark(_ name: String) {
        let now = ContinuousClock.now
        marks.append((name, (now - last) / .seconds(1)))
        last = now
    }

    /// `first step after 0.312 s: start 0.021, network 0.012, ...`.
    var description: String {
        let parts = marks.map { "\($0.name) \(String(format: "%.3f", $0.seconds))" }
        let total = marks.reduce(0) { $0 + $1.seconds }
        return "first step after \(String(format: "%.3f", total)) s"
            + (knowsStart ? "" : " (without the process's start, which this system does not tell)")
            + ": \(parts.joined(separator: ", "))"
    }

    /// Seconds since the process began, to a hundredth of a second; `nil` where the system does not say when that was.
    static var processSeconds: Double? {
        #if os(Linux)
            var now = timespec()
            clock_gettime(CLOCK_BOOTTIME, &now)
            let status = (try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8)) ?? ""
            // The fields after the program's name, which may itself hold spaces: number 20 of them is the start.
            let fields = status.split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 19, let ticks = Double(fields[19]) else { return nil }
            return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        #else
            return nil
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
