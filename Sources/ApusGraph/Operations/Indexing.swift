import ApusCore

/// 1 at each label's place along a new last axis, 0 elsewhere: int32 `[...]` gives float32 `[..., depth]`.
/// A label outside `0..<depth` gives zeros only.
package struct OneHot: OperationRule {
    package var depth: Int

    package init(depth: Int) {
        self.depth = depth
    }

    package var name: String { "oneHot" }
    package var settings: String { "depth: \(depth)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard inputs[0].elementType == .int32 else {
            throw mismatch(expected: "int32 labels", received: "\(inputs[0])", cure: "use cast(to: .int32)")
        }
        guard depth > 0 else {
            throw mismatch(expected: "a depth above 0", received: "\(depth)", cure: "give the number of classes")
        }
        return TensorType(Shape(inputs[0].shape.sizes + [depth]))
    }
    package func specialized(batchSize: Int) -> Operation { .oneHot(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        for (row, label) in inputs[0].values.enumerated() where label >= 0 && label < Scalar(depth) {
            result.values[row * depth + Int(label)] = 1
        }
        return result
    }
}

/// 1 at each label's place along a new last axis: int32 `[...]` gives float32 `[..., depth]`; a label outside
/// `0..<depth` gives zeros only.
public func oneHot(_ labels: Tensor, depth: Int) -> Tensor { Tensor(.oneHot(OneHot(depth: depth)), [labels]) }
