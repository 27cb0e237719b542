import ApusGraph

/// In training, adds normal numbers of mean 0 to each element, anew at every step; at inference, changes nothing.
///
/// Applying it throws `ApusError.setting` for a deviation below 0.
public struct GaussianNoise: UnaryLayer {
    public var name: String?
    /// The numbers' standard deviation, 0 or more.
    public var deviation: Float

    public init(_ deviation: Float, name: String? = nil) {
        self.deviation = deviation
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(deviation >= 0 && deviation.isFinite, "deviation", deviation, mustBe: "0 or more")
        if deviation == 0 { return input }
        return .phase(training: input + deviation * .randomNormal(like: input), inference: input)
    }
}
