import ApusCore
import ApusGraph
import ApusNN
import Testing

/// Output shapes and numbers of parameters are those of Keras. The numbers are what Keras 3.15.1 itself gave for the
/// same settings (`layer.trainable_weights`, `layer.non_trainable_weights`, and the shape of a symbolic call).
@Suite struct KerasShapesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let layer: any Layer
        let inputs: [Shape]
        let output: Shape
        var trainable = 0
        var notTrainable = 0
        /// The shapes of the variables, in order.
        var variables: [Shape] = []

        init(
            _ layer: any Layer, _ inputs: Shape..., gives output: Shape, _ trainable: Int = 0, _ notTrainable: Int = 0,
            variables: [Shape] = []
        ) {
            (self.layer, self.inputs, self.output) = (layer, inputs, output)
            (self.trainable, self.notTrainable, self.variables) = (trainable, notTrainable, variables)
        }

        var testDescription: String { "\(layer.kind) of \(inputs)" }
    }

    static let convolutions = [
        Row(Conv1D(16, kernel: 5, strides: 2, padding: .same), [20, 3], gives: [10, 16], 256),
        Row(Conv1D(8, kernel: 3, dilations: 2), [20, 3], gives: [16, 8], 80),
        Row(Conv2D(24, kernel: 5), [28, 28, 1], gives: [24, 24, 24], 624, variables: [[5, 5, 1, 24], [24]]),
        Row(Conv2D(32, kernel: 3, strides: 2, padding: .same), [33, 32, 3], gives: [17, 16, 32], 896),
        Row(
            Conv2D(32, kernel: [3, 5], strides: [2, 1], groups: 4, usesBias: false), [17, 16, 8], gives: [8, 12, 32],
            960, variables: [[3, 5, 2, 32]]),
        Row(Conv2D(10, kernel: 1, activation: .softmax), [7, 7, 128], gives: [7, 7, 10], 1290),
        Row(Conv3D(6, kernel: [2, 3, 3], strides: 2, padding: .same), [5, 8, 9, 2], gives: [3, 4, 5, 6], 222),
        Row(
            DepthwiseConv1D(kernel: 3, strides: 2, depthMultiplier: 2), [10, 4], gives: [4, 8], 32,
            variables: [[3, 4, 2], [8]]),
        Row(DepthwiseConv2D(kernel: 3, padding: .same), [8, 9, 16], gives: [8, 9, 16], 160),
        Row(DepthwiseConv2D(kernel: [3, 2], strides: 2, depthMultiplier: 4), [8, 9, 3], gives: [3, 4, 12], 84),
        Row(SeparableConv1D(7, kernel: 4, padding: .same), [10, 4], gives: [10, 7], 51),
        Row(
            SeparableConv2D(32, kernel: 3, depthMultiplier: 2), [12, 12, 8], gives: [10, 10, 32], 688,
            variables: [[3, 3, 8, 2], [1, 1, 16, 32], [32]]),
        Row(
            SeparableConv2D(5, kernel: 3, strides: 2, padding: .same, usesBias: false), [11, 12, 8], gives: [6, 6, 5],
            112),
        Row(Conv1DTranspose(6, kernel: 4, strides: 3), [5, 2], gives: [16, 6], 54),
        Row(
            Conv2DTranspose(8, kernel: 3, strides: 2, padding: .same), [7, 7, 16], gives: [14, 14, 8], 1160,
            variables: [[3, 3, 8, 16], [8]]),
        Row(Conv2DTranspose(8, kernel: 3, strides: 2), [7, 7, 16], gives: [15, 15, 8], 1160),
        Row(Conv2DTranspose(4, kernel: 2, strides: 3), [4, 5, 3], gives: [12, 15, 4], 52),
        Row(
            Conv2DTranspose(8, kernel: 4, strides: 2, padding: .same, outputPadding: 1), [7, 6, 16],
            gives: [13, 11, 8], 2056),
        Row(Conv2DTranspose(8, kernel: 3, strides: 2, outputPadding: 0), [7, 6, 16], gives: [15, 13, 8], 1160),
        Row(Conv2DTranspose(8, kernel: 3, dilations: 2), [7, 6, 16], gives: [11, 10, 8], 1160),
        Row(Conv3DTranspose(2, kernel: 3, strides: 2, padding: .same), [3, 4, 5, 2], gives: [6, 8, 10, 2], 110),
    ]

    static let images = [
        Row(MaxPool1D(3), [10, 4], gives: [3, 4]),
        Row(MaxPool2D(), [5, 7, 3], gives: [2, 3, 3]),
        Row(MaxPool2D(3, strides: 2, padding: .same), [5, 8, 3], gives: [3, 4, 3]),
        Row(MaxPool3D([1, 2, 3]), [5, 8, 9, 3], gives: [5, 4, 3, 3]),
        Row(AveragePool1D(4, strides: 3, padding: .same), [10, 4], gives: [4, 4]),
        Row(AveragePool2D([2, 3], strides: 1), [5, 8, 3], gives: [4, 6, 3]),
        Row(AveragePool3D(2, padding: .same), [5, 8, 9, 3], gives: [3, 4, 5, 3]),
        Row(GlobalAveragePool1D(), [10, 4], gives: [4]),
        Row(GlobalAveragePool2D(keepsAxes: true), [5, 8, 3], gives: [1, 1, 3]),
        Row(GlobalMaxPool3D(), [5, 8, 9, 3], gives: [3]),
        Row(UpSampling1D(3), [5, 2], gives: [15, 2]),
        Row(UpSampling2D([2, 3]), [5, 4, 2], gives: [10, 12, 2]),
        Row(UpSampling2D(2, interpolation: .bilinear), [5, 4, 2], gives: [10, 8, 2]),
        Row(UpSampling3D(2), [5, 4, 3, 2], gives: [10, 8, 6, 2]),
        Row(ZeroPadding1D(2), [5, 2], gives: [9, 2]),
        Row(ZeroPadding2D(), [5, 4, 2], gives: [7, 6, 2]),
        Row(
            ZeroPadding2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 2, after: 3)]), [5, 4, 2],
            gives: [6, 9, 2]),
        Row(ZeroPadding3D([1, 2, 3]), [5, 4, 2, 1], gives: [7, 8, 8, 1]),
        Row(Cropping1D(), [5, 2], gives: [3, 2]),
        Row(
            Cropping2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 1, after: 2)]), [5, 4, 2],
            gives: [4, 1, 2]),
        Row(Cropping3D(1), [5, 4, 3, 2], gives: [3, 2, 1, 2]),
        Row(SpatialDropout2D(0.3), [5, 4, 3], gives: [5, 4, 3]),
    ]

    static let others = [
        Row(Dense(7), [5, 4], gives: [5, 7], 35),
        Row(BatchNormalization(), [5, 5, 12], gives: [5, 5, 12], 24, 24),
        Row(BatchNormalization(usesCenter: false, usesScale: false), [12], gives: [12], 0, 24),
        Row(LayerNormalization(), [5, 12], gives: [5, 12], 24),
        Row(LayerNormalization(axes: [1, 2], usesCenter: false), [5, 12], gives: [5, 12], 60, variables: [[5, 12]]),
        Row(GroupNormalization(groups: 4), [5, 5, 12], gives: [5, 5, 12], 24),
        Row(GroupNormalization(groups: nil, usesScale: false), [5, 12], gives: [5, 12], 12, variables: [[12]]),
        Row(RMSNormalization(), [5, 12], gives: [5, 12], 12),
        Row(Embedding(1000, 64), [80], gives: [80, 64], 64000),
        Row(Embedding(10, 3), [4, 5], gives: [4, 5, 3], 30),
        Row(
            MultiHeadAttention(heads: 8, keySize: 16), [10, 64], [12, 48], gives: [10, 64], 29120,
            variables: [
                [64, 8, 16], [8, 16], [48, 8, 16], [8, 16], [48, 8, 16], [8, 16], [8, 16, 64], [64],
            ]),
        Row(
            MultiHeadAttention(heads: 4, keySize: 16, valueSize: 8, outputSize: 20, usesBias: false), [10, 64],
            [12, 48], [12, 32], gives: [10, 20], 8320,
            variables: [[64, 4, 16], [32, 4, 16], [48, 4, 8], [4, 8, 20]]),
        Row(MultiHeadAttention(heads: 2, keySize: 64), [10, 64], gives: [10, 64], 33216),
        Row(SimpleRNN(7), [6, 4], gives: [7], 84),
        Row(GRU(7, returnsSequences: true), [6, 4], gives: [6, 7], 273),
        Row(LSTM(128), [28, 28], gives: [128], 80384, variables: [[28, 512], [128, 512], [512]]),
        Row(Bidirectional(LSTM(128)), [28, 28], gives: [256], 160768),
        Row(
            Bidirectional(GRU(5, returnsSequences: true, usesBias: false), merge: .sum), [6, 4], gives: [6, 5], 270),
        Row(TimeDistributed(Dense(3)), [6, 4, 5], gives: [6, 4, 3], 18),
        Row(PReLU(), [5, 4, 3], gives: [5, 4, 3], 60, variables: [[5, 4, 3]]),
        Row(PReLU(sharedAxes: [1, 2]), [5, 4, 3], gives: [5, 4, 3], 3, variables: [[1, 1, 3]]),
        Row(Permute([3, 1, 2]), [5, 4, 3], gives: [3, 5, 4]),
        Row(RepeatVector(7), [5], gives: [7, 5]),
        Row(Subtract(), [5, 4], [5, 4], gives: [5, 4]),
        Row(Average(), [5, 4], [5, 4], [5, 4], gives: [5, 4]),
        Row(Dot(), [5, 4], [3, 4], gives: [5, 3]),
        Row(Dot(axes: (1, 2)), [4, 5], [3, 4], gives: [5, 3]),
        Row(Dot(axis: 1, normalizes: true), [4], [4], gives: [1]),
        Row(GaussianNoise(0.3), [5, 4], gives: [5, 4]),
    ]

    @Test(arguments: convolutions + images + others) func agreesWithKeras(row: Row) throws {
        let inputs = row.inputs.enumerated().map { Tensor.input($1, name: "x\($0)") }
        let model = try Model(inputs: inputs, outputs: [row.layer(inputs)])
        #expect(model.outputs[0].shape == Shape([-1] + row.output.sizes))
        let trainable = model.parameters.reduce(0) { $0 + $1.elementCount }
        #expect(trainable == row.trainable)
        #expect(model.parameterCount - trainable == row.notTrainable)
        if !row.variables.isEmpty { #expect(model.variables.map(\.variable.shape) == row.variables) }
    }
    /// A saved model runs without the layers' code.
    @Test(arguments: convolutions + images + others) func isReadBack(row: Row) throws {
        let inputs = row.inputs.enumerated().map { Tensor.input($1, name: "x\($0)") }
        let model = try Model(inputs: inputs, outputs: [row.layer(inputs)])
        let copy = try Model(description: model.descriptionData())
        #expect(copy.summary() == model.summary())
        #expect(try copy.descriptionData() == model.descriptionData())
    }
}
