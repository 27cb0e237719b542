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

/// Rows of a table by their numbers: table `[length, width]` and int32 indices `[...]` give `[..., width]`.
///
/// An index outside `0..<length` is an error when it runs; the reference gives a row of NaN.
package struct Gather: OperationRule {
    package var name: String { "gather" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat([inputs[0]])
        try requireIndices(inputs[1])
        guard inputs[0].shape.rank == 2, inputs[0].shape.sizes.allSatisfy({ $0 >= 0 }) else {
            throw mismatch(
                expected: "a table [length, width]", received: "\(inputs[0].shape)",
                cure: "reshape it to a row for each number")
        }
        return TensorType(Shape(inputs[1].shape.sizes + [inputs[0].shape[1]]))
    }
    package func specialized(batchSize: Int) -> Operation { .gather(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let sum = ScatterAdd(length: context.inputs[0].shape[0])
        return [context.isNeeded[0] ? Tensor(.scatterAdd(sum), [context.upstream, context.inputs[1]]) : nil, nil]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let (length, width) = (inputs[0].shape[0], inputs[0].shape[1])
        var result = ReferenceArray<Scalar>(type.shape)
        for (row, index) in inputs[1].values.enumerated() {
            let isThere = index >= 0 && index < Scalar(length)
            for column in 0..<width {
                result.values[row * width + column] =
                    isThere ? inputs[0].values[Int(index) * width + column] : .nan
            }
        }
        return result
    }
}

/// The gradient of `sum(upstream * gather(table, indices))` with respect to the table: rows `[..., width]`, each added
/// to the row of a table `[length, width]` that its int32 index names; `[...]` indices. Rows of one index are added in
/// their order.
package struct ScatterAdd: OperationRule {
    package var length: Int

    package init(length: Int) { self.length = length }

    package var name: String { "scatterAdd" }
    package var settings: String { "length: \(length)" }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat([inputs[0]])
        try requireIndices(inputs[1])
        let rows = inputs[0].shape
        guard let width = rows.sizes.last, width >= 0, rows.sizes.dropLast() == inputs[1].shape.sizes[...] else {
            throw mismatch(
                expected: "a row for each of the indices \(inputs[1].shape)", received: "\(rows)",
                cure: "give the rows the indices' axes, and one more for their width")
        }
        guard length >= 0 else {
            throw mismatch(expected: "a length from 0", received: "\(length)", cure: "give the table's rows")
        }
        return TensorType([length, width])
    }
    package func specialized(batchSize: Int) -> Operation { .scatterAdd(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [context.isNeeded[0] ? Tensor(.gather(Gather()), [context.upstream, context.inputs[1]]) : nil, nil]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let width = type.shape[1]
        var result = ReferenceArray<Scalar>(type.shape)
        for (row, index) in inputs[1].values.enumerated() where index >= 0 && index < Scalar(length) {
            for column in 0..<width {
                result.values[Int(index) * width + column] += inputs[0].values[row * width + column]
            }
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { inputs[0].shape.elementCount }
}

extension OperationRule {
    fileprivate func requireIndices(_ type: TensorType) throws {
        guard type.elementType == .int32 else {
            throw mismatch(expected: "int32 indices", received: "\(type)", cure: "use cast(to: .int32)")
        }
    }
}

/// The rows of `table` `[length, width]` that `indices` name: int32 `[...]` gives float32 `[..., width]`. A run throws
/// `ApusError.index` for an index outside `0..<length`.
public func gather(_ table: Tensor, at indices: Tensor) -> Tensor { Tensor(.gather(Gather()), [table, indices]) }
