import ApusCore
import ApusGraph

/// A depthwise convolution and then a product with a matrix at each place, which mixes the channels:
/// `y = activation(depthwise(x) P + bias)`.
///
/// Shapes: input `[batch, spatial..., channels]`, `depthwiseKernel` `[size..., channels, depthMultiplier]`,
/// `pointwiseKernel` `[1..., channels * depthMultiplier, filters]`, `bias` `[filters]`, output
/// `[batch, out..., filters]` with sizes as in `ConvolutionLayer`. Both kernels start with Glorot's uniform
/// distribution, the bias at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range and for strides and dilations above 1 together,
/// `ApusError.shape` for inputs of another rank and a kernel larger than the padded image.
/// Source: Chollet, Xception: Deep learning with depthwise separable convolutions, 2017.
public protocol SeparableConvolutionLayer: SpatialLayer {
    var settings: SeparableConvolutionSettings { get }
    init(settings: SeparableConvolutionSettings)
}

/// A separable convolution of `[batch, steps, channels]`; see `SeparableConvolutionLayer`.
public struct SeparableConv1D: SeparableConvolutionLayer {
    public static let spatialRank = 1
    public var settings: SeparableConvolutionSettings
    public init(settings: SeparableConvolutionSettings) { self.settings = settings }
}

/// A separable convolution of `[batch, height, width, channels]`; see `SeparableConvolutionLayer`.
public struct SeparableConv2D: SeparableConvolutionLayer {
    public static let spatialRank = 2
    public var settings: SeparableConvolutionSettings
    public init(settings: SeparableConvolutionSettings) { self.settings = settings }
}

/// What a separable convolution is made of.
public struct SeparableConvolutionSettings: Sendable {
    public var name: String?
    /// The number of channels of the output.
    public var filters: Int
    public var window: ConvolutionWindow
    /// Depthwise kernels for each channel.
    public var depthMultiplier: Int
    public var activation: ActivationFunction
    public var usesBias: Bool
    public var depthwiseInitializer: Initializer
    public var pointwiseInitializer: Initializer
    public var biasInitializer: Initializer
    public var depthwiseRegularizer: (any VariableRegularizer)?
    public var pointwiseRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?
}

extension SeparableConvolutionLayer {
    /// - Parameters:
    ///   - filters: the number of channels of the output, 1 or more.
    ///   - kernel: the depthwise kernels' size, for all spatial axes or for each.
    ///   - strides: from one place of the kernels to the next, 1 or more.
    ///   - padding: zeros around the image.
    ///   - dilations: from one place within the kernels to the next, 1 or more.
    ///   - depthMultiplier: depthwise kernels for each channel, 1 or more.
    public init(
        _ filters: Int, kernel: any PerAxis, strides: any PerAxis = 1, padding: Padding = .valid,
        dilations: any PerAxis = 1, depthMultiplier: Int = 1, activation: ActivationFunction = .linear,
        usesBias: Bool = true, depthwiseInitializer: Initializer = .glorotUniform,
        pointwiseInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        depthwiseRegularizer: (any VariableRegularizer)? = nil,
        pointwiseRegularizer: (any VariableRegularizer)? = nil, biasRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.init(
            settings: SeparableConvolutionSettings(
                name: name, filters: filters,
                window: ConvolutionWindow(kernel, strides, dilations, padding, rank: Self.spatialRank),
                depthMultiplier: depthMultiplier, activation: activation, usesBias: usesBias,
                depthwiseInitializer: depthwiseInitializer, pointwiseInitializer: pointwiseInitializer,
                biasInitializer: biasInitializer, depthwiseRegularizer: depthwiseRegularizer,
                pointwiseRegularizer: pointwiseRegularizer, biasRegularizer: biasRegularizer))
    }

    public var name: String? { settings.name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let (filters, multiplier) = (settings.filters, settings.depthMultiplier)
        try scope.require(filters > 0, "filters", filters, mustBe: "1 or more")
        try require(settings.window, in: scope)
        try requireOneOfStridesAndDilations(settings.window, in: scope)
        try scope.require(settings.activation)
        try requireImages(input, in: scope)
        try require(multiplier: multiplier, for: input, in: scope)
        let channels = input.shape[-1] * multiplier
        let image = try depthwise(
            input, settings.window, multiplier: multiplier, variable: "depthwiseKernel",
            initializer: settings.depthwiseInitializer, regularizer: settings.depthwiseRegularizer, in: &scope)
        let ones = [Int](repeating: 1, count: Self.spatialRank)
        let pointwise = try scope.variable(
            "pointwiseKernel", shape: Shape(ones + [channels, filters]), initializer: settings.pointwiseInitializer,
            regularizer: settings.pointwiseRegularizer)
        var result = matMul(
            image.reshaped(to: [image.shape.sizes.dropLast().reduce(1, *), channels]),
            pointwise.reshaped(to: [channels, filters]))
        if settings.usesBias {
            result =
                try result
                + scope.variable(
                    "bias", shape: [filters], initializer: settings.biasInitializer,
                    regularizer: settings.biasRegularizer)
        }
        result = try settings.activation(result).checked()
        return result.reshaped(to: Shape(image.shape.sizes.dropLast() + [result.shape[-1]]))
    }
}
