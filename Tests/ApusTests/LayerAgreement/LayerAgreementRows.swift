import Apus
import ApusNN

/// The layers that are held against PyTorch: one for each row that make-layer-agreement.py writes, by its name. The
/// recurrent ones are in RecurrentAgreementTests.
enum LayerAgreementRows {
    struct Row: Sendable, CustomStringConvertible {
        let name: String
        /// What the layer is traced for.
        var mode = Mode.inference
        let layer: any Layer

        init(_ name: String, mode: Mode = .inference, _ layer: any Layer) {
            (self.name, self.mode, self.layer) = (name, mode, layer)
        }

        var description: String { name }
    }

    static let all = convolutions + poolings + imageSizes + normalizations + sequences + units

    private static let convolutions = [
        Row("conv1D", Conv1D(5, kernel: 4)),
        Row("conv1D strided same", Conv1D(5, kernel: 4, strides: 2, padding: .same, activation: .tanh)),
        Row(
            "conv1D dilated causal",
            Conv1D(4, kernel: 3, padding: .explicit([AxisPadding(before: 4, after: 0)]), dilations: 2)),
        Row("conv2D", Conv2D(4, kernel: 3, activation: .sigmoid)),
        Row("conv2D same", Conv2D(17, kernel: [3, 2], padding: .same)),
        Row("conv2D strided same", Conv2D(4, kernel: 3, strides: [2, 3], padding: .same)),
        Row("conv2D grouped", Conv2D(9, kernel: 3, groups: 3, usesBias: false)),
        Row(
            "conv2D explicit",
            Conv2D(
                3, kernel: 3, strides: 2,
                padding: .explicit([AxisPadding(before: 0, after: 2), AxisPadding(before: 1, after: 0)]))),
        Row("conv2D dilated", Conv2D(3, kernel: [3, 2], dilations: [2, 3])),
        Row("conv2D 1x1", Conv2D(10, kernel: 1)),
        Row("conv3D", Conv3D(3, kernel: [2, 3, 2])),
        Row("conv3D strided same", Conv3D(3, kernel: [3, 2, 3], strides: 2, padding: .same)),
        Row("depthwiseConv1D", DepthwiseConv1D(kernel: 3, strides: 2, depthMultiplier: 2)),
        Row(
            "depthwiseConv2D same",
            DepthwiseConv2D(kernel: 3, padding: .same, depthMultiplier: 2, activation: .relu)),
        Row("depthwiseConv2D dilated", DepthwiseConv2D(kernel: [2, 3], dilations: 2, usesBias: false)),
        Row("separableConv1D", SeparableConv1D(5, kernel: 3)),
        Row(
            "separableConv2D strided same",
            SeparableConv2D(4, kernel: 3, strides: 2, padding: .same, depthMultiplier: 2, activation: .tanh)),
        Row("conv1DTranspose", Conv1DTranspose(2, kernel: 4, strides: 3)),
        Row("conv2DTranspose", Conv2DTranspose(4, kernel: 3)),
        Row("conv2DTranspose strided", Conv2DTranspose(4, kernel: [3, 2], strides: 2)),
        Row("conv2DTranspose strided same", Conv2DTranspose(4, kernel: 3, strides: 2, padding: .same)),
        Row("conv2DTranspose wide strides", Conv2DTranspose(3, kernel: 2, strides: 3, usesBias: false)),
        Row(
            "conv2DTranspose output padding",
            Conv2DTranspose(3, kernel: 4, strides: 2, padding: .same, outputPadding: 1)),
        Row("conv2DTranspose dilated", Conv2DTranspose(3, kernel: 3, dilations: 2)),
        Row("conv3DTranspose", Conv3DTranspose(2, kernel: [3, 2, 3], strides: 2, padding: .same)),
    ]

    private static let poolings = [
        Row("maxPool1D", MaxPool1D()),
        Row("maxPool1D same", MaxPool1D(4, strides: 3, padding: .same)),
        Row("maxPool2D", MaxPool2D()),
        Row("maxPool2D overlapping", MaxPool2D([3, 2], strides: [2, 1])),
        Row("maxPool2D same", MaxPool2D(3, strides: 2, padding: .same)),
        Row("maxPool3D", MaxPool3D()),
        Row("maxPool3D same", MaxPool3D([2, 3, 2], padding: .same)),
        Row("averagePool1D", AveragePool1D()),
        Row("averagePool1D same", AveragePool1D(4, strides: 3, padding: .same)),
        Row("averagePool2D", AveragePool2D()),
        Row("averagePool2D overlapping", AveragePool2D([3, 2], strides: [2, 1])),
        Row("averagePool2D same", AveragePool2D(3, strides: 2, padding: .same)),
        Row("averagePool3D", AveragePool3D()),
        Row("averagePool3D same", AveragePool3D([2, 3, 2], padding: .same)),
        Row("globalAveragePool1D", GlobalAveragePool1D()),
        Row("globalAveragePool2D", GlobalAveragePool2D()),
        Row("globalAveragePool3D", GlobalAveragePool3D()),
        Row("globalMaxPool1D", GlobalMaxPool1D()),
        Row("globalMaxPool2D", GlobalMaxPool2D()),
        Row("globalMaxPool3D", GlobalMaxPool3D()),
    ]

    private static let imageSizes = [
        Row("upSampling1D", UpSampling1D(3)),
        Row("upSampling2D", UpSampling2D([2, 3])),
        Row("upSampling2D bilinear", UpSampling2D([2, 3], interpolation: .bilinear)),
        Row("upSampling2D bilinear of one row", UpSampling2D([4, 2], interpolation: .bilinear)),
        Row("upSampling3D", UpSampling3D(2)),
        Row("zeroPadding1D", ZeroPadding1D(2)),
        Row(
            "zeroPadding2D",
            ZeroPadding2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 2, after: 3)])),
        Row("zeroPadding3D", ZeroPadding3D()),
        Row("cropping1D", Cropping1D()),
        Row("cropping2D", Cropping2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 1, after: 2)])),
        Row("cropping3D", Cropping3D()),
    ]

    private static let normalizations = [
        Row("batchNormalization in training", mode: .training, BatchNormalization()),
        Row("batchNormalization", BatchNormalization()),
        Row("layerNormalization", LayerNormalization()),
        Row("layerNormalization of several axes", LayerNormalization(axes: [-2, -1], epsilon: 1e-5)),
        Row("groupNormalization", GroupNormalization(groups: 3)),
        Row("groupNormalization of each channel", GroupNormalization(groups: nil, usesCenter: false, usesScale: false)),
        Row("rmsNormalization", RMSNormalization()),
    ]

    private static let sequences = [
        Row("embedding", Embedding(11, 5)),
        Row("multiHeadAttention", MultiHeadAttention(heads: 3, keySize: 4)),
        Row("multiHeadAttention of itself, causal", MultiHeadAttention(heads: 2, keySize: 4, isCausal: true)),
        Row(
            "multiHeadAttention of sizes",
            MultiHeadAttention(heads: 2, keySize: 4, valueSize: 3, outputSize: 5, usesBias: false)),
        Row("multiHeadAttention masked", MultiHeadAttention(heads: 2, keySize: 4)),
        Row(
            "multiHeadAttention masked keys, causal",
            MultiHeadAttention(heads: 2, keySize: 4, isCausal: true)),
        Row("repeatVector", RepeatVector(5)),
        Row("permute", Permute([3, 1, 2])),
    ]

    private static let units = [
        Row("dense", Dense(5, activation: .sigmoid)),
        Row("prelu", PReLU()),
        Row("prelu shared", PReLU(sharedAxes: [1, 2])),
        Row("subtract", Subtract()),
        Row("multiply", Multiply()),
        Row("average", Average()),
        Row("maximum", Maximum()),
        Row("minimum", Minimum()),
        Row("dot", Dot(axes: (2, 1))),
        Row("dot normalized", Dot(normalizes: true)),
    ]
}
