import ApusCore
import ApusGraph

/// A convolution that treats each channel by itself, with `depthMultiplier` kernels for each:
/// output channel `c * depthMultiplier + m` is channel c under its kernel m.
///
/// Shapes: input `[batch, spatial..., channels]`, `kernel` `[size..., channels, depthMultiplier]`, `bias`
/// `[channels * depthMultiplier]`, output `[batch, out..., channels * depthMultiplier]` with sizes as in
/// `ConvolutionLayer`. The kernel starts with Glorot's uniform distribution, the bias at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range and for strides and dilations above 1 together,
/// `ApusError.shape` for inputs of another rank and a kernel larger than the padded image.
/// Source: Chollet, Xception: Deep learning with depthwise separable convolutions, 2017.
public protocol DepthwiseConvolutionLayer: SpatialLayer {
    var settings: DepthwiseConvolutionSettings { get }
    init(settings: DepthwiseConvolutionSettings)
}

/// A convolution of each channel of `[batch, steps, channels]` by itself; see `DepthwiseConvolutionLayer`.
public struct DepthwiseConv1D: DepthwiseConvolutionLayer {
    public static let spatialRank = 1
    public var settings: DepthwiseConvolutionSettings
    public init(settings: DepthwiseConvolutionSettings) { self.settings = settings }
}

/// A convolution of each channel of `[batch, height, width, channels]` by itself; see `DepthwiseConvolutionLayer`.
public struct DepthwiseConv2D: DepthwiseConvolutionLayer {
    public static let spatialRank = 2
    public var settings: DepthwiseConvolutionSettings
    public init(settings: DepthwiseConvolutionSettings) { self.settings = settings }
}

/// What a depthwise convolution is made of.
public struct DepthwiseConvolutionSettings: Sendable {
    public var name: String?
    public var window: ConvolutionWindow
    /// Kernels for each channel.
    public var depthMultiplier: Int
    public var activation: ActivationFunction
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?
}

extension DepthwiseConvolutionLayer {
    /// - Parameters:
    ///   - kernel: the kernels' size, for all spatial axes or for each.
    ///   - strides: from one place of the kernels to the next, 1 or more.
    ///   - padding: zeros around the image.
    ///   - depthMultiplier: kernels for each channel, 1 or more.
    ///   - dilations: from one place within the kernels to the next, 1 or more.
    public init(
        kernel: any PerAxis, strides: any PerAxis = 1, padding: Padding = .valid, depthMultiplier: Int = 1,
        dilations: any PerAxis = 1, activation: ActivationFunction = .linear, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        kernelRegularizer: (any VariableRegularizer)? = nil, biasRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.init(
            settings: DepthwiseConvolutionSettings(
                name: name,
                window: ConvolutionWindow(kernel, strides, dilations, padding, rank: Self.spatialRank),
                depthMultiplier: depthMultiplier, activation: activation, usesBias: usesBias,
                kernelInitializer: kernelInitializer, biasInitializer: biasInitializer,
                kernelRegularizer: kernelRegularizer, biasRegularizer: biasRegularizer))
    }

    public var name: String? { settings.name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let multiplier = settings.depthMultiplier
        try require(settings.window, in: scope)
        try requireOneOfStridesAndDilations(settings.window, in: scope)
        try scope.require(settings.activation)
        try requireImages(input, in: scope)
        try require(multiplier: multiplier, for: input, in: scope)
        var result = try depthwise(
            input, settings.window, multiplier: multiplier, variable: "kernel",
            initializer: settings.kernelInitializer, regularizer: settings.kernelRegularizer, in: &scope)
        if settings.usesBias {
            result =
                try result
                + scope.variable(
                    "bias", shape: [input.shape[-1] * multiplier], initializer: settings.biasInitializer,
                    regularizer: settings.biasRegularizer)
        }
        return settings.activation(result)
    }
}

extension SpatialLayer {
    /// Throws unless `multiplier` kernels for each channel of `input` can be counted.
    func require(multiplier: Int, for input: Tensor, in scope: LayerScope) throws {
        try scope.require(multiplier > 0, "depthMultiplier", multiplier, mustBe: "1 or more")
        let (channels, most) = (input.shape[-1], Shape.largestCount)
        try scope.require(
            multiplier <= most / channels, "depthMultiplier", multiplier,
            mustBe: "small enough for 2^40 output channels of these \(channels)")
    }

    /// Each channel under `multiplier` kernels of its own, those of a new variable `[size..., channels, multiplier]`.
    func depthwise(
        _ input: Tensor, _ window: ConvolutionWindow, multiplier: Int, variable: String, initializer: Initializer,
        regularizer: (any VariableRegularizer)?, in scope: inout LayerScope
    ) throws -> Tensor {
        let channels = input.shape[-1]
        // As many groups as channels: filter `c * multiplier + m` belongs to group c.
        let grouped = Shape(window.sizes + [1, channels * multiplier])
        // A kernel that does not fit is found before it takes memory.
        _ = try window.convolved(input, .placeholder(grouped), groups: channels).checked()
        let kernel = try scope.variable(
            variable, shape: Shape(window.sizes + [channels, multiplier]), initializer: initializer,
            regularizer: regularizer)
        return window.convolved(input, kernel.reshaped(to: grouped), groups: channels)
    }
}
