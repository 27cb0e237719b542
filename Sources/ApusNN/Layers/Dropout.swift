import ApusCore
import ApusGraph

/// In training, sets each element to 0 with probability `rate` and divides the others by `1 - rate`, anew at every
/// step; at inference, changes nothing.
///
/// Shapes: input and output `[batch, ...]`. What is drawn is a function of the trainer's or function's seed and step.
///
/// Applying it throws `ApusError.setting` for a rate out of range.
/// Source: Srivastava and others, Dropout: A simple way to prevent neural networks from overfitting, 2014.
public struct Dropout: UnaryLayer {
    public var name: String?
    /// In `0..<1`.
    public var rate: Float

    /// - Parameters:
    ///   - rate: in `0..<1`; 0 changes nothing.
    ///   - name: default: `dropout`, numbered in the order of the model.
    public init(_ rate: Float, name: String? = nil) {
        self.rate = rate
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try dropped(input, rate: rate, decisions: input.shape, in: scope)
    }
}

/// Dropout with a decision for each element of the shape `decisions`, which stretches to that of `input`.
func dropped(
    _ input: Tensor, rate: Float, name: String = "rate", decisions: Shape, in scope: LayerScope
) throws -> Tensor {
    try scope.require(rate >= 0 && rate < 1, name, rate, mustBe: "at least 0 and below 1")
    if rate == 0 { return input }
    let kept = Tensor.randomBernoulli(decisions, probability: 1 - rate)
    return .phase(training: input * (kept * (1 / (1 - rate))), inference: input)
}
