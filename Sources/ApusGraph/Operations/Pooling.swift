import ApusCore

/// The windows of a pooling: their size, and how they move.
package struct PoolingWindow: Hashable, Sendable, Codable {
    package var sizes: [Int]
    package var motion: WindowMotion

    package init(sizes: [Int], motion: WindowMotion) {
        self.sizes = sizes
        self.motion = motion
    }

    var description: String {
        let padding = motion.padding.map { "\($0.before)+\($0.after)" }.joined(separator: ", ")
        return "window: \(sizes), strides: \(motion.strides), padding: [\(padding)]"
    }

    /// The shape of the pooling of `image`.
    func outputShape(_ image: Shape, of rule: some OperationRule) throws -> Shape {
        guard (3...5).contains(image.rank), image.rank == sizes.count + 2, image[-1] >= 1 else {
            throw rule.mismatch(
                expected: "images [batch, spatial..., channels] with \(sizes.count) (at most 3) spatial axes",
                received: "\(image)", cure: "give the window a size for each spatial axis; channels come last")
        }
        guard Shape.isPossible(sizes) else {
            throw rule.mismatch(
                expected: "a window of at most 2^40 places", received: "\(sizes)", cure: "use a smaller window")
        }
        let output = try motion.outputSizes(image: image.spatialSizes, window: sizes, of: rule)
        for axis in sizes.indices {
            let padding = motion.padding[axis]
            guard padding.before < sizes[axis], padding.after < sizes[axis] else {
                throw rule.mismatch(
                    expected: "less padding than the window's \(sizes[axis]) places along spatial axis \(axis)",
                    received: "\(padding.before) before and \(padding.after) after",
                    cure: "a window must reach into the image")
            }
        }
        return Shape([image[0]] + output + [image[-1]])
    }

    /// Calls `body` for each window and channel with its place in the output and the places in the image, in order.
    func forEachWindow(image: Shape, output: Shape, _ body: (_ output: Int, _ places: [Int]) -> Void) {
        let parts = Array(PositionSequence(Shape(sizes)))
        for (window, position) in PositionSequence(Shape(Array(output.sizes.dropLast()))).enumerated() {
            let places = parts.compactMap { part in
                motion.place(window: Array(position.dropFirst()), part: part, image: image.spatialSizes)
                    .map { offset(of: [position[0]] + $0 + [0], strides: image.strides) }
            }
            for channel in 0..<output[-1] {
                body(window * output[-1] + channel, places.map { $0 + channel })
            }
        }
    }

    /// Of `places` that of the largest value: the first of equals, and the first NaN if there is one.
    func largest<Scalar: RealScalar>(_ values: [Scalar], _ places: [Int]) -> Int {
        var best = places[0]
        for place in places.dropFirst()
        where values[place] > values[best] || (values[place].isNaN && !values[best].isNaN) {
            best = place
        }
        return best
    }
}

/// The largest number under each window; see `maxPool(_:window:strides:padding:)`.
package struct MaxPool: OperationRule {
    package var window: PoolingWindow

    package init(window: PoolingWindow) { self.window = window }

    package var name: String { "maxPool" }
    package var settings: String { window.description }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        return TensorType(try window.outputShape(inputs[0].shape, of: self))
    }
    package func specialized(batchSize: Int) -> Operation { .maxPool(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [Tensor(.maxPoolGradient(MaxPoolGradient(window: window)), [context.inputs[0], context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        window.forEachWindow(image: inputs[0].shape, output: type.shape) { output, places in
            result.values[output] = inputs[0].values[window.largest(inputs[0].values, places)]
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(output.shape.elementCount, Shape(window.sizes).elementCount)
    }
}

/// Where each window of the image `x` finds its largest number, the number that `values` has there: `x` and `values`
/// `[N, spatial..., C]`, result `[N, out..., C]`. Linear in `values`, and locally constant in `x`.
package struct MaxPoolSelection: OperationRule {
    package var window: PoolingWindow

    package init(window: PoolingWindow) { self.window = window }

    package var name: String { "maxPoolSelection" }
    package var settings: String { window.description }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard inputs[0] == inputs[1] else {
            throw mismatch(
                expected: "values of the image's shape \(inputs[0].shape)", received: "\(inputs[1].shape)",
                cure: "give one value for each number of the image")
        }
        return TensorType(try window.outputShape(inputs[0].shape, of: self))
    }
    package func specialized(batchSize: Int) -> Operation { .maxPoolSelection(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [nil, Tensor(.maxPoolGradient(MaxPoolGradient(window: window)), [context.inputs[0], context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        window.forEachWindow(image: inputs[0].shape, output: type.shape) { output, places in
            result.values[output] = inputs[1].values[window.largest(inputs[0].values, places)]
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(output.shape.elementCount, Shape(window.sizes).elementCount)
    }
}

/// The gradient of `sum(upstream * maxPool(x))`: each window adds its `upstream` where `x` is largest; of equals the
/// first takes all. `x` `[N, spatial..., C]`, `upstream` `[N, out..., C]`, result as `x`. Linear in `upstream`, and
/// locally constant in `x`.
package struct MaxPoolGradient: OperationRule {
    package var window: PoolingWindow

    package init(window: PoolingWindow) { self.window = window }

    package var name: String { "maxPoolGradient" }
    package var settings: String { window.description }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let expected = try window.outputShape(inputs[0].shape, of: self)
        guard inputs[1].shape == expected else {
            throw mismatch(
                expected: "\(expected), the shape of the pooling", received: "\(inputs[1].shape)",
                cure: "give one number for each window")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .maxPoolGradient(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [nil, Tensor(.maxPoolSelection(MaxPoolSelection(window: window)), [context.inputs[0], context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        window.forEachWindow(image: type.shape, output: inputs[1].shape) { output, places in
            result.values[window.largest(inputs[0].values, places)] += inputs[1].values[output]
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(inputs[1].shape.elementCount, Shape(window.sizes).elementCount)
    }
}

/// The mean of the numbers under each window; see `averagePool(_:window:strides:padding:)`.
package struct AveragePool: OperationRule {
    package var window: PoolingWindow

    package init(window: PoolingWindow) { self.window = window }

    package var name: String { "averagePool" }
    package var settings: String { window.description }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        return TensorType(try window.outputShape(inputs[0].shape, of: self))
    }
    package func specialized(batchSize: Int) -> Operation { .averagePool(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let back = AveragePoolGradient(window: window, sizes: context.inputs[0].shape.spatialSizes)
        return [Tensor(.averagePoolGradient(back), [context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        window.forEachWindow(image: inputs[0].shape, output: type.shape) { output, places in
            result.values[output] = places.reduce(0) { $0 + inputs[0].values[$1] } / Scalar(places.count)
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(output.shape.elementCount, Shape(window.sizes).elementCount)
    }
}

/// The gradient of `sum(upstream * averagePool(x))`: each window adds equal parts of its `upstream` to its places
/// within the image; `[N, out..., C] -> [N, sizes..., C]`.
package struct AveragePoolGradient: OperationRule {
    package var window: PoolingWindow
    /// The image's spatial sizes; strides leave several that fit.
    package var sizes: [Int]

    package init(window: PoolingWindow, sizes: [Int]) {
        self.window = window
        self.sizes = sizes
    }

    package var name: String { "averagePoolGradient" }
    package var settings: String { "sizes: \(sizes), " + window.description }
    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let upstream = inputs[0].shape
        guard upstream.rank == sizes.count + 2 else {
            throw mismatch(
                expected: "\(sizes.count + 2) axes, the batch's and the channels' with \(sizes.count) spatial ones",
                received: "\(upstream)", cure: "give one number for each window")
        }
        let image = Shape([upstream[0]] + sizes + [upstream[-1]])
        let expected = try window.outputShape(image, of: self)
        guard upstream == expected else {
            throw mismatch(
                expected: "\(expected), the shape of the pooling", received: "\(upstream)",
                cure: "give one number for each window")
        }
        return TensorType(image)
    }
    package func specialized(batchSize: Int) -> Operation { .averagePoolGradient(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [Tensor(.averagePool(AveragePool(window: window)), [context.upstream])]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        window.forEachWindow(image: type.shape, output: inputs[0].shape) { output, places in
            for place in places { result.values[place] += inputs[0].values[output] / Scalar(places.count) }
        }
        return result
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(inputs[0].shape.elementCount, Shape(window.sizes).elementCount)
    }
}

/// The largest number under each window, channel by channel. Padding never is the largest; of equals, the first in
/// row-major order gets the gradient; NaN where the window holds one.
///
/// Shapes: x `[N, spatial..., C]` with one to three spatial axes, result `[N, out..., C]` with
/// `out = (size + before + after - window) / stride + 1`, rounded down.
/// - Parameters:
///   - window: the window's size along each spatial axis.
///   - strides: from one window to the next; by default the window's sizes, so that windows touch.
///   - padding: places around the image, fewer on each side than the window has; by default none.
///
/// The result holds `ApusError.shape` where the window is larger than the padded image, padding reaches the window's
/// size, or numbers of axes differ.
public func maxPool(_ x: Tensor, window: [Int], strides: [Int]? = nil, padding: Padding = .valid) -> Tensor {
    Tensor(.maxPool(MaxPool(window: poolingWindow(x, window, strides, padding))), [x])
}

/// The mean of the numbers under each window, channel by channel. Padding is not counted: at the edge of the image a
/// mean is over fewer numbers.
///
/// Shapes, parameters and errors are those of `maxPool`.
public func averagePool(_ x: Tensor, window: [Int], strides: [Int]? = nil, padding: Padding = .valid) -> Tensor {
    Tensor(.averagePool(AveragePool(window: poolingWindow(x, window, strides, padding))), [x])
}

private func poolingWindow(_ x: Tensor, _ window: [Int], _ strides: [Int]?, _ padding: Padding) -> PoolingWindow {
    let motion = WindowMotion(
        image: x.shape.spatialSizes, window: window, strides: strides ?? window, dilations: [], padding: padding)
    return PoolingWindow(sizes: window, motion: motion)
}
