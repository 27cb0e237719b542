import Apus
import Foundation

/// How long a step and its kernels took, over many runs.
struct KernelTimes {
    /// A step with no clock inside, in seconds.
    let step: Double
    /// Each step of the plan, in the same order.
    let kernels: [Double]
    /// The last runs in order: the clock when the run began and after each kernel, in nanoseconds.
    let timeline: [[UInt64]]
}

extension Benchmark {
    private static let longestTimeline = 10
    /// Steps are profiled for about so many milliseconds, each kind; but at least and at most so many.
    private static let (profiledTime, profiledCounts) = (300.0, 10.0...1_600.0)

    /// Steps as they are and steps with a look at the clock after each kernel, in turn; the times are means of the
    /// fastest fifth of them, so that other programs count little.
    func kernelTimes() throws -> KernelTimes {
        let estimate = try milliseconds(stepCount: 3)
        let runCount = Int(
            min(max(Self.profiledTime / estimate, Self.profiledCounts.lowerBound), Self.profiledCounts.upperBound))
        let width = step.plan.steps.count + 1
        // One row a run, written without allocation.
        let clocks = UnsafeMutablePointer<UInt64>.allocate(capacity: runCount * width)
        clocks.initialize(repeating: 0, count: runCount * width)
        defer { clocks.deallocate() }
        var plain = [UInt64](repeating: 0, count: runCount)
        try withInputs { inputs in
            for run in -3..<runCount {
                var context = RunContext(seed: 0, step: 2 * (run + 3))
                let start = nanoseconds()
                try step.executable.run(inputs: inputs, context: context)
                try checkLoss(context)
                let end = nanoseconds()
                let row = clocks + max(run, 0) * width
                context.step += 1
                row[0] = nanoseconds()
                try step.executable.run(inputs: inputs, context: context) { index, _ in
                    row[index + 1] = nanoseconds()
                }
                try checkLoss(context)
                if run >= 0 { plain[run] = end - start }
            }
        }
        let runs = (0..<runCount).map { UnsafeBufferPointer(start: clocks + $0 * width, count: width) }
        let fastest = runs.sorted { $0[width - 1] - $0[0] < $1[width - 1] - $1[0] }.prefix((runCount + 4) / 5)
        func mean(_ values: some Collection<UInt64>) -> Double {
            values.reduce(0) { $0 + Double($1) } / Double(values.count) * 1e-9
        }
        return KernelTimes(
            step: mean(plain.sorted().prefix(fastest.count)),
            kernels: (1..<width).map { index in mean(fastest.map { $0[index] - $0[index - 1] }) },
            timeline: runs.suffix(Self.longestTimeline).map(Array.init))
    }
}

/// The time since some moment.
private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
