import ApusCore
import ApusGraph

/// Each sample brought to mean 0 and variance 1 over some axes, then scaled and shifted, element by element:
///
///     y = (x - mean) / sqrt(variance + epsilon) * gamma + beta
///
/// Shapes: input and output `[batch, ...]`; `gamma` and `beta` have the sizes of the axes. `gamma` starts at 1, `beta`
/// at 0. The variance is the mean of the squared differences from the mean.
///
/// Applying it throws `ApusError.setting` for an epsilon below 0, `ApusError.shape` where there is no such axis.
/// Source: Ba, Kiros and Hinton, Layer normalization, 2016.
public struct LayerNormalization: UnaryLayer {
    public var name: String?
    /// Behind the batch, counted from 0, which is the batch; negative ones count from the end.
    public var axes: [Int]
    /// What keeps the divisor from 0, 0 or more.
    public var epsilon: Double
    /// Whether there is a `beta` to add.
    public var usesCenter: Bool
    /// Whether there is a `gamma` to multiply by.
    public var usesScale: Bool
    public var gammaInitializer: Initializer
    public var betaInitializer: Initializer
    public var gammaRegularizer: (any VariableRegularizer)?
    public var betaRegularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - axes: behind the batch, each once; counted from 0, which is the batch, or from -1 at the end. Default the
    ///     last.
    ///   - epsilon: what keeps the divisor from 0, 0 or more. Default 0.001.
    ///   - usesCenter: whether there is a `beta` to add. Default `true`.
    ///   - usesScale: whether there is a `gamma` to multiply by. Default `true`.
    ///   - gammaInitializer: gamma's first values. Default `.ones`.
    ///   - betaInitializer: beta's first values. Default `.zeros`.
    ///   - gammaRegularizer: what gamma adds to the loss. Default nothing.
    ///   - betaRegularizer: what beta adds to the loss. Default nothing.
    ///   - name: default: `layerNormalization`, numbered in the order of the model.
    public init(
        axes: [Int] = [-1], epsilon: Double = 0.001, usesCenter: Bool = true, usesScale: Bool = true,
        gammaInitializer: Initializer = .ones, betaInitializer: Initializer = .zeros,
        gammaRegularizer: (any VariableRegularizer)? = nil, betaRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.axes = axes
        self.epsilon = epsilon
        self.usesCenter = usesCenter
        self.usesScale = usesScale
        self.gammaInitializer = gammaInitializer
        self.betaInitializer = betaInitializer
        self.gammaRegularizer = gammaRegularizer
        self.betaRegularizer = betaRegularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.requireEpsilon(epsilon)
        let axes = try scope.requireAxes(axes, of: input)
        let (own, stretched) = parameterShapes(input.shape, axes)
        var result = standardized(input, axes, epsilon: epsilon)
        if usesScale {
            let gamma = try scope.variable(
                "gamma", shape: own, initializer: gammaInitializer, regularizer: gammaRegularizer)
            result = result * gamma.reshaped(to: stretched)
        }
        if usesCenter {
            let beta = try scope.variable(
                "beta", shape: own, initializer: betaInitializer, regularizer: betaRegularizer)
            result = result + beta.reshaped(to: stretched)
        }
        return result
    }
}

/// The channels of each sample in groups, each group brought to mean 0 and variance 1 over all its channels and places,
/// then scaled and shifted channel by channel: `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`.
///
/// Shapes: input and output `[batch, ..., channels]`, `gamma` and `beta` `[channels]`. `gamma` starts at 1, `beta`
/// at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range, `ApusError.shape` where the groups do not divide
/// the channels.
/// Source: Wu and He, Group normalization, 2018; with a group for each channel, Ulyanov, Vedaldi and Lempitsky,
/// Instance normalization, 2016.
public struct GroupNormalization: UnaryLayer {
    public var name: String?
    /// How many groups; `nil` for one of each channel.
    public var groups: Int?
    /// What keeps the divisor from 0, 0 or more.
    public var epsilon: Double
    /// Whether there is a `beta` to add.
    public var usesCenter: Bool
    /// Whether there is a `gamma` to multiply by.
    public var usesScale: Bool
    public var gammaInitializer: Initializer
    public var betaInitializer: Initializer
    public var gammaRegularizer: (any VariableRegularizer)?
    public var betaRegularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - groups: 1 or more, which divide the channels; `nil` for one of each channel. Default 32.
    ///   - epsilon: what keeps the divisor from 0, 0 or more. Default 0.001.
    ///   - usesCenter: whether there is a `beta` to add. Default `true`.
    ///   - usesScale: whether there is a `gamma` to multiply by. Default `true`.
    ///   - gammaInitializer: gamma's first values. Default `.ones`.
    ///   - betaInitializer: beta's first values. Default `.zeros`.
    ///   - gammaRegularizer: what gamma adds to the loss. Default nothing.
    ///   - betaRegularizer: what beta adds to the loss. Default nothing.
    ///   - name: default: `groupNormalization`, numbered in the order of the model.
    public init(
        groups: Int? = 32, epsilon: Double = 0.001, usesCenter: Bool = true, usesScale: Bool = true,
        gammaInitializer: Initializer = .ones, betaInitializer: Initializer = .zeros,
        gammaRegularizer: (any VariableRegularizer)? = nil, betaRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.groups = groups
        self.epsilon = epsilon
        self.usesCenter = usesCenter
        self.usesScale = usesScale
        self.gammaInitializer = gammaInitializer
        self.betaInitializer = betaInitializer
        self.gammaRegularizer = gammaRegularizer
        self.betaRegularizer = betaRegularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.requireEpsilon(epsilon)
        if let groups { try scope.require(groups > 0, "groups", groups, mustBe: "1 or more") }
        guard input.shape.rank >= 2, input.shape.sizes.dropFirst().allSatisfy({ $0 > 0 }) else {
            throw scope.mismatch(
                expected: "[batch, ..., channels]", received: "\(input.shape)",
                cure: "put the channels on the last axis")
        }
        let channels = input.shape[-1]
        let groups = groups ?? channels
        guard channels.isMultiple(of: groups) else {
            throw scope.mismatch(
                expected: "channels that \(groups) groups divide evenly", received: "\(input.shape)",
                cure: "choose a number of groups that divides the \(channels) channels")
        }
        let places = input.shape.sizes.dropFirst().dropLast().reduce(1, *)
        let grouped = input.reshaped(to: [input.shape[0], places, groups, channels / groups])
        var result = standardized(grouped, [1, 3], epsilon: epsilon).reshaped(to: input.shape)
        if usesScale {
            result =
                try result
                * scope.variable(
                    "gamma", shape: [channels], initializer: gammaInitializer, regularizer: gammaRegularizer)
        }
        if usesCenter {
            result =
                try result
                + scope.variable("beta", shape: [channels], initializer: betaInitializer, regularizer: betaRegularizer)
        }
        return result
    }
}

/// Each sample divided by the root of its mean square over some axes, then scaled, element by element:
/// `y = x / sqrt(mean(x^2) + epsilon) * scale`.
///
/// Shapes: input and output `[batch, ...]`; `scale` has the sizes of the axes, and starts at 1.
///
/// Applying it throws `ApusError.setting` for an epsilon below 0, `ApusError.shape` where there is no such axis.
/// Source: Zhang and Sennrich, Root mean square layer normalization, 2019.
public struct RMSNormalization: UnaryLayer {
    public var name: String?
    /// Behind the batch, counted from 0, which is the batch; negative ones count from the end.
    public var axes: [Int]
    /// What keeps the divisor from 0, 0 or more.
    public var epsilon: Double

    /// - Parameters:
    ///   - axes: behind the batch, each once; counted from 0, which is the batch, or from -1 at the end. Default the
    ///     last.
    ///   - epsilon: what keeps the divisor from 0, 0 or more. Default 1e-6.
    ///   - name: default: `rmsNormalization`, numbered in the order of the model.
    public init(axes: [Int] = [-1], epsilon: Double = 1e-6, name: String? = nil) {
        self.axes = axes
        self.epsilon = epsilon
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.requireEpsilon(epsilon)
        let axes = try scope.requireAxes(axes, of: input)
        let (own, stretched) = parameterShapes(input.shape, axes)
        let scale = try scope.variable("scale", shape: own, initializer: Initializer.ones)
        let power = mean(square(input), axes)
        return input * reciprocalSquareRoot(power + Float(epsilon)) * scale.reshaped(to: stretched)
    }
}

/// The mean over `axes`, which stay with size 1.
private func mean(_ x: Tensor, _ axes: [Int]) -> Tensor {
    x.reduced(.sum, axes) / Float(axes.reduce(1) { $0 * x.shape[$1] })
}

/// `(x - mean) / sqrt(variance + epsilon)` over `axes`. The mean is taken away before squares are summed: squares of
/// large numbers that differ little would cancel.
private func standardized(_ x: Tensor, _ axes: [Int], epsilon: Double) -> Tensor {
    let difference = x - mean(x, axes)
    return difference * reciprocalSquareRoot(mean(square(difference), axes) + Float(epsilon))
}

/// The shape of a parameter with an element for each place along `axes`, and that shape among the axes of `shape`.
private func parameterShapes(_ shape: Shape, _ axes: [Int]) -> (own: Shape, stretched: Shape) {
    let stretched = shape.sizes.indices.map { axes.contains($0) ? shape[$0] : 1 }
    return (Shape(axes.map { shape[$0] }), Shape(stretched))
}

extension LayerScope {
    fileprivate func requireEpsilon(_ epsilon: Double) throws {
        try require(epsilon >= 0 && epsilon.isFinite, "epsilon", epsilon, mustBe: "0 or more")
    }

    /// `axes` from the front, in order; throws unless each is an axis of `input` behind the batch, named once.
    fileprivate func requireAxes(_ axes: [Int], of input: Tensor) throws -> [Int] {
        let found = Set(axes.compactMap { input.shape.normalizedAxis($0) }).sorted()
        guard !axes.isEmpty, found.count == axes.count, found.allSatisfy({ $0 > 0 && input.shape[$0] > 0 }) else {
            throw mismatch(
                expected: "axes \(axes) behind the batch, each of them once", received: "\(input.shape)",
                cure: "axes count from 1, or from -1 at the end")
        }
        return found
    }
}
