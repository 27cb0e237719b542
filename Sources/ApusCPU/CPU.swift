import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

extension Device {
    /// The processor, with as many threads as OpenMP gives (its cores, or OMP_NUM_THREADS).
    public static let cpu = processor(threadCount: nil, team: .openMP) { try CPUExecutable($0, variables: $1) }

    /// The processor with `threadCount` threads (at least 1), which holds for the whole process.
    public static func cpu(threadCount: Int) -> Device {
        processor(threadCount: threadCount, team: .openMP(threadCount: threadCount)) {
            apus_set_thread_count(Int32(clamping: threadCount))
            return try CPUExecutable($0, variables: $1)
        }
    }

    private static func processor(
        threadCount: Int?, team: ParallelTeam,
        compile: @escaping @Sendable (Plan, [Variable]) throws -> any Executable
    ) -> Device {
        Device(
            name: "cpu", threadCount: threadCount, hasFastBfloat16: apus_has_bfloat16_tiles(),
            roundsFactors: apus_has_fast_bfloat16_pairs(), team: team, compile: compile)
    }
}

extension ParallelTeam {
    /// OpenMP's threads, which all kernels use.
    static let openMP = openMP(threadCount: nil)

    /// As many of them as a device is asked to use, which holds for the process only from the first plan on; `nil` for
    /// what is in force.
    static func openMP(threadCount: Int?) -> ParallelTeam {
        ParallelTeam(
            size: { threadCount.map { max($0, 1) } ?? Int(apus_thread_count()) },
            run: { apus_parallel($0, $1, $2, $3) })
    }
}

/// What this processor offers and which library serves it.
public struct CPUDescription: Hashable, Sendable {
    /// The version of oneDNN in use, such as `2.6.3`.
    public let oneDNNVersion: String
    /// The instructions that oneDNN uses at most.
    public let oneDNNInstructionSet: String
    /// The instructions that Apus' own loops use.
    public let instructionSet: String
    /// The threads that a run uses.
    public let threadCount: Int

    /// The linker's hash of this program; `nil` where it has none.
    package static var programBuild: String? {
        let build = String(cString: apus_program_build())
        return build.isEmpty ? nil : build
    }

    /// How many threads the system gives this process for a run, at most `wanted`: limits of a user's processes and of
    /// a process' memory may leave fewer.
    public static func availableThreadCount(_ wanted: Int) -> Int {
        Int(apus_available_thread_count(Int32(clamping: wanted)))
    }

    /// The processor of this process, now.
    public static var current: CPUDescription {
        CPUDescription(
            oneDNNVersion: String(cString: apus_onednn_version()),
            oneDNNInstructionSet: String(cString: apus_onednn_instruction_set()),
            instructionSet: String(cString: apus_instruction_set()), threadCount: Int(apus_thread_count()))
    }
}
