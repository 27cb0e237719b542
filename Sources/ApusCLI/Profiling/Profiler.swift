import Apus
import Foundation

/// The options of `apus bench` that ask where the time goes.
enum ProfileOptions {
    static let table = Option.flag(
        "profile", help: "Show on the standard error output where a step's time goes, by layer and operation")
    static let json = Option.path(
        "profile-json", "FILE", help: "Write where the time goes into this file, as JSON", default: nil)
    static let trace = Option.path(
        "trace", "FILE", help: "Write steps and kernels into this file, for chrome://tracing or Perfetto", default: nil)

    static let all: [any OptionSyntax] = [table, json, trace]

    static let notes = """
        With --profile, steps with a clock between their kernels alternate with steps that have none; the times are
        means of the fastest fifth. GFLOP/s count a convolution's plain sum, GB/s each array that a kernel reads or writes
        once. A kernel's bound is what takes longer at the rates measured here: its operations with all multiply-adds
        (arithmetic; of rounded factors, at the fastest of the rates for them), or a pass over as many bytes (memory); it
        has reached 100 % where it is as fast as that. What a kernel recomputes or copies for itself is not counted, and
        Winograd's convolutions can go beyond 100 %.
        """
}

/// Profiles benchmarks as the options ask, and keeps what goes into files until the end.
struct Profiler {
    private let showsTable: Bool
    private let json: String?
    private let trace: String?
    private var peaks: MachinePeaks?
    private var profiles: [StepProfile] = []
    private var chromeTrace = ChromeTrace()

    /// `nil` where nothing is asked for.
    /// - Throws: `ApusError.usage` where it is asked for and something else than training is timed.
    init?(_ arguments: Arguments, phase: BenchPhase) throws {
        showsTable = arguments.has(ProfileOptions.table)
        json = arguments[ProfileOptions.json]
        trace = arguments[ProfileOptions.trace]
        if !showsTable && json == nil && trace == nil { return nil }
        guard phase == .training else {
            throw ApusError.usage(
                problem: "Only training steps are profiled, not --phase \(phase.rawValue).",
                cure: "Leave out --profile, --profile-json and --trace, or leave out --phase.")
        }
    }

    mutating func add(_ benchmark: Benchmark, batchSize: Int) throws -> StepProfile {
        // The number of threads was set when the step's kernels were made. Other programs may have taken their share
        // of one measurement.
        let before = MachinePeaks.measured()
        let times = try benchmark.kernelTimes()
        let peaks = before.improved(by: .measured()).improved(by: peaks ?? before)
        self.peaks = peaks
        let profile = StepProfile(
            benchmark.step.executable, workload: benchmark.step.workload.name, batchSize: batchSize,
            threadCount: CPUDescription.current.threadCount, peaks: peaks, stepSeconds: times.step,
            kernelSeconds: times.kernels)
        if showsTable { Console.report(ProfileTable(profile).text) }
        profiles.append(profile)
        if trace != nil { chromeTrace.append(profile, timeline: times.timeline) }
        return profile
    }

    /// Writes the files.
    func finish() throws {
        if let json { try AtomicFile.write(ProfileFile(profiles).data(), to: URL(fileURLWithPath: json)) }
        if let trace { try AtomicFile.write(chromeTrace.data(), to: URL(fileURLWithPath: trace)) }
    }
}
