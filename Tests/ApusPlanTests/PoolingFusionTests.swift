import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Poolings in the pass that computes their image, and their gradients in the passes that read them.
@Suite struct PoolingFusionTests {
    private let x = Tensor.placeholder([2, 8, 8, 16], name: "x")
    private let scale = Tensor.placeholder([16], name: "scale")
    private let mean = Tensor.placeholder([16], name: "mean")
    private var image: Tensor { relu((x - mean) * scale) }

    private func plan(_ outputs: [Tensor], largeElementCount: Int = 0) throws -> Plan {
        let trace = try Trace(
            inputs: [x, scale, mean], outputs: outputs, updates: [], mode: .training, batchSize: 2)
        return Plan(trace.graph, largeElementCount: largeElementCount)
    }

    private func kernels(_ outputs: [Tensor], largeElementCount: Int = 0) throws -> [String] {
        try plan(outputs, largeElementCount: largeElementCount).steps.map(\.kernel.description)
    }

    @Test func imagesArePooledAsTheyAreMade() throws {
        #expect(try kernels([maxPool(image, window: [2, 2])]) == ["elementwise[subtract+multiply+relu+maxPool]"])
        // Who reads the image too gets it as well.
        let both = try plan([maxPool(image, window: [4, 1]), image])
        #expect(both.steps.count == 1 && both.steps[0].outputs.count == 2)
        // Nothing is computed on the way to this one.
        #expect(try kernels([maxPool(x, window: [2, 2])]).map { $0.hasPrefix("maxPool(") } == [true])
    }

    /// Windows that overlap or leave something out, few channels, small images, and others of the same image.
    @Test func otherPoolingsStayApart() throws {
        func stepCount(_ pooled: [Tensor], largeElementCount: Int = 0) throws -> Int {
            try kernels(pooled, largeElementCount: largeElementCount).count
        }
        #expect(try stepCount([maxPool(image, window: [2, 2], strides: [1, 1])]) == 2)
        #expect(try stepCount([maxPool(image, window: [2, 2], padding: .same)]) == 1)
        #expect(try stepCount([maxPool(image, window: [3, 2])]) == 2)
        #expect(try stepCount([maxPool(image, window: [3, 2], padding: .same)]) == 2)
        #expect(try stepCount([maxPool(image, window: [2, 2])], largeElementCount: 2 * 8 * 8 * 16) == 1)
        #expect(try stepCount([maxPool(image, window: [2, 2])], largeElementCount: 2 * 8 * 8 * 16 + 1) == 2)
        #expect(try stepCount([maxPool(image, window: [2, 2]), maxPool(image, window: [4, 4])]) == 2)
        let few = image.slice(0..<15, axis: 3)
        #expect(try kernels([maxPool(relu(few), window: [2, 2])]).filter { $0.hasPrefix("maxPool(") }.count == 1)
    }

    /// Neither the image nor the gradient is ever in memory.
    @Test func gradientsAreSpreadWhereTheyAreRead() throws {
        let pooled = maxPool(image, window: [2, 2])
        let loss = square(pooled).sum()
        let slopes = try gradient(of: loss, withRespectTo: [x, scale])
        let plan = try plan(slopes)
        #expect(!plan.steps.contains { if case .operation = $0.kernel { true } else { false } })
        let large = plan.values.filter {
            if case .arena = $0.location { $0.type.shape == x.shape } else { false }
        }
        #expect(large.count == 1, "\(plan)")
        #expect(plan.steps.contains { $0.kernel.description.contains("maxPoolSelection") })
        #expect(plan.steps.contains { $0.kernel.description.hasPrefix("elementwise[maxPoolGradient+") })
    }

    /// A convolution's gradients read memory, and so does what reads two gradients by different images.
    @Test func gradientsThatOthersReadAreWritten() throws {
        let kernel = Tensor.constant(NDArray(repeating: 1 as Float, shape: [1, 1, 16, 16]))
        let convolved = convolution(x, kernel: kernel)
        let slope = try gradient(of: square(maxPool(convolved, window: [2, 2])).sum(), withRespectTo: [x])[0]
        #expect(try kernels([slope]).contains { $0.hasPrefix("maxPoolGradient(") })

        let losses = square(maxPool(image, window: [2, 2])).sum() + square(maxPool(square(x), window: [2, 2])).sum()
        let both = try gradient(of: losses, withRespectTo: [x])[0]
        // Each is read by work of its own.
        let plan = try plan([both])
        let counts = plan.steps.compactMap { step -> Int? in
            guard case .elementwise(let program) = step.kernel else { return nil }
            return program.inputs.filter(\.isSpread).count
        }
        #expect(counts.filter { $0 == 1 }.count == 2 && counts.allSatisfy { $0 < 2 }, "\(plan)")
    }

    /// What a pass spreads is counted, once.
    @Test func operationsAreCounted() throws {
        let loss = square(maxPool(image, window: [2, 2])).sum()
        let slope = try gradient(of: loss, withRespectTo: [x])[0]
        let outputs = [slope, slope * x]
        #expect(try plan(outputs).flopCount == plan(outputs, largeElementCount: 1 << 20).flopCount)
    }
}
