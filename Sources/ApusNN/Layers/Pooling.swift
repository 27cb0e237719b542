import ApusCore
import ApusGraph

/// The largest number, or the mean, under a window that moves over an image, channel by channel.
///
/// Shapes: input `[batch, spatial..., channels]`, output `[batch, out..., channels]` with
/// `out = (size + before + after - window) / stride + 1`, rounded down. Padding never is the largest, and is not
/// counted in a mean. Of equal numbers the first gets the gradient.
///
/// Applying it throws `ApusError.setting` for settings out of range, `ApusError.shape` for inputs of another rank and
/// for a window larger than the padded image.
public protocol PoolingLayer: SpatialLayer {
    static var function: PoolingFunction { get }
    var settings: PoolingSettings { get }
    init(settings: PoolingSettings)
}

/// What is taken of the numbers under a window.
public enum PoolingFunction: Hashable, Sendable {
    case maximum, average
}

/// What a pooling layer is made of.
public struct PoolingSettings: Hashable, Sendable {
    public var name: String?
    /// The window's size along each spatial axis.
    public var window: [Int]
    /// From one window to the next; `nil` for the window's size, so that windows touch.
    public var strides: [Int]?
    /// Places around the image, fewer on each side than the window has.
    public var padding: Padding
}

/// The largest of `[batch, steps, channels]` under a moving window; see `PoolingLayer`.
public struct MaxPool1D: PoolingLayer {
    public static let spatialRank = 1
    public static let function = PoolingFunction.maximum
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

/// The largest of `[batch, height, width, channels]` under a moving window; see `PoolingLayer`.
public struct MaxPool2D: PoolingLayer {
    public static let spatialRank = 2
    public static let function = PoolingFunction.maximum
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

/// The largest of `[batch, depth, height, width, channels]` under a moving window; see `PoolingLayer`.
public struct MaxPool3D: PoolingLayer {
    public static let spatialRank = 3
    public static let function = PoolingFunction.maximum
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

/// The mean of `[batch, steps, channels]` under a moving window; see `PoolingLayer`.
public struct AveragePool1D: PoolingLayer {
    public static let spatialRank = 1
    public static let function = PoolingFunction.average
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

/// The mean of `[batch, height, width, channels]` under a moving window; see `PoolingLayer`.
public struct AveragePool2D: PoolingLayer {
    public static let spatialRank = 2
    public static let function = PoolingFunction.average
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

/// The mean of `[batch, depth, height, width, channels]` under a moving window; see `PoolingLayer`.
public struct AveragePool3D: PoolingLayer {
    public static let spatialRank = 3
    public static let function = PoolingFunction.average
    public var settings: PoolingSettings
    public init(settings: PoolingSettings) { self.settings = settings }
}

extension PoolingLayer {
    /// - Parameters:
    ///   - window: the window's size, for all spatial axes or for each.
    ///   - strides: from one window to the next, 1 or more; by default the window's size.
    public init(
        _ window: any PerAxis = 2, strides: (any PerAxis)? = nil, padding: Padding = .valid, name: String? = nil
    ) {
        self.init(
            settings: PoolingSettings(
                name: name, window: window.perAxis(Self.spatialRank), strides: strides?.perAxis(Self.spatialRank),
                padding: padding))
    }

    public var name: String? { settings.name }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try requirePerAxis(settings.window, "window", in: scope)
        if let strides = settings.strides { try requirePerAxis(strides, "strides", in: scope) }
        try require(settings.padding, in: scope)
        try requireImages(input, in: scope)
        return switch Self.function {
        case .maximum:
            maxPool(input, window: settings.window, strides: settings.strides, padding: settings.padding)
        case .average:
            averagePool(input, window: settings.window, strides: settings.strides, padding: settings.padding)
        }
    }
}
