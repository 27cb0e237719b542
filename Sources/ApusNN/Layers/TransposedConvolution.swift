import ApusCore
import ApusGraph

/// A convolution the other way round: each number of the input spreads a kernel over the output, and with strides the
/// output is the larger one. As a map it is the transpose of `convolution` with the same kernel.
///
/// Shapes: input `[batch, spatial..., channels]`, `kernel` `[size..., filters, channels]`, `bias` `[filters]`, output
/// `[batch, out..., filters]`, where with `extent = (kernel - 1) * dilation + 1`
///
/// - for valid padding `out = (size - 1) * stride + extent + outputPadding`, by default with the `outputPadding` that
///   makes a stride above the kernel fill its place, `max(stride - extent, 0)`;
/// - for same padding `out = size * stride`, or `(size - 1) * stride + extent % 2 + outputPadding` where it is given;
///   an even extent then needs an `outputPadding` of 1 or more, since a convolution takes an image of
///   `(size - 1) * stride` places to `size - 1` of them;
/// - for explicit padding `out = (size - 1) * stride + extent - before - after + outputPadding`, by default without.
///
/// The kernel starts with Glorot's uniform distribution, the bias at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range, for strides and dilations above 1 together, and
/// for an output padding that reaches the stride, or is 0 for an even extent and same padding; `ApusError.shape` for
/// inputs of another rank, and where nothing is left of the output or it is too large.
/// Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.
public protocol TransposedConvolutionLayer: SpatialLayer {
    var settings: TransposedConvolutionSettings { get }
    init(settings: TransposedConvolutionSettings)
}

/// A transposed convolution of `[batch, steps, channels]`; see `TransposedConvolutionLayer`.
public struct Conv1DTranspose: TransposedConvolutionLayer {
    public static let spatialRank = 1
    public var settings: TransposedConvolutionSettings
    public init(settings: TransposedConvolutionSettings) { self.settings = settings }
}

/// A transposed convolution of `[batch, height, width, channels]`; see `TransposedConvolutionLayer`.
public struct Conv2DTranspose: TransposedConvolutionLayer {
    public static let spatialRank = 2
    public var settings: TransposedConvolutionSettings
    public init(settings: TransposedConvolutionSettings) { self.settings = settings }
}

/// A transposed convolution of `[batch, depth, height, width, channels]`; see `TransposedConvolutionLayer`.
public struct Conv3DTranspose: TransposedConvolutionLayer {
    public static let spatialRank = 3
    public var settings: TransposedConvolutionSettings
    public init(settings: TransposedConvolutionSettings) { self.settings = settings }
}

/// What a transposed convolution is made of.
public struct TransposedConvolutionSettings: Sendable {
    public var name: String?
    /// The number of channels of the output.
    public var filters: Int
    public var window: ConvolutionWindow
    /// Places added to the output along each spatial axis; `nil` for the sizes given with the layer.
    public var outputPadding: [Int]?
    public var activation: ActivationFunction
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?
}

extension TransposedConvolutionLayer {
    /// - Parameters:
    ///   - filters: the number of channels of the output, 1 or more.
    ///   - kernel: the kernel's size, for all spatial axes or for each.
    ///   - strides: how many places of the output lie between those of two neighbours of the input, 1 or more.
    ///   - padding: what the convolution that is transposed adds around its image, the output here.
    ///   - outputPadding: places added to the output, from 0 (with same padding and an even extent from 1) to less than
    ///     the stride, for all spatial axes or for each; see the layer for what is taken without.
    ///   - dilations: from one place within the kernel to the next, 1 or more.
    public init(
        _ filters: Int, kernel: any PerAxis, strides: any PerAxis = 1, padding: Padding = .valid,
        outputPadding: (any PerAxis)? = nil, dilations: any PerAxis = 1, activation: ActivationFunction = .linear,
        usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        biasInitializer: Initializer = .zeros, kernelRegularizer: (any VariableRegularizer)? = nil,
        biasRegularizer: (any VariableRegularizer)? = nil, name: String? = nil
    ) {
        self.init(
            settings: TransposedConvolutionSettings(
                name: name, filters: filters,
                window: ConvolutionWindow(kernel, strides, dilations, padding, rank: Self.spatialRank),
                outputPadding: outputPadding?.perAxis(Self.spatialRank), activation: activation, usesBias: usesBias,
                kernelInitializer: kernelInitializer, biasInitializer: biasInitializer,
                kernelRegularizer: kernelRegularizer, biasRegularizer: biasRegularizer))
    }

    public var name: String? { settings.name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let (filters, window) = (settings.filters, settings.window)
        try scope.require(filters > 0, "filters", filters, mustBe: "1 or more")
        try require(window, in: scope)
        try requireOneOfStridesAndDilations(window, in: scope)
        if let added = settings.outputPadding {
            try requirePerAxis(added, "outputPadding", from: 0, in: scope)
            try scope.require(
                zip(added, window.strides).allSatisfy { $0 < $1 }, "outputPadding", added,
                mustBe: "below the strides, \(window.strides)")
        }
        try scope.require(settings.activation)
        try requireImages(input, in: scope)
        let sizes = try outputSizes(input, in: scope)
        let shape = Shape(window.sizes + [filters, input.shape[-1]])
        let kernel = try scope.variable(
            "kernel", shape: shape, initializer: settings.kernelInitializer, regularizer: settings.kernelRegularizer)
        var result = spread(input, kernel, sizes: sizes)
        if settings.usesBias {
            result =
                try result
                + scope.variable(
                    "bias", shape: [filters], initializer: settings.biasInitializer,
                    regularizer: settings.biasRegularizer)
        }
        return settings.activation(result)
    }

    private func spread(_ input: Tensor, _ kernel: Tensor, sizes: [Int]) -> Tensor {
        let window = settings.window
        return transposedConvolution(
            input, kernel: kernel, strides: window.strides, padding: window.padding, dilations: window.dilations,
            outputSizes: sizes)
    }

    /// The output's spatial sizes.
    /// - Throws: `ApusError.setting` for an output padding that cannot be, `ApusError.shape` where nothing is left of
    ///   the output, or it is too large.
    private func outputSizes(_ input: Tensor, in scope: LayerScope) throws -> [Int] {
        let (window, added) = (settings.window, settings.outputPadding)
        guard input.shape.spatialSizes.allSatisfy({ $0 <= Int(Int32.max) }) else {
            throw scope.mismatch(
                expected: "at most \(Int32.max) places along each axis", received: "\(input.shape)",
                cure: "check the sizes")
        }
        // No number here is above Int32's, so none overflows.
        let sizes = input.shape.spatialSizes.enumerated().map { axis, size in
            let (stride, extent) = (window.strides[axis], (window.sizes[axis] - 1) * window.dilations[axis] + 1)
            let reach = (size - 1) * stride + (added?[axis] ?? 0)
            switch window.padding {
            case .valid: return reach + extent + (added == nil ? max(stride - extent, 0) : 0)
            case .same: return added == nil ? size * stride : reach + extent % 2
            case .explicit(let padding): return reach + extent - padding[axis].before - padding[axis].after
            }
        }
        if let added, window.padding == .same {
            let isEven = window.sizes.indices.map { (window.sizes[$0] - 1) * window.dilations[$0] % 2 == 1 }
            try scope.require(
                zip(added, isEven).allSatisfy { $0 > 0 || !$1 }, "outputPadding", added,
                mustBe: "1 or more with same padding along an axis where the kernel's extent is even, or left out")
        }
        guard sizes.allSatisfy({ $0 > 0 }) else {
            throw scope.mismatch(
                expected: "something left of the output, whose spatial sizes would be \(sizes)",
                received: "\(input.shape)", cure: "use less padding, or a larger kernel or larger strides")
        }
        let count = Shape.product(of: sizes + [settings.filters])
        guard sizes.allSatisfy({ $0 <= Int(Int32.max) }), let count, count <= Shape.largestCount else {
            throw scope.mismatch(
                expected: "an output of at most 2^40 elements, not of spatial sizes \(sizes)",
                received: "\(input.shape)", cure: "use smaller strides or a smaller kernel")
        }
        return sizes
    }
}
