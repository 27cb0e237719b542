import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Sums down the columns are taken in the pass that computes the summands; large values are computed again rather than
/// read again.
@Suite struct SumFusionTests {
    private let x = Tensor.placeholder([4, 3], name: "x")
    private let y = Tensor.placeholder([4, 3], name: "y")

    private func kernels(_ outputs: [Tensor], largeElementCount: Int = 65_536) throws -> [String] {
        let trace = try Trace(inputs: [x, y], outputs: outputs, mode: .training, batchSize: 1)
        return Plan(trace.graph, largeElementCount: largeElementCount).steps.map(\.kernel.description)
    }

    @Test func sumsJoinTheirSummands() throws {
        #expect(try kernels([square(x).sum()]) == ["elementwise[square+sum]"])
        #expect(try kernels([(x * y).sum(0), x * y]) == ["elementwise[multiply+sum]"])
        #expect(try kernels([(x * y).sum(0), (x * y).sum()]) == ["elementwise[multiply+sum+sum]"])
    }

    @Test func otherReductionsStayApart() throws {
        #expect(try kernels([(x * y).sum(1)]) == ["elementwise[multiply]", "sum(axes: [1])"])
        #expect(try kernels([(x * y).max(0)]) == ["elementwise[multiply]", "max(axes: [0])"])
        // Nothing is computed on the way to this one.
        #expect(try kernels([x.sum(0)]) == ["sum(axes: [0])"])
    }

    @Test func whatNeedsASumWaitsForIt() throws {
        // The mean must be known before the distance from it.
        let product = x * y
        #expect(
            try kernels([square(product - product.mean(0)).sum()])
                == ["elementwise[multiply+sum]", "elementwise[divide]", "elementwise[subtract+square+sum]"])
        // Of one row, a sum has the shape of its summands.
        let row = Tensor.placeholder([2, 3])
        let sum = (row * row).sum(0, keepsAxes: true)
        let trace = try Trace(inputs: [row], outputs: [square(sum)], mode: .inference, batchSize: 1)
        #expect(
            Plan(trace.graph).steps.map(\.kernel.description) == ["elementwise[square+sum]", "elementwise[square]"])
    }

    /// A product reads the rectified values, and so does the mask of their gradient, in a step that reads x too.
    @Test func largeValuesAreComputedAgain() throws {
        let z = relu(x - 1)
        let loss = matMul(z, z.transposed()).sum()
        let slope = try gradient(of: loss, withRespectTo: [x])[0]
        func isMaskComputedAgain(_ largeElementCount: Int) throws -> Bool {
            try kernels([loss, slope * x], largeElementCount: largeElementCount).contains {
                $0.contains("greater") && $0.contains("multiply")
            }
        }
        #expect(try isMaskComputedAgain(0))
        #expect(try !isMaskComputedAgain(13))
    }

    /// Every value in the arena that a step reads has been written by a step before.
    private func readsOnlyWhatIsWritten(_ plan: Plan) -> Bool {
        var written: Set<Int> = []
        for step in plan.steps {
            for input in step.inputs {
                if case .arena = plan.values[input].location, !written.contains(input) { return false }
            }
            written.formUnion(step.outputs)
        }
        return true
    }

    /// A convolution that adds its bias writes no values without the bias, from which the sum could be computed again:
    /// what reads the sum, as batch normalisation does, must not do so, however large it is.
    @Test(arguments: [0, 65_536]) func whatAProductTakesInIsReadAsItIs(_ largeElementCount: Int) throws {
        let image = Tensor.placeholder([2, 5, 5, 2]), kernel = Tensor.placeholder([3, 3, 2, 4])
        let bias = Tensor.placeholder([4]), mean = Tensor.placeholder([4]), scale = Tensor.placeholder([4])
        for hasFunction in [false, true] {
            let sum = convolution(image, kernel: kernel) + bias
            let result = relu(((hasFunction ? sigmoid(sum) : sum) - mean) * scale)
            let trace = try Trace(
                inputs: [image, kernel, bias, mean, scale], outputs: [result], mode: .inference, batchSize: 1)
            let plan = Plan(trace.graph, largeElementCount: largeElementCount)
            #expect(plan.steps.map(\.kernel.description).last == "elementwise[subtract+multiply+relu]")
            #expect(plan.steps.count == 2 && readsOnlyWhatIsWritten(plan), "\(plan)")
        }
        let left = Tensor.placeholder([6, 3]), right = Tensor.placeholder([3, 4])
        let product = relu(matMul(left, right) + bias)
        let trace = try Trace(
            inputs: [left, right, bias, mean], outputs: [product * mean, product - mean], mode: .inference, batchSize: 1
        )
        let plan = Plan(trace.graph, largeElementCount: largeElementCount)
        #expect(plan.steps.first?.kernel.description == "matMul+bias+relu")
        #expect(readsOnlyWhatIsWritten(plan), "\(plan)")
    }

    @Test func convolutionsTakeInWhatFollows() throws {
        let image = Tensor.placeholder([1, 5, 5, 2]), kernel = Tensor.placeholder([3, 3, 2, 4])
        let bias = Tensor.placeholder([4])
        let result = relu(convolution(image, kernel: kernel) + bias)
        let trace = try Trace(inputs: [image, kernel, bias], outputs: [result], mode: .inference, batchSize: 1)
        let kernels = Plan(trace.graph).steps.map(\.kernel.description)
        #expect(kernels.count == 1 && kernels[0].hasSuffix("+bias+relu"), "\(kernels)")
    }
}
