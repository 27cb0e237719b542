import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Reference executor")
struct ReferenceExecutorTests {
    @Test func positionsAreRowMajor() {
        #expect(Array(PositionSequence([2, 2])) == [[0, 0], [0, 1], [1, 0], [1, 1]])
        #expect(Array(PositionSequence([])) == [[]])
        #expect(Array(PositionSequence([2, 0])) == [])
        #expect(offset(of: [1, 2], strides: [3, 1]) == 5)
    }

    @Test func arraysGoInAndOut() {
        let labels = NDArray([3, -1] as [Int32])
        #expect(ReferenceArray<Float>(labels).array(.int32) == labels)
        let values = NDArray([0.1, .infinity] as [Float])
        #expect(ReferenceArray<Double>(values).array(.float32) == values)
    }

    /// Every update reads the values from before the step: v and w change places.
    @Test func updatesReadOldValues() throws {
        let (v, w) = (Variable("v", value: NDArray([1] as [Float])), Variable("w", value: NDArray([2] as [Float])))
        let trace = try Trace(
            inputs: [], outputs: [v.tensor + w.tensor],
            updates: [VariableUpdate(v, to: w.tensor), VariableUpdate(w, to: v.tensor)], mode: .training, batchSize: 1)
        let run = ReferenceExecutor<Double>(trace.graph).run(
            inputs: [], variables: trace.variables.map { ReferenceArray($0.value) })
        #expect(run.outputs.map(\.values) == [[3]])
        #expect(run.updated.map(\.values) == [[2], [1]])
    }

    @Test func floatRoundsAndDoubleDoesNot() throws {
        let sum = Tensor.constant(1) + Tensor.constant(0x1p-30)
        let trace = try Trace(inputs: [], outputs: [sum], mode: .inference, batchSize: 1)
        #expect(ReferenceExecutor<Float>(trace.graph).run(inputs: [], variables: []).outputs[0].values == [1])
        #expect(
            ReferenceExecutor<Double>(trace.graph).run(inputs: [], variables: []).outputs[0].values == [1 + 0x1p-30])
    }
}
