import ApusCore
import ApusGraph

/// Where graphs run.
public struct Device: Sendable {
    /// The name as users write it, such as `cpu`.
    public let name: String
    /// The threads that it was asked to use; `nil` where it decides by itself.
    public let threadCount: Int?
    /// Whether its library multiplies bfloat16 numbers faster than float32 ones, as oneDNN does by AMX from version 2.7
    /// on.
    public let hasFastBfloat16: Bool
    /// Whether its matrix products, asked for bfloat16, round their factors themselves.
    package let roundsFactors: Bool
    /// Makes a plan ready to run on variables, which are given in the plan's order.
    package let compile: @Sendable (Plan, [Variable]) throws -> any Executable
    /// The threads that steps run on; `nil` where steps leave the processor to others.
    package let team: ParallelTeam?

    package init(
        name: String, threadCount: Int? = nil, hasFastBfloat16: Bool = false, roundsFactors: Bool = false,
        team: ParallelTeam? = nil,
        compile: @escaping @Sendable (Plan, [Variable]) throws -> any Executable
    ) {
        self.name = name
        self.threadCount = threadCount
        self.hasFastBfloat16 = hasFastBfloat16
        self.roundsFactors = roundsFactors
        self.compile = compile
        self.team = team
    }
}

/// A plan bound to memory and kernels. It serves one thread at a time, and a run allocates nothing.
package protocol Executable: AnyObject {
    var plan: Plan { get }

    /// Bytes that kernels need besides the plan's arena, variables and inputs.
    var workspaceByteCount: Int { get }

    /// Whether runs can read an input's numbers as bytes where they stand: as many rows as there are samples, of a
    /// sample's numbers each.
    func readsByteRows(ofInput index: Int) -> Bool

    /// Runs all steps.
    /// - Parameters:
    ///   - inputs: packed arrays of the plan's types.
    ///   - byteRows: for each input what is read in its place, or `nil`; may be empty.
    /// - Throws: `ApusError.notFinite` where the guarded output is not finite (no variable has changed then), and
    ///   `ApusError.library` where a kernel fails.
    func run(
        inputs: UnsafeBufferPointer<UnsafeRawPointer>, byteRows: UnsafeBufferPointer<ByteRows?>, context: RunContext)
        throws

    /// As `run(inputs:context:)`, without a look at the guarded output; `body` is called after each step with its number
    /// and may look at the step's values, each by its number in the plan.
    func run(
        inputs: UnsafeBufferPointer<UnsafeRawPointer>, context: RunContext,
        afterEach body: (Int, (Int) -> UnsafeRawPointer) throws -> Void) throws

    /// What a step's kernel is called.
    func kernelName(ofStep index: Int) -> String

    /// What computes a product or a convolution, as the library calls its ways, or one of our own; `nil` for all else.
    func implementation(ofStep index: Int) -> String?

    /// Where output number `index` of the last run is, until the next run.
    func output(_ index: Int) -> UnsafeRawPointer
}

extension Executable {
    /// Runs all steps on packed arrays.
    package func run(inputs: UnsafeBufferPointer<UnsafeRawPointer>, context: RunContext) throws {
        try run(inputs: inputs, byteRows: UnsafeBufferPointer(start: nil, count: 0), context: context)
    }

    /// A copy of output number `index` of the last run.
    package func outputArray(_ index: Int) -> NDArray {
        let type = plan.values[plan.outputs[index]].type
        var result = NDArray(zeros: plan.outputShapes[index], type.elementType)
        result.withUnsafeMutableBytes {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: output(index), count: type.byteCount))
        }
        return result
    }
}
