import ApusCore
import ApusGraph

/// `x` above 0, `alpha x` below, with a slope `alpha` for each element of a sample that is learned.
///
/// Shapes: input and output `[batch, ...]`, `alpha` `[...]` with size 1 along the shared axes. `alpha` starts at 0.
///
/// Applying it throws `ApusError.setting` for shared axes that are not there.
/// Source: He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015.
public struct PReLU: UnaryLayer {
    public var name: String?
    /// Axes along which one slope serves for all, counted from 1 behind the batch; for images `[1, 2]` leaves a slope
    /// for each channel.
    public var sharedAxes: [Int]
    public var alphaInitializer: Initializer
    public var alphaRegularizer: (any VariableRegularizer)?

    public init(
        sharedAxes: [Int] = [], alphaInitializer: Initializer = .zeros,
        alphaRegularizer: (any VariableRegularizer)? = nil, name: String? = nil
    ) {
        self.sharedAxes = sharedAxes
        self.alphaInitializer = alphaInitializer
        self.alphaRegularizer = alphaRegularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        let axes = 1..<max(input.shape.rank, 1)
        try scope.require(
            sharedAxes.allSatisfy { axes.contains($0) }, "sharedAxes", sharedAxes,
            mustBe: "axes of \(input.shape), counted from 1 behind the batch")
        let sizes = axes.map { sharedAxes.contains($0) ? 1 : input.shape[$0] }
        let alpha = try scope.variable(
            "alpha", shape: Shape(sizes), initializer: alphaInitializer, regularizer: alphaRegularizer)
        return select(input .> 0, input, alpha * input)
    }
}
