import ApusCore

/// The same elements in the same order, in another shape.
package struct Reshape: OperationRule {
    package var shape: Shape

    package init(shape: Shape) {
        self.shape = shape
    }

    package var name: String { "reshape" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard let count = Shape.product(of: shape.sizes), count == inputs[0].shape.elementCount,
            shape.sizes.filter({ $0 < 0 }).count <= 1
        else {
            throw mismatch(
                expected: "a shape with as many elements as \(inputs[0].shape)", received: "\(shape)",
                cure: "make the sizes' product the same")
        }
        return TensorType(shape, inputs[0].elementType)
    }
    package func specialized(batchSize: Int) -> Operation {
        .reshape(Reshape(shape: shape.specialized(batchSize: batchSize)))
    }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [context.upstream.reshaped(to: context.inputs[0].shape)]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { ReferenceArray(type.shape, inputs[0].values) }
}

/// Stretches axes of size 1 and adds axes in front.
package struct Broadcast: OperationRule {
    package var shape: Shape

    package init(shape: Shape) {
        self.shape = shape
    }

    package var name: String { "broadcast" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard inputs[0].shape.broadcast(with: shape) == shape else {
            throw mismatch(
                expected: "a shape that \(inputs[0].shape) stretches to", received: "\(shape)",
                cure: "sizes are matched from the last axis; only size 1 stretches")
        }
        return TensorType(shape, inputs[0].elementType)
    }
    package func specialized(batchSize: Int) -> Operation {
        .broadcast(Broadcast(shape: shape.specialized(batchSize: batchSize)))
    }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let source = context.inputs[0].shape
        let added = shape.rank - source.rank
        let axes = shape.sizes.indices.filter { $0 < added || (source[$0 - added] == 1 && shape[$0] != 1) }
        return [context.upstream.reduced(.sum, axes).reshaped(to: source)]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let strides = Self.strides(of: inputs[0].shape, over: type.shape)
        return ReferenceArray(
            type.shape, PositionSequence(type.shape).map { inputs[0].values[offset(of: $0, strides: strides)] })
    }

    /// The strides that walk `source` over the positions of `target`: 0 along stretched axes.
    package static func strides(of source: Shape, over target: Shape) -> [Int] {
        let added = target.rank - source.rank
        let strides = source.strides
        return target.sizes.indices.map { axis in
            axis < added || source[axis - added] == 1 ? 0 : strides[axis - added]
        }
    }
}

/// The axes in another order: axis `i` of the result is axis `permutation[i]` of the input.
package struct Transpose: OperationRule {
    package var permutation: [Int]

    package init(permutation: [Int]) {
        self.permutation = permutation
    }

    package var name: String { "transpose" }
    package var settings: String { "\(permutation)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard permutation.sorted() == Array(inputs[0].shape.sizes.indices) else {
            throw mismatch(
                expected: "each axis of \(inputs[0].shape) once", received: "\(permutation)",
                cure: "name every axis once")
        }
        return TensorType(Shape(permutation.map { inputs[0].shape[$0] }), inputs[0].elementType)
    }
    package func specialized(batchSize: Int) -> Operation { .transpose(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        var inverse = permutation
        for (axis, source) in permutation.enumerated() { inverse[source] = axis }
        return [Tensor(.transpose(Transpose(permutation: inverse)), [context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let source = inputs[0].shape.strides
        let strides = permutation.map { source[$0] }
        return ReferenceArray(
            type.shape, PositionSequence(type.shape).map { inputs[0].values[offset(of: $0, strides: strides)] })
    }
}

/// The entries `start..<start + count` along one axis.
package struct Slice: OperationRule {
    package var axis: Int
    package var start: Int
    package var count: Int

    package init(axis: Int, start: Int, count: Int) {
        self.axis = axis
        self.start = start
        self.count = count
    }

    package var name: String { "slice" }
    package var settings: String { "axis: \(axis), \(start)..<\(start + count)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        var type = inputs[0]
        guard type.shape.sizes.indices.contains(axis), start >= 0, count >= 0, type.shape[axis] >= start + count else {
            throw mismatch(
                expected: "a part of \(type.shape)", received: settings,
                cure: "keep the range within the axis; the batch axis cannot be sliced")
        }
        type.shape[axis] = count
        return type
    }
    package func specialized(batchSize: Int) -> Operation { .slice(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let size = context.inputs[0].shape[axis]
        return [Tensor(.pad(Pad(axis: axis, before: start, after: size - start - count)), [context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let strides = inputs[0].shape.strides
        return ReferenceArray(
            type.shape,
            PositionSequence(type.shape).map {
                inputs[0].values[offset(of: $0, strides: strides) + start * strides[axis]]
            })
    }
}

/// Zeros before and after, along one axis.
package struct Pad: OperationRule {
    package var axis: Int
    package var before: Int
    package var after: Int

    package init(axis: Int, before: Int, after: Int) {
        self.axis = axis
        self.before = before
        self.after = after
    }

    package var name: String { "pad" }
    package var settings: String { "axis: \(axis), before: \(before), after: \(after)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        var type = inputs[0]
        guard type.shape.sizes.indices.contains(axis), before >= 0, after >= 0, type.shape[axis] >= 0 else {
            throw mismatch(
                expected: "an axis of \(type.shape) and counts from 0", received: settings,
                cure: "name an axis other than the batch's")
        }
        type.shape[axis] += before + after
        return type
    }
    package func specialized(batchSize: Int) -> Operation { .pad(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [Tensor(.slice(Slice(axis: axis, start: before, count: context.inputs[0].shape[axis])), [context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let strides = type.shape.strides
        var result = ReferenceArray<Scalar>(type.shape)
        for (index, position) in PositionSequence(inputs[0].shape).enumerated() {
            result.values[offset(of: position, strides: strides) + before * strides[axis]] = inputs[0].values[index]
        }
        return result
    }
}

/// The inputs one after the other along an axis.
package struct Concatenate: OperationRule {
    package var axis: Int

    package init(axis: Int) {
        self.axis = axis
    }

    package var name: String { "concatenate" }
    package var settings: String { "axis: \(axis)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard var result = inputs.first, result.shape.sizes.indices.contains(axis) else {
            throw mismatch(expected: "an axis of the inputs", received: settings, cure: "axes count from 0")
        }
        let isSettled = inputs.allSatisfy { $0.shape.rank == result.shape.rank && $0.shape[axis] >= 0 }
        let agree = inputs.allSatisfy { input in
            guard input.shape.rank == result.shape.rank, input.elementType == result.elementType else { return false }
            return input.shape.sizes.indices.allSatisfy { $0 == axis || input.shape[$0] == result.shape[$0] }
        }
        guard isSettled, agree else {
            throw mismatch(
                expected: "inputs that differ along axis \(axis) only (and it is not the batch's)",
                received: inputs.map(\.description).joined(separator: ", "),
                cure: "reshape them, or name another axis")
        }
        // No size is above `Shape.largestCount`, but there may be any number of them.
        for input in inputs.dropFirst() where result.shape[axis] <= Shape.largestCount {
            result.shape[axis] += input.shape[axis]
        }
        return result
    }
    package func specialized(batchSize: Int) -> Operation { .concatenate(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        var start = 0
        return context.inputs.map { input in
            defer { start += input.shape[axis] }
            return Tensor(.slice(Slice(axis: axis, start: start, count: input.shape[axis])), [context.upstream])
        }
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let strides = type.shape.strides
        var result = ReferenceArray<Scalar>(type.shape)
        var start = 0
        for input in inputs {
            for (index, position) in PositionSequence(input.shape).enumerated() {
                result.values[offset(of: position, strides: strides) + start * strides[axis]] = input.values[index]
            }
            start += input.shape[axis]
        }
        return result
    }
}

extension Tensor {
    /// The same elements in another shape. In `shape`, `-1` stands for the batch size and `-n` for n times it.
    public func reshaped(to shape: Shape) -> Tensor {
        shape == self.shape && node.failure == nil ? self : Tensor(.reshape(Reshape(shape: shape)), [self])
    }
    /// Axes of size 1 stretched, and axes added in front, to reach `shape`.
    public func broadcast(to shape: Shape) -> Tensor {
        shape == self.shape && node.failure == nil ? self : Tensor(.broadcast(Broadcast(shape: shape)), [self])
    }
    /// The axes in another order: axis `i` of the result is axis `permutation[i]` of this tensor; by default reversed.
    public func transposed(_ permutation: Int...) -> Tensor {
        let order = permutation.isEmpty ? Array(shape.sizes.indices.reversed()) : permutation
        return Tensor(.transpose(Transpose(permutation: order)), [self])
    }
    /// The entries `range` along `axis` (negative ones count from the end).
    public func slice(_ range: Range<Int>, axis: Int) -> Tensor {
        let axis = shape.normalizedAxis(axis) ?? axis
        return Tensor(.slice(Slice(axis: axis, start: range.lowerBound, count: range.count)), [self])
    }
    /// With zeros before and after along `axis` (negative ones count from the end).
    public func padded(before: Int, after: Int, axis: Int) -> Tensor {
        let axis = shape.normalizedAxis(axis) ?? axis
        return Tensor(.pad(Pad(axis: axis, before: before, after: after)), [self])
    }
}

/// `tensors` one after the other along `axis` (negative ones count from the end).
public func concatenate(_ tensors: [Tensor], axis: Int = -1) -> Tensor {
    let axis = tensors.first?.shape.normalizedAxis(axis) ?? axis
    return Tensor(.concatenate(Concatenate(axis: axis)), tensors)
}
