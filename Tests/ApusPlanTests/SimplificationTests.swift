import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// The printed form of the simplified graph of `outputs`.
private func simplified(_ inputs: [Tensor], _ outputs: [Tensor]) throws -> String {
    try Trace(inputs: inputs, outputs: outputs, mode: .inference, batchSize: 2).graph.simplified().description
}

@Suite struct SimplificationTests {
    private let x = Tensor.placeholder([2, 3], name: "x")
    private let y = Tensor.placeholder([2, 3], name: "y")

    @Test func neutralOperationsGo() throws {
        let outputs = [
            x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, -(-x), pow(x, 1), x.reshaped(to: [6]).reshaped(to: [2, 3]),
            x.transposed().transposed(), x.slice(0..<3, axis: 1), x.padded(before: 0, after: 0, axis: 0),
            concatenate([x]), x.sum(0).reshaped(to: [1, 3]).sum(0) * 0 + x,
        ]
        for output in outputs { #expect(try simplified([x], [output]) == "%0 = x : float32[2, 3]\nreturn %0") }
    }

    @Test func simplerFormsAreFound() throws {
        #expect(try simplified([x], [0 - x]).contains("negate %0"))
        #expect(try simplified([x], [x * -1]).contains("negate %0"))
        #expect(try simplified([x], [1 / x]).contains("reciprocal %0"))
        #expect(try simplified([x], [pow(x, 2)]).contains("square %0"))
        #expect(try simplified([x], [pow(x, 0.5)]).contains("squareRoot %0"))
        #expect(try simplified([x], [x * x]).contains("square %0"))
    }

    /// A data set in a graph is no reason to work through it in slow loops when planning.
    @Test func largeConstantsAreLeftAlone() throws {
        let large = Tensor.constant(NDArray(repeating: 1 as Float, shape: [64, 65]))
        #expect(try simplified([], [large.sum()]).contains("sum(axes: [0, 1]) %0"))
        let small = Tensor.constant(NDArray(repeating: 1 as Float, shape: [64, 64]))
        #expect(try simplified([], [small.sum()]) == "%0 = constant(4096.0) : float32[]\nreturn %0")
    }

    // exp(0) + 2 * 3 = 7 on every element.
    @Test func constantsAreFolded() throws {
        let seven: Tensor = exp(0) + 2 * .constant(3)
        #expect(
            try simplified([x], [x + seven]) == """
                %0 = x : float32[2, 3]
                %1 = constant(7.0) : float32[]
                %2 = broadcast %1 : float32[2, 3]
                %3 = add %0, %2 : float32[2, 3]
                return %3
                """)
    }

    @Test func commonSubexpressionsAreComputedOnce() throws {
        // x + y and y + x are one; the second exp is the first.
        #expect(
            try simplified([x, y], [exp(x + y), exp(y + x)]) == """
                %0 = x : float32[2, 3]
                %1 = y : float32[2, 3]
                %2 = add %0, %1 : float32[2, 3]
                %3 = exp %2 : float32[2, 3]
                return %3, %3
                """)
    }

    @Test func randomNumbersStayApart() throws {
        let text = try simplified([x], [x + .randomUniform([2, 3]) + .randomUniform([2, 3])])
        #expect(text.contains("stream: 0") && text.contains("stream: 1"))
    }

    @Test func unreadNodesGoAndInputsStay() throws {
        _ = exp(x)
        #expect(
            try simplified([x, y], [-x])
                == "%0 = x : float32[2, 3]\n%1 = y : float32[2, 3]\n%2 = negate %0 : float32[2, 3]\nreturn %2")
    }

    /// What is done with a pooling's gradient is done with the numbers that it spreads: a mask of the image, a sum, a sum
    /// of products.
    @Test func poolingsGradientsAreSpreadLast() throws {
        let x = Tensor.placeholder([2, 4, 4, 16], name: "x"), d = Tensor.placeholder([2, 2, 2, 16], name: "d")
        let window = try poolingWindow(maxPool(x, window: [2, 2]))
        let spread = Tensor(.maxPoolGradient(MaxPoolGradient(window: window)), [x, d])
        let masked = try simplified([x, d], [select(x .> 0.5, spread, 0 * x)])
        #expect(masked.contains("= maxPool("))
        #expect(masked.split(separator: "\n").dropLast().last?.contains("maxPoolGradient") == true)
        #expect(try simplified([x, d], [spread.sum(0, 1, 2)]).contains("sum(axes: [0, 1, 2]) %1"))
        let image = square(x)
        let slope = Tensor(.maxPoolGradient(MaxPoolGradient(window: window)), [image, d])
        let weighted = try simplified([x, d], [(slope * exp(x)).sum(1, 2)])
        #expect(weighted.contains("maxPoolSelection") && !weighted.contains("maxPoolGradient"))
        let ofItself = try simplified([x, d], [(slope * image).sum(1, 2)])
        #expect(ofItself.contains("= maxPool(") && !ofItself.contains("maxPoolGradient"))
        // A sum over part of a window, and other functions of the gradient, need it as it is.
        for other in [
            slope.sum(1), slope.max(1, 2), (slope * exp(x)).sum(0, 2), select(image .> d.sum(), slope, 0 * x),
            select(image .> 0, slope, x), select(x .> 0, slope, 0 * x),
        ] {
            let text = try simplified([x, d], [other])
            #expect(text.contains("maxPoolGradient") && !text.contains("= maxPool(") && !text.contains("Selection"))
        }
    }

    /// What a pass cannot take out as it makes the image stays a sum: values that are read, a vector's, a convolution's
    /// activation.
    @Test func valuesThatNoPassMakesAreNotSelected() throws {
        let x = Tensor.placeholder([2, 4, 4, 16], name: "x"), d = Tensor.placeholder([2, 2, 2, 16], name: "d")
        let vector = Tensor.placeholder([16], name: "v"), kernel = Tensor.placeholder([1, 1, 16, 16], name: "k")
        let window = try poolingWindow(maxPool(x, window: [2, 2]))
        func slope(_ image: Tensor) -> Tensor {
            Tensor(.maxPoolGradient(MaxPoolGradient(window: window)), [image, d])
        }
        let biased = convolution(x, kernel: kernel) + vector
        for (image, values) in [
            (square(x), x), (square(x), vector.broadcast(to: x.shape)), (biased, exp(x)), (tanh(biased), exp(x)),
            (square(x), biased), (square(x), relu(convolution(x, kernel: kernel))),
        ] {
            let text = try simplified([x, d, vector, kernel], [(slope(image) * values).sum(0, 1, 2)])
            #expect(text.contains("maxPoolGradient") && !text.contains("Selection"))
        }
        // A batch normalisation's are: the distances from the mean of what a convolution makes.
        let normalized = relu((biased - vector) * vector)
        let text = try simplified(
            [x, d, vector, kernel], [(slope(normalized) * (biased - vector)).sum(0, 1, 2)])
        #expect(text.contains("maxPoolSelection") && !text.contains("maxPoolGradient"))
    }

    /// Along an axis of one place there are several windows where it is padded.
    @Test func sumsOverWindowsOfPadding() throws {
        let x = Tensor.placeholder([2, 1, 8, 16], name: "x"), d = Tensor.placeholder([2, 2, 4, 16], name: "d")
        let pooled = maxPool(
            x, window: [2, 2], strides: [1, 2],
            padding: .explicit([AxisPadding(before: 1, after: 1), AxisPadding(before: 0, after: 0)]))
        #expect(pooled.shape == d.shape)
        let sum = Tensor(.maxPoolGradient(MaxPoolGradient(window: try poolingWindow(pooled))), [x, d]).sum(0, 1, 2)
        let text = try simplified([x, d], [sum])
        #expect(text.contains("sum(axes: [0, 1, 2]) %1") && !text.contains("maxPoolGradient"))
    }

    private func poolingWindow(_ pooled: Tensor) throws -> PoolingWindow {
        guard case .maxPool(let rule) = pooled.node.operation else { throw NoPooling() }
        return rule.window
    }
    private struct NoPooling: Error {}

    @Test func transposesJoinProducts() throws {
        let text = try simplified([x, y], [matMul(x, y.transposed())])
        #expect(text.contains("%2 = matMul(right transposed) %0, %1 : float32[2, 2]"))
        #expect(!text.contains("transpose %"))
    }

    // The sum of six equal numbers is six times the number; nothing of six elements is left to add.
    @Test func sumsOfStretchedNumbersAreProducts() throws {
        let s = Tensor.placeholder([], name: "s")
        #expect(
            try simplified([s], [s.broadcast(to: [2, 3]).sum()]) == """
                %0 = s : float32[]
                %1 = constant(6.0) : float32[]
                %2 = multiply %0, %1 : float32[]
                return %2
                """)
    }

    /// What a graph computes stays the same: the reference agrees before and after, bit for bit where only copies and
    /// common subexpressions go.
    @Test func valuesAreUnchanged() throws {
        let w = Variable("w", value: try NDArray([0.5, -1, 2, 0.25, 1, -0.5] as [Float], shape: [3, 2]))
        let h = sigmoid(matMul(x, w.tensor))
        let loss = (square(h) * 1 + 0).mean()
        let outputs = [loss] + (try gradient(of: loss, withRespectTo: [w.tensor, x]))
        let trace = try Trace(inputs: [x], outputs: outputs, mode: .training, batchSize: 1)
        let values = ReferenceArray<Double>([2, 3], [1, 2, 3, -1, 0.5, 0])
        let weights = ReferenceArray<Double>(w.value)
        let before = ReferenceExecutor<Double>(trace.graph).run(inputs: [values], variables: [weights]).outputs
        let after = ReferenceExecutor<Double>(trace.graph.simplified()).run(inputs: [values], variables: [weights])
            .outputs
        for (a, b) in zip(before, after) {
            #expect(a.shape == b.shape)
            for (p, q) in zip(a.values, b.values) { #expect(abs(p - q) <= 1e-15 * max(1, abs(p))) }
        }
    }
}
