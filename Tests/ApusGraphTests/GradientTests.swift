import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Gradients")
struct GradientTests {
    private func text(_ body: () throws -> [Tensor]) throws -> String {
        try #require(throws: ApusError.self) { _ = try body() }.description
    }

    /// Even where the target is infinite, or NaN.
    @Test func independentTargetsHaveZeros() throws {
        let (x, y) = (Tensor.vector(1, 2), Tensor.vector(.infinity, .nan, 3))
        let gradients = try gradient(of: x.sum(), withRespectTo: [y, x])
        #expect(try evaluate(gradients) == [[0, 0, 0], [1, 1]])
        let open = Tensor.input([2])
        let zeros = try gradient(of: x.sum(), withRespectTo: [open])[0]
        #expect(zeros.shape == [-1, 2])
        #expect(try evaluate(zeros, batchSize: 2) == [0, 0, 0, 0])
    }

    /// A target that comes after the loss.
    @Test func laterTargetHasZeros() throws {
        let loss = Tensor.vector(1, 2).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [exp(loss)])[0]) == [0])
    }

    /// x y + x + x: y + 2.
    @Test func usesAddUp() throws {
        let (x, y) = (Tensor.vector(3), Tensor.vector(5))
        #expect(try evaluate(gradient(of: (x * y + x + x).sum(), withRespectTo: [x, y])) == [[7], [3]])
        #expect(try evaluate(gradient(of: (x * x * x).sum(), withRespectTo: [x, x])) == [[27], [27]])
    }

    /// s = x^2, s^2 + s: 4 x^3 + 2 x = 114 at 3.
    @Test func sharedExpressionIsWalkedOnce() throws {
        let x = Tensor.vector(3)
        let s = x * x
        #expect(try evaluate(gradient(of: (s * s + s).sum(), withRespectTo: [x])[0]) == [114])
    }

    /// Thirty doublings have 2^30 paths, but only as many nodes as doublings.
    @Test func workGrowsWithNodesNotPaths() throws {
        let x = Tensor.vector(1)
        let y = (0..<30).reduce(x) { sum, _ in sum + sum }
        let slope = try gradient(of: y.sum(), withRespectTo: [x])[0]
        #expect(try evaluate(slope) == [0x1p30])
        #expect(topologicalOrder(of: [slope]).count < 100)
    }

    @Test func deepChainsAreDifferentiated() throws {
        let x = Tensor.vector(1)
        var y = x
        for _ in 0..<5_000 { y = y + 1 }
        #expect(try evaluate(gradient(of: y.sum(), withRespectTo: [x])[0]) == [1])
    }

    @Test func intermediateValuesAreTargets() throws {
        let x = Tensor.vector(2)
        let s = square(x)
        let loss = (3 * s).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [s, x, loss])) == [[3], [12], [1]])
    }

    @Test func variablesAreTargets() throws {
        let v = Variable("v", value: NDArray([2, 3] as [Float]))
        #expect(try evaluate(gradient(of: square(v.tensor).sum(), withRespectTo: [v.tensor])[0]) == [4, 6])
    }

    /// What is not asked for is not computed: no product for the left factor's gradient.
    @Test func unneededSharesAreLeftOut() throws {
        let (x, w) = (Tensor.input([3]), Variable("w", shape: [3, 2]))
        let slope = try gradient(of: matMul(x, w.tensor).sum(), withRespectTo: [w.tensor])[0]
        let products = topologicalOrder(of: [slope]).filter { $0.operation.rule.name == "matMul" }
        #expect(products.count == 1)
    }

    @Test func gradientBelongsToItsLayer() throws {
        let x = Tensor.input([2])
        let y = square(x)
        y.node.layerCall = LayerCall(kind: "Square", name: "square1")
        let slope = try gradient(of: y.sum(), withRespectTo: [x])[0]
        let trace = try Trace(inputs: [x], outputs: [slope], mode: .training, batchSize: 1)
        #expect(trace.graph.nodes[trace.graph.outputs[0]].origin == "square1")
    }

    @Test func lossMustBeScalar() throws {
        let x = Tensor.vector(1, 2)
        #expect(
            try text { try gradient(of: x, withRespectTo: [x]) }
                == "gradient: expected a scalar loss, received [2]. Cure: take the sum or the mean first.")
        #expect(try text { try gradient(of: x.sum(keepsAxes: true), withRespectTo: [x]) }.contains("received [1]"))
    }

    @Test func targetsMustBeFloats() throws {
        let labels = Tensor.input([], .int32)
        #expect(
            try text { try gradient(of: oneHot(labels, depth: 2).sum(), withRespectTo: [labels]) }
                == "gradient: expected targets of float32 elements, received int32[batch]. "
                + "Cure: leave out integer targets: nothing has a gradient with respect to them.")
    }

    // MARK: Second order

    /// x^3: 3 x^2, 6 x, 6.
    @Test func derivativesOfDerivatives() throws {
        let x = Tensor.vector(2)
        var derivative = x * x * x
        var values: [Double] = []
        for _ in 0..<3 {
            derivative = try gradient(of: derivative.sum(), withRespectTo: [x])[0]
            values += try evaluate(derivative)
        }
        #expect(values == [12, 12, 6])
    }

    /// The penalty of a critic `tanh(x W) u` on its gradient's norm, `mean (|d critic / dx| - 1)^2`, with respect to its
    /// weights, against central differences. Source: Gulrajani et al., Improved Training of Wasserstein GANs, 2017.
    @Test func gradientPenalty() {
        let row = OperationRow(
            OperationKind(.matMul), "gradient penalty",
            cases: [[-1, 3], [2, 3], [1, 3]].map { shape in
                [
                    RowInput(Shape(shape), .range(-1...1)), RowInput([3, 4], .range(-1...1)),
                    RowInput([4, 1], .range(-1...1)),
                ]
            },
            isDifferentiable: [true, true, true]
        ) { inputs in
            do {
                let critic = matMul(tanh(matMul(inputs[0], inputs[1])), inputs[2])
                let slope = try gradient(of: critic.sum(), withRespectTo: [inputs[0]])[0]
                return square(sqrt(square(slope).sum(-1)) - 1).mean()
            } catch {
                return Tensor(node: Node(failure: error))
            }
        }
        #expect(gradientFaults(of: row) == [])
    }
}
