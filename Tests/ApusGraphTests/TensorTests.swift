import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Tensors")
struct TensorTests {
    @Test func inputsHaveOpenBatch() {
        #expect(Tensor.input([784]).shape == [-1, 784])
        #expect(Tensor.input([], .int32).type == TensorType([-1], .int32))
        #expect(Tensor.placeholder([2, 3]).shape == [2, 3])
        #expect(Tensor.input([28, 28]).description == "Tensor(input, float32[batch, 28, 28])")
    }

    @Test func shapesAreBroadcast() {
        func shape(_ a: Shape, _ b: Shape) -> Shape { (Tensor.placeholder(a) + Tensor.placeholder(b)).shape }
        #expect(shape([], [2, 3]) == [2, 3])
        #expect(shape([3], [2, 3]) == [2, 3])
        #expect(shape([2, 1], [1, 3]) == [2, 3])
        #expect(shape([-1, 3], [3]) == [-1, 3])
        #expect(shape([1, 3], [-1, 1]) == [-1, 3])
        #expect(shape([1, 3], [0, 3]) == [0, 3])
    }

    private static let text =
        "add: expected two inputs of one shape, received [2] and [3]. "
        + "Cure: reshape or broadcast one of them."

    /// The first error goes through whatever follows, in whatever place.
    @Test func errorIsHeld() throws {
        let bad = Tensor.vector(1, 2) + .vector(1, 2, 3)
        let uses = [
            bad, -bad, exp(bad), bad * 2, 2 / bad, maximum(.vector(1), bad), select(bad, bad, bad), bad.sum(),
            bad.sum(7),
            bad.mean(-1), bad.max(0, keepsAxes: true), bad.argMax(), softmax(bad), matMul(bad, bad),
            softmaxCrossEntropy(logits: .vector(1), targets: bad), bad.reshaped(to: [5]), bad.reshaped(to: []),
            bad.broadcast(to: [2]), bad.broadcast(to: []), bad.transposed(), bad.transposed(1, 0),
            bad.slice(0..<9, axis: 3),
            bad.padded(before: -1, after: 0, axis: -4), concatenate([.vector(1), bad]), concatenate([bad]),
            oneHot(bad, depth: 0), bad.cast(to: .int32), stopGradient(bad), clamp(bad, 0...1),
            .phase(training: .vector(1), inference: bad), .randomNormal(like: bad), .randomUniform(like: bad),
            .randomBernoulli(like: bad, probability: 0.5),
        ]
        for use in uses { #expect(use.failureText == Self.text) }
        #expect(bad.description == "Tensor(\(Self.text))")
    }

    @Test func errorIsThrownByItsUser() throws {
        let bad = Tensor.vector(1, 2) + .vector(1, 2, 3)
        let thrown = try #require(throws: ApusError.self) { try bad.checked() }
        #expect(thrown.description == Self.text)
        #expect(throws: thrown) { try Trace(inputs: [], outputs: [bad.sum()], mode: .training, batchSize: 1) }
        #expect(throws: thrown) { try Trace(inputs: [bad], outputs: [], mode: .training, batchSize: 1) }
        #expect(throws: thrown) { try gradient(of: bad, withRespectTo: []) }
        #expect(throws: thrown) { try gradient(of: .constant(1), withRespectTo: [bad]) }
        let variable = Variable("v", shape: [2])
        #expect(throws: thrown) {
            try Trace(
                inputs: [], outputs: [], updates: [VariableUpdate(variable, to: bad)], mode: .training, batchSize: 1)
        }
    }

    @Test func firstErrorWins() {
        let first = Tensor.vector(1, 2) + .vector(1, 2, 3)
        let second = Tensor.vector(1, 2) * .vector(1, 2, 3)
        #expect((first - second).failureText == first.failureText)
        #expect((second - first).failureText == second.failureText)
    }

    @Test func literalsAreScalars() throws {
        let sum: Tensor = 1 + 2.5
        #expect(sum.shape == .scalar)
        #expect(try evaluate(sum) == [3.5])
    }

    @Test func orderPutsInputsFirst() {
        let x = Tensor.vector(1)
        let shared = exp(x)
        let y = shared * shared + x
        let order = topologicalOrder(of: [y, shared])
        #expect(order.map(\.operation.rule.name) == ["constant", "exp", "multiply", "add"])
    }

    /// A chain deeper than a stack of calls could be.
    @Test func deepGraphsAreTraced() throws {
        var x = Tensor.constant(0)
        for _ in 0..<20_000 { x = x + 1 }
        #expect(try evaluate(x) == [20_000])
    }
}
