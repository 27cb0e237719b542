import ApusCore
import ApusGraph

/// Images under learned kernels, channels last: `y = activation(convolution(x, kernel) + bias)`; for one axis
///
///     convolution[n, o, f] = sum over k, c of x[n, o * stride + k * dilation - before, c] * kernel[k, c, f]
///
/// Shapes: input `[batch, spatial..., channels]`, `kernel` `[size..., channels / groups, filters]`, `bias`
/// `[filters]`, output `[batch, out..., filters]` with
/// `out = (size + before + after - (kernel - 1) * dilation - 1) / stride + 1`, rounded down. The kernel starts with
/// Glorot's uniform distribution, the bias at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range, for strides and dilations above 1 together, and
/// for filters that the groups do not divide; `ApusError.shape` for inputs of another rank, channels that the groups
/// do not divide, and a kernel larger than the padded image.
public protocol ConvolutionLayer: SpatialLayer {
    var settings: ConvolutionSettings { get }
    init(settings: ConvolutionSettings)
}

/// A convolution along one axis, of `[batch, steps, channels]`; see `ConvolutionLayer`.
public struct Conv1D: ConvolutionLayer {
    public static let spatialRank = 1
    public var settings: ConvolutionSettings
    public init(settings: ConvolutionSettings) { self.settings = settings }
}

/// A convolution of images `[batch, height, width, channels]`; see `ConvolutionLayer`.
public struct Conv2D: ConvolutionLayer {
    public static let spatialRank = 2
    public var settings: ConvolutionSettings
    public init(settings: ConvolutionSettings) { self.settings = settings }
}

/// A convolution of volumes `[batch, depth, height, width, channels]`; see `ConvolutionLayer`.
public struct Conv3D: ConvolutionLayer {
    public static let spatialRank = 3
    public var settings: ConvolutionSettings
    public init(settings: ConvolutionSettings) { self.settings = settings }
}

/// How a kernel lies over an image, and how it moves; one entry a spatial axis.
public struct ConvolutionWindow: Hashable, Sendable {
    /// The kernel's sizes.
    public var sizes: [Int]
    /// From one place of the kernel over the image to the next.
    public var strides: [Int]
    /// From one place within the kernel to the next; 1 for neighbours.
    public var dilations: [Int]
    /// Zeros around the image.
    public var padding: Padding
}

/// What a convolution layer is made of.
public struct ConvolutionSettings: Sendable {
    public var name: String?
    /// The number of channels of the output.
    public var filters: Int
    public var window: ConvolutionWindow
    /// How many parts the channels and the filters are split into; each filter sees the channels of its own part.
    public var groups: Int
    public var activation: ActivationFunction
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?
}

extension ConvolutionLayer {
    /// - Parameters:
    ///   - filters: the number of channels of the output, 1 or more.
    ///   - kernel: the kernel's size, for all spatial axes or for each.
    ///   - strides: from one place of the kernel to the next, 1 or more.
    ///   - padding: zeros around the image; `.same` with strides of 1 keeps its sizes.
    ///   - dilations: from one place within the kernel to the next, 1 or more.
    ///   - groups: a number that divides channels and filters; as many as channels make it depthwise.
    public init(
        _ filters: Int, kernel: any PerAxis, strides: any PerAxis = 1, padding: Padding = .valid,
        dilations: any PerAxis = 1, groups: Int = 1, activation: ActivationFunction = .linear, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        kernelRegularizer: (any VariableRegularizer)? = nil, biasRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.init(
            settings: ConvolutionSettings(
                name: name, filters: filters,
                window: ConvolutionWindow(
                    kernel, strides, dilations, padding, rank: Self.spatialRank), groups: groups,
                activation: activation, usesBias: usesBias, kernelInitializer: kernelInitializer,
                biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
                biasRegularizer: biasRegularizer))
    }

    public var name: String? { settings.name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let (filters, groups, window) = (settings.filters, settings.groups, settings.window)
        try scope.require(filters > 0, "filters", filters, mustBe: "1 or more")
        try scope.require(groups > 0, "groups", groups, mustBe: "1 or more")
        try scope.require(
            filters.isMultiple(of: groups), "filters", filters, mustBe: "a multiple of the \(groups) groups")
        try require(window, in: scope)
        try requireOneOfStridesAndDilations(window, in: scope)
        try scope.require(settings.activation)
        try requireImages(input, in: scope)
        let channels = input.shape[-1]
        guard channels.isMultiple(of: groups) else {
            throw scope.mismatch(
                expected: "channels that \(groups) groups divide evenly", received: "\(input.shape)",
                cure: "choose a number of groups that divides the \(channels) channels")
        }
        let shape = Shape(window.sizes + [channels / groups, filters])
        // A kernel that does not fit is found before it takes memory.
        _ = try window.convolved(input, .placeholder(shape), groups: groups).checked()
        let kernel = try scope.variable(
            "kernel", shape: shape, initializer: settings.kernelInitializer, regularizer: settings.kernelRegularizer)
        var result = window.convolved(input, kernel, groups: groups)
        if settings.usesBias {
            result =
                try result
                + scope.variable(
                    "bias", shape: [filters], initializer: settings.biasInitializer,
                    regularizer: settings.biasRegularizer)
        }
        return settings.activation(result)
    }
}

extension ConvolutionWindow {
    init(
        _ sizes: any PerAxis, _ strides: any PerAxis, _ dilations: any PerAxis, _ padding: Padding, rank: Int
    ) {
        self.sizes = sizes.perAxis(rank)
        self.strides = strides.perAxis(rank)
        self.dilations = dilations.perAxis(rank)
        self.padding = padding
    }

    func convolved(_ image: Tensor, _ kernel: Tensor, groups: Int) -> Tensor {
        convolution(
            image, kernel: kernel, strides: strides, padding: padding, dilations: dilations, groups: groups)
    }
}

extension SpatialLayer {
    func require(_ window: ConvolutionWindow, in scope: LayerScope) throws {
        try requirePerAxis(window.sizes, "kernel", in: scope)
        try requirePerAxis(window.strides, "strides", in: scope)
        try requirePerAxis(window.dilations, "dilations", in: scope)
        try require(window.padding, in: scope)
    }

    /// As Keras: holes in a kernel that jumps leave places of the image out.
    func requireOneOfStridesAndDilations(_ window: ConvolutionWindow, in scope: LayerScope) throws {
        try scope.require(
            window.strides.allSatisfy { $0 == 1 } || window.dilations.allSatisfy { $0 == 1 }, "dilations",
            window.dilations, mustBe: "1 where strides are above 1, and these are \(window.strides)")
    }
}
