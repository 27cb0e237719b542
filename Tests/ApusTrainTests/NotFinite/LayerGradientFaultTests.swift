import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Testing

/// A loss that is finite while a layer's gradient is not: the layer is named, and nothing has changed.
@Suite struct LayerGradientFaultTests {
    struct Row: Sendable, CustomStringConvertible {
        let layer: String
        let input: Shape
        /// What stands in the inputs.
        var value: Float = 10
        let make: @Sendable (Tensor) throws -> Tensor

        var description: String { layer }
    }

    static let rows: [Row] = [
        Row(layer: "dense", input: [3]) { try Dense(4)($0) },
        Row(layer: "conv1D", input: [6, 2]) { try Conv1D(4, kernel: 3)($0) },
        Row(layer: "conv2D", input: [6, 6, 2]) { try Conv2D(4, kernel: 3)($0) },
        Row(layer: "conv3D", input: [3, 3, 3, 1]) { try Conv3D(2, kernel: 2)($0) },
        Row(layer: "depthwiseConv2D", input: [5, 5, 2]) { try DepthwiseConv2D(kernel: 3)($0) },
        Row(layer: "separableConv2D", input: [5, 5, 2]) { try SeparableConv2D(3, kernel: 3)($0) },
        Row(layer: "conv2DTranspose", input: [4, 4, 2]) { try Conv2DTranspose(3, kernel: 3)($0) },
        Row(layer: "batchNormalization", input: [4, 2]) { try BatchNormalization()($0) },
        Row(layer: "layerNormalization", input: [4]) { try LayerNormalization()($0) },
        Row(layer: "groupNormalization", input: [4, 4]) { try GroupNormalization(groups: 2)($0) },
        Row(layer: "rmsNormalization", input: [4]) { try RMSNormalization()($0) },
        Row(layer: "pReLU", input: [3], value: -10) { try PReLU()($0) },
        Row(layer: "embedding", input: [5], value: 1) { try Embedding(3, 2)($0.cast(to: .int32)) },
        Row(layer: "simpleRNN", input: [5, 3]) { try SimpleRNN(4)($0) },
        Row(layer: "lstm", input: [5, 3]) { try LSTM(4)($0) },
        Row(layer: "gru", input: [5, 3]) { try GRU(4)($0) },
        Row(layer: "bidirectional", input: [5, 3]) { try Bidirectional(LSTM(4))($0) },
        Row(layer: "multiHeadAttention", input: [5, 4]) { try MultiHeadAttention(heads: 2, keySize: 2)($0, $0) },
        // Overlapping windows, whose shares add up in the pixel that is the largest of all.
        Row(layer: "maxPool2D", input: [5, 5, 1]) {
            try MaxPool2D(3, strides: 1)(try Dense(1, usesBias: false, name: "below")($0))
        },
        Row(layer: "multiply", input: [3]) { try Multiply()(try Dense(3, usesBias: false, name: "below")($0), $0) },
        Row(layer: "upSampling2D", input: [2, 2, 1]) {
            try UpSampling2D(2)(try Dense(1, usesBias: false, name: "below")($0))
        },
    ]

    @Test(arguments: rows) func isNamed(_ row: Row) throws {
        let input = Tensor.input(row.input, name: "x")
        let output = try row.make(input)
        let model = try Model(inputs: [input], outputs: [output])
        // With weights of 0 the outputs are 0 whatever comes in.
        for entry in model.variables where entry.variable.isTrainable {
            try entry.variable.assign(NDArray(zeros: entry.variable.shape))
        }
        try model.addLoss(output.sum() * 3e38)
        let trainer = try Trainer(model, loss: nil, optimizer: Adam(learningRate: 0.1), device: .cpu)
        let before = model.variables.map(\.variable.value) + trainer.state.variables.map(\.variable.value)
        let values = (0..<4 * row.input.elementCount).map { place in
            // Not all the same, so that there is something to normalise.
            row.value > 1 || row.value < 0 ? row.value * (1 + Float(place % 3) / 4) : row.value
        }
        let data = try Dataset(inputs: NDArray(values, shape: Shape([4] + row.input.sizes)), name: "data")

        let problem = try notFiniteProblem { try trainer.fit(data, batchSize: 4, epochs: 1) }
        let report = try #require(problem.report)
        #expect(report.layer.hasPrefix(row.layer) || report.layer.hasPrefix("below"), "\(problem)")
        #expect(report.position == .gradient, "\(problem)")
        #expect(problem.quantity.hasPrefix("gradient of '"), "\(problem)")
        #expect(report.result.notFiniteCount > 0 && report.inputs.allSatisfy { $0.notFiniteCount == 0 })
        #expect(model.variables.map(\.variable.value) + trainer.state.variables.map(\.variable.value) == before)
        #expect(trainer.step == 0)
    }
}

/// What `body` has to throw.
func notFiniteProblem(_ body: () throws -> Void) throws -> NotFiniteProblem {
    do {
        try body()
    } catch ApusError.notFinite(let problem) {
        return problem
    }
    Issue.record("no fault was found")
    throw ApusError.notFinite(quantity: "nothing", step: 0)
}
