import ApusCore

/// One number out of all those along some axes, which then have size 1.
package struct Reduction: OperationRule {
    package enum Function: String, Hashable, Sendable, Codable, CaseIterable { case sum, max, min }

    package var function: Function
    /// From the front, in rising order.
    package var axes: [Int]

    package init(function: Function, axes: [Int]) {
        self.function = function
        self.axes = axes
    }

    package var name: String { function.rawValue }
    package var settings: String { "axes: \(axes)" }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        var shape = inputs[0].shape
        for axis in axes {
            guard shape.sizes.indices.contains(axis) else {
                throw mismatch(
                    expected: "axes of \(inputs[0].shape)", received: "axis \(axis)",
                    cure: "axes go from 0 to the rank less 1")
            }
            guard function == .sum || shape[axis] != 0 else {
                throw mismatch(
                    expected: "at least one element", received: "\(inputs[0].shape)", cure: "drop the empty axis")
            }
            shape[axis] = 1
        }
        return TensorType(shape)
    }
    package func specialized(batchSize: Int) -> Operation { .reduction(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (x, y) = (context.inputs[0], context.output)
        let upstream = context.upstream.broadcast(to: x.shape)
        if function == .sum { return [upstream] }
        // Ties share evenly.
        let isExtreme = x .== y
        return [upstream * isExtreme / isExtreme.reduced(.sum, axes)]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let strides = type.shape.strides
        var result = ReferenceArray<Scalar>(type.shape)
        var isFirst = [Bool](repeating: true, count: result.values.count)
        for (index, position) in PositionSequence(inputs[0].shape).enumerated() {
            var place = position
            for axis in axes { place[axis] = 0 }
            let (target, value) = (offset(of: place, strides: strides), inputs[0].values[index])
            let current = result.values[target]
            result.values[target] =
                switch function {
                case .sum: current + value
                case .max: isFirst[target] || value > current || value.isNaN ? value : current
                case .min: isFirst[target] || value < current || value.isNaN ? value : current
                }
            isFirst[target] = false
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { inputs[0].shape.elementCount }
}

/// How many elements lie along some axes, as a number in the graph; settled when the batch size is.
package struct AxisSize: OperationRule {
    package var axes: [Int]

    package init(axes: [Int]) {
        self.axes = axes
    }

    package var name: String { "axisSize" }
    package var settings: String { "axes: \(axes)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { TensorType(.scalar) }
    package func specialized(batchSize: Int) -> Operation { .axisSize(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { ReferenceArray(.scalar, [Scalar(size(of: inputs[0].shape))]) }

    package func size(of shape: Shape) -> Int { axes.reduce(1) { $0 * shape[$1] } }
}

/// The place of the largest element along the last axis, the first of equals: `[..., n] -> [...]`, int32.
package struct ArgMax: OperationRule {
    package var name: String { "argMax" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard let last = inputs[0].shape.sizes.last, last > 0 else {
            throw mismatch(expected: "at least one element", received: "\(inputs[0])", cure: "give it a last axis")
        }
        return TensorType(Shape(Array(inputs[0].shape.sizes.dropLast())), .int32)
    }
    package func specialized(batchSize: Int) -> Operation { .argMax(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let count = inputs[0].shape[-1]
        return ReferenceArray(
            type.shape,
            (0..<type.shape.elementCount).map { row in
                let values = inputs[0].values[row * count..<(row + 1) * count]
                var best = values.startIndex
                for index in values.indices where values[index] > values[best] { best = index }
                return Scalar(best - values.startIndex)
            })
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { inputs[0].shape.elementCount }
}

extension Tensor {
    /// The sum along `axes` (negative ones count from the end; by default all). Summed axes go away, or stay with
    /// size 1 where `keepsAxes`.
    public func sum(_ axes: Int..., keepsAxes: Bool = false) -> Tensor { reduced(.sum, by: axes, keepsAxes) }
    /// The largest along `axes`, as `sum`; ties share the gradient evenly.
    public func max(_ axes: Int..., keepsAxes: Bool = false) -> Tensor { reduced(.max, by: axes, keepsAxes) }
    /// The smallest along `axes`, as `sum`; ties share the gradient evenly.
    public func min(_ axes: Int..., keepsAxes: Bool = false) -> Tensor { reduced(.min, by: axes, keepsAxes) }
    /// The mean along `axes`, as `sum`.
    public func mean(_ axes: Int..., keepsAxes: Bool = false) -> Tensor {
        let total = reduced(.sum, by: axes, keepsAxes)
        if node.failure != nil || total.node.failure != nil { return total }
        return total / Tensor(.axisSize(AxisSize(axes: settled(axes))), [self])
    }
    /// The place of the largest along the last axis, the first of equals, as int32: `[..., n] -> [...]`.
    public func argMax() -> Tensor { Tensor(.argMax(ArgMax()), [self]) }

    /// Axes from the front, in order, each once; all where none is named.
    private func settled(_ axes: [Int]) -> [Int] {
        axes.isEmpty ? Array(0..<shape.rank) : Set(axes.map { shape.normalizedAxis($0) ?? $0 }).sorted()
    }

    package func reduced(_ function: Reduction.Function, _ axes: [Int]) -> Tensor {
        Tensor(.reduction(Reduction(function: function, axes: axes)), [self])
    }

    private func reduced(_ function: Reduction.Function, by axes: [Int], _ keepsAxes: Bool) -> Tensor {
        if node.failure != nil { return self }
        let axes = settled(axes)
        let result = reduced(function, axes)
        if keepsAxes || result.node.failure != nil { return result }
        return result.reshaped(to: Shape(shape.sizes.indices.filter { !axes.contains($0) }.map { shape[$0] }))
    }
}
