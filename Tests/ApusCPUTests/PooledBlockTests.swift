import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Testing

/// Element-wise work with poolings in it, against the reference's plain loops: small whole numbers, so that many are equal
/// and every executor gives the same.
@Suite struct PooledBlockTests {
    struct Block: CustomTestStringConvertible, Sendable {
        var testDescription: String
        /// How many passes have windows.
        var programCount: Int
        var shape: Shape
        var window: [Int]
        /// From numbers, a factor for each channel, weights of the pooling, and the windows.
        var outputs: @Sendable (_ x: Tensor, _ scale: Tensor, _ weights: Tensor, _ window: [Int]) throws -> [Tensor]

        init(
            _ name: String, _ programCount: Int, _ shape: Shape = [3, 8, 8, 16], window: [Int] = [2, 2],
            outputs: @escaping @Sendable (Tensor, Tensor, Tensor, [Int]) throws -> [Tensor]
        ) {
            (testDescription, self.programCount, self.shape, self.window) = (name, programCount, shape, window)
            self.outputs = outputs
        }
    }

    /// A rectified, shifted image that is pooled, and all gradients of a sum of it.
    private static let rectified: @Sendable (Tensor, Tensor, Tensor, [Int]) throws -> [Tensor] = {
        x, scale, weights, window in
        let pooled = maxPool(relu((x - 1) * scale), window: window)
        return [pooled] + (try gradient(of: (square(pooled) * weights).sum(), withRespectTo: [x, scale]))
    }

    static let blocks = [
        Block("rectified", 2, outputs: rectified),
        Block("rectified, 24 channels", 2, [2, 4, 8, 24], outputs: rectified),
        Block("rectified, columns", 2, [2, 64, 17], window: [2], outputs: rectified),
        Block("rectified, large windows", 2, [2, 8, 8, 16], window: [4, 8], outputs: rectified),
        Block("rectified, three places", 0, [2, 9, 9, 16], window: [3, 3], outputs: rectified),
        Block("rectified, few channels", 0, [2, 8, 8, 3], outputs: rectified),
        Block("the image is read too", 2) { x, scale, weights, window in
            let image = relu(x * scale)
            let pooled = maxPool(image, window: window)
            return [pooled, image, try gradient(of: (pooled * weights).sum(), withRespectTo: [x])[0]]
        },
        Block("the input is the image", 2) { x, scale, weights, window in
            let slope = try gradient(of: (maxPool(x, window: window) * weights).sum(), withRespectTo: [x])[0]
            return [slope * scale, (slope * x).sum(0, 1, 2)]
        },
        Block("two images", 4) { x, scale, weights, window in
            let losses = maxPool(relu(x * scale), window: window) + maxPool(-x, window: window)
            return try gradient(of: (losses * weights).sum(), withRespectTo: [x, scale])
        },
        Block("two windows", 1) { x, scale, weights, window in
            let image = relu(x * scale)
            let loss = (maxPool(image, window: window) * weights).sum() + maxPool(image, window: [4, 4]).sum()
            return [loss] + (try gradient(of: loss, withRespectTo: [x, scale]))
        },
        Block("a mask that is no rectifier's", 3) { x, scale, weights, window in
            let image = x * scale
            let slope = try gradient(of: (maxPool(image, window: window) * weights).sum(), withRespectTo: [image])[0]
            return [select(image .> 1, slope, 0 * x), select(x .> 1, slope, 0 * x), select(image .> 1, slope, x)]
        },
        // The image is made of x where it is spread by, and of itself where its square is.
        Block("what is computed again reads the image", 2) { x, scale, weights, window in
            let image = relu(x * scale), other = square(image)
            let pooled = maxPool(image, window: window)
            let slope = try gradient(of: (pooled * weights).sum(), withRespectTo: [x])[0]
            return [other * other.sum(), slope, slope * x]
        },
        Block("windows of one place", 0, window: [1, 1]) { x, scale, weights, window in
            let image = relu(x * scale)
            return [maxPool(image, window: window) + image, maxPool(image, window: window) * weights]
        },
        Block("an image of equal numbers", 0) { x, scale, weights, window in
            let image = Tensor.constant(NDArray(repeating: 2 as Float, shape: x.shape))
            let slope = try gradient(of: (maxPool(image, window: window) * weights).sum(), withRespectTo: [image])[0]
            return [slope * 2, maxPool(0 * x, window: window)]
        },
        Block("sums of a curve", 3) { x, scale, weights, window in
            let image = square(x) - 3
            let slope = try gradient(of: (maxPool(image, window: window) * weights).sum(), withRespectTo: [image])[0]
            return [
                (slope * image).sum(0, 1, 2), (slope * square(image)).sum(1, 2), (slope * x).sum(0, 1, 2),
                (slope * scale).sum(0, 1, 2),
            ]
        },
        Block("a gradient's gradient", 3) { x, scale, weights, window in
            let pooled = maxPool(relu(x * scale), window: window)
            let slope = try gradient(of: (square(pooled) * weights).sum(), withRespectTo: [x])[0]
            return try gradient(of: (slope * x).sum(), withRespectTo: [x, scale])
        },
    ]

    @Test(arguments: blocks, [false, true]) func agreesWithTheReference(block: Block, hasNaN: Bool) throws {
        let x = Tensor.placeholder(block.shape), scale = Tensor.placeholder([block.shape[-1]])
        let pooled = maxPool(x, window: block.window).shape
        let weights = Tensor.placeholder(pooled)
        let outputs = try block.outputs(x, scale, weights, block.window)
        let trace = try Trace(
            inputs: [x, scale, weights], outputs: outputs, updates: [], mode: .training, batchSize: 1)
        let plan = Plan(trace.graph, largeElementCount: 0)
        var numbers = SeededNumbers(seed: 5, stream: 1)
        let arrays = try [x.shape, scale.shape, pooled].map { shape in
            let values = numbers.array(shape, in: -2.999...3.999).floats.map { $0.rounded(.down) }
            return try NDArray(values, shape: shape)
        }
        let image = arrays[0].floats.enumerated().map { hasNaN && $0.offset % 41 == 7 ? Float.nan : $0.element }
        let inputs = try [NDArray(image, shape: x.shape)] + arrays.dropFirst()
        // Simplified, 0 times NaN is 0.
        let expected = ReferenceExecutor<Double>(hasNaN ? trace.graph.simplified() : trace.graph).run(
            inputs: inputs.map { ReferenceArray($0) }, variables: []
        ).outputs
        let programs = plan.steps.filter { step in
            if case .elementwise(let program) = step.kernel { program.windows != nil } else { false }
        }
        #expect(programs.count == block.programCount, "\(plan)")
        let executable = try Device.cpu.compile(plan, trace.variables)
        try runOnce(executable, inputs, RunContext())
        for index in outputs.indices {
            let verdict = closeness(
                executable.outputArray(index), to: expected[index].array(.float32), within: .exact,
                nanMatchesNaN: true)
            #expect(verdict == .passed, "output \(index) of\n\(plan)")
        }
    }
}
