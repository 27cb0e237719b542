import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Foundation

/// A plan with what it is run on.
struct PlannedRun {
    var plan: Plan
    var variables: [Variable]
    var inputs: [NDArray]
    var stepCount = 1

    /// An array that an execution leaves.
    struct Outcome {
        var name: String
        var array: NDArray
    }

    /// The outputs of each step, and the variables after the last one, which then are as they were before.
    /// - Parameter offset: where each input lies, in bytes after a page's start.
    func outcomes(of executable: any Executable, offset: Int) throws -> [Outcome] {
        let start = variables.map(\.value)
        defer { for (variable, value) in zip(variables, start) { try? variable.assign(value) } }
        var outcomes: [Outcome] = []
        try withCopiesOfInputs(offset: offset) { pointers in
            for step in 0..<stepCount {
                try executable.run(inputs: pointers, context: RunContext(seed: 7, step: 3 + step))
                for output in plan.outputs.indices {
                    outcomes.append(
                        Outcome(name: "output \(output) of step \(step)", array: executable.outputArray(output)))
                }
            }
        }
        return outcomes + variables.map { Outcome(name: "variable '\($0.name)'", array: $0.value) }
    }

    private func withCopiesOfInputs(
        offset: Int, _ body: (UnsafeBufferPointer<UnsafeRawPointer>) throws -> Void
    ) throws {
        let blocks = inputs.map {
            UnsafeMutableRawPointer.allocate(byteCount: offset + max($0.byteCount, 1), alignment: 4096)
        }
        defer { for block in blocks { block.deallocate() } }
        for (block, input) in zip(blocks, inputs) {
            input.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { (block + offset).copyMemory(from: base, byteCount: bytes.count) }
            }
        }
        let pointers = blocks.map { UnsafeRawPointer($0 + offset) }
        try pointers.withUnsafeBufferPointer { try body($0) }
    }
}

/// What an execution of each of two runs leaves, with one number of threads. Both executables exist at a time, so that
/// theirs are other places in memory, and the inputs lie elsewhere in their pages.
func outcomesOfTwo(
    _ first: PlannedRun, _ second: PlannedRun
) throws -> (first: [PlannedRun.Outcome], second: [PlannedRun.Outcome]) {
    try withSteadyThreads { verify in
        let executables = try [first, second].map { try Device.cpu.compile($0.plan, $0.variables) }
        try verify()
        let one = try first.outcomes(of: executables[0], offset: 0)
        try verify()
        let two = try second.outcomes(of: executables[1], offset: 37 * 64)
        try verify()
        return (one, two)
    }
}

/// The names of what differs, bit for bit; empty where nothing does.
func differences(_ first: [PlannedRun.Outcome], _ second: [PlannedRun.Outcome]) -> [String] {
    guard first.count == second.count else { return ["\(first.count) arrays, then \(second.count)"] }
    return zip(first, second).filter { !$0.array.hasBits(of: $1.array) }.map(\.0.name)
}

/// The number of threads is the process's, and tests of other targets change it now and then.
struct ThreadCountChanged: Error {}

/// What `body` gives with one number of threads. Whenever a change would matter it calls `verify`, which throws where
/// there was one; then all is done again.
func withSteadyThreads<Result>(_ body: (_ verify: () throws -> Void) throws -> Result) throws -> Result {
    for _ in 0..<50 {
        let count = apus_thread_count()
        do {
            return try body { if apus_thread_count() != count { throw ThreadCountChanged() } }
        } catch is ThreadCountChanged {
            continue
        }
    }
    throw ThreadCountChanged()
}

extension NDArray {
    /// As `==`, but quick without the optimizer, too.
    func hasBits(of other: NDArray) -> Bool {
        guard shape == other.shape, elementType == other.elementType else { return false }
        return withUnsafeBytes { mine in
            other.withUnsafeBytes { theirs in
                guard let one = mine.baseAddress, let two = theirs.baseAddress else { return mine.isEmpty }
                return memcmp(one, two, mine.count) == 0
            }
        }
    }
}

extension RowInput {
    /// As `values(batchSize:from:)`, but the same 251 numbers over and over: quick without the optimizer, too.
    func tiledValues(batchSize: Int, from numbers: inout SeededNumbers) -> NDArray {
        let shape = type.shape.specialized(batchSize: batchSize)
        let few = RowInput([min(shape.elementCount, 251)], domain, type.elementType)
            .values(batchSize: 1, from: &numbers)
        return NDArray(shape, type.elementType) { target in
            few.withUnsafeBytes { source in
                guard !source.isEmpty else { return }
                for start in stride(from: 0, to: target.count, by: source.count) {
                    let count = min(source.count, target.count - start)
                    UnsafeMutableRawBufferPointer(rebasing: target[start..<start + count])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
                }
            }
        }
    }
}
