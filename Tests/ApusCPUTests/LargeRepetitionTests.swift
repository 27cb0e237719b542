import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Testing

extension KernelTests {
    /// The operation table again, on arrays that threads share. With one number of threads the library's products and
    /// convolutions, and the sums that each thread takes of its own samples, give the same bits as well.
    @Suite struct LargeRepetitionTests {
        /// Of the largest input whose batch size is open, about: above what any loop takes for one thread's work, which
        /// is 65,536 numbers of a plain copy and less of all else.
        private static let elementCount = 80_000

        /// Every row, its cases whose batch size is open: results and gradients.
        @Test(arguments: OperationTable.rows) func largeExecutionsAreBitwiseEqual(row: OperationRow) throws {
            let cases = openCases(of: row)
            #expect(!cases.isEmpty)
            for inputs in cases {
                let run = try plannedRun(row, inputs)
                let (first, second) = try outcomesOfTwo(run, run)
                let types = inputs.map(\.type.description).joined(separator: ", ")
                #expect(differences(first, second) == [], "\(types); \(run.inputs.map(\.shape))")
            }
        }

        /// A checker that finds nothing would prove nothing: one number of 80,000 is another.
        @Test func theCheckerFindsWhatDiffers() throws {
            let row = try #require(OperationTable.rows(for: OperationKind(.unary, "exp")).first)
            let run = try plannedRun(row, try #require(openCases(of: row).first))
            var numbers = run.inputs[0].floats
            #expect(numbers.count >= Self.elementCount - 100)
            numbers[numbers.count - 1] += 0.5
            var other = run
            other.inputs[0] = try NDArray(numbers, shape: run.inputs[0].shape)
            let (first, second) = try outcomesOfTwo(run, other)
            #expect(differences(first, second) == ["output 0 of step 0", "output 1 of step 0"])
            #expect(differences(first, Array(second.dropLast())) == ["2 arrays, then 1"])
        }

        private func openCases(of row: OperationRow) -> [[RowInput]] {
            row.cases.filter { inputs in inputs.contains { $0.type.shape.isSymbolic } }
        }

        /// The result and the gradient with respect to each input of float32, for a cotangent that is one more input.
        private func plannedRun(_ row: OperationRow, _ inputs: [RowInput]) throws -> PlannedRun {
            let tensors = inputs.map(\.tensor)
            let output = try row.make(tensors).checked()
            let cotangent = RowInput(output.shape, .signed(0.5...1.5))
            let upstream = cotangent.tensor
            let result = output.elementType == .float32 ? output : output.cast(to: .float32)
            let gradients = try gradient(
                of: (result * upstream).sum(), withRespectTo: tensors.filter { $0.elementType == .float32 })
            let openShapes = inputs.map(\.type.shape).filter(\.isSymbolic)
            let sampleSize = openShapes.map { $0.specialized(batchSize: 1).elementCount }.max() ?? 1
            let batchSize = Self.elementCount / max(sampleSize, 1)
            let trace = try Trace(
                inputs: tensors + [upstream], outputs: [output] + gradients, mode: .training, batchSize: batchSize)
            var numbers = SeededNumbers(seed: 1)
            let arrays = (inputs + [cotangent]).map { $0.tiledValues(batchSize: batchSize, from: &numbers) }
            return PlannedRun(plan: Plan(trace.graph), variables: trace.variables, inputs: arrays)
        }
    }
}
