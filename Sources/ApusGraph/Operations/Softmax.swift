import ApusCore

/// `y_j = exp(x_j) / sum_k exp(x_k)` along the last axis, with the largest x subtracted first. A row without a
/// quotient, as with NaN, with an infinity, or of minus infinity alone, gives NaN.
package struct Softmax: OperationRule {
    package var name: String { "softmax" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType { try lastAxisType(inputs) }
    package func specialized(batchSize: Int) -> Operation { .softmax(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let weighted = context.upstream * context.output
        return [weighted - context.output * weighted.sum(-1, keepsAxes: true)]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        referenceLogSoftmax(inputs[0]).map { Scalar.exp($0) }
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { 4 * output.shape.elementCount }
}

/// `y_j = x_j - log sum_k exp(x_k)` along the last axis.
package struct LogSoftmax: OperationRule {
    package var name: String { "logSoftmax" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType { try lastAxisType(inputs) }
    package func specialized(batchSize: Int) -> Operation { .logSoftmax(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        [context.upstream - exp(context.output) * context.upstream.sum(-1, keepsAxes: true)]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { referenceLogSoftmax(inputs[0]) }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { 4 * output.shape.elementCount }
}

/// The cross-entropy of a softmax: `loss = sum_j t_j (log sum_k exp(x_k) - x_j)`, for logits x and targets t of one
/// shape `[..., n]`, giving `[...]`. A logit of minus infinity gives NaN even where its target is 0, as 0 times
/// infinity does.
package struct SoftmaxCrossEntropy: OperationRule {
    package var name: String { "softmaxCrossEntropy" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        let logits = try lastAxisType(inputs)
        guard inputs[0] == inputs[1] else {
            throw mismatch(
                expected: "targets of the predictions' shape \(logits.shape)", received: "\(inputs[1].shape)",
                cure: "give one number per class, or use the loss for sparse labels")
        }
        return TensorType(Shape(Array(logits.shape.sizes.dropLast())))
    }
    package func specialized(batchSize: Int) -> Operation { .softmaxCrossEntropy(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (logits, targets) = (context.inputs[0], context.inputs[1])
        let upstream = context.upstream.reshaped(to: Shape(context.output.shape.sizes + [1]))
        return [
            !context.isNeeded[0]
                ? nil : upstream * (softmax(logits) * targets.sum(-1, keepsAxes: true) - targets),
            !context.isNeeded[1] ? nil : -upstream * logSoftmax(logits),
        ]
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let count = inputs[0].shape[-1]
        let logarithms = referenceLogSoftmax(inputs[0]).values
        return ReferenceArray(
            type.shape,
            (0..<type.shape.elementCount).map { row in
                (row * count..<(row + 1) * count).reduce(0) { $0 - inputs[1].values[$1] * logarithms[$1] }
            })
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { 5 * inputs[0].shape.elementCount }
}

extension OperationRule {
    fileprivate func lastAxisType(_ inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        guard inputs[0].shape.rank >= 1 else {
            throw mismatch(
                expected: "a last axis of classes", received: "a scalar", cure: "give a vector for each sample")
        }
        return inputs[0]
    }

    fileprivate func referenceLogSoftmax<Scalar: RealScalar>(_ x: ReferenceArray<Scalar>) -> ReferenceArray<Scalar> {
        let count = x.shape[-1]
        var result = x
        for start in stride(from: 0, to: x.values.count, by: Swift.max(count, 1)) {
            let row = x.values[start..<start + count]
            let largest = row.max() ?? 0
            let logarithm = Scalar.log(row.reduce(0) { $0 + Scalar.exp($1 - largest) })
            // In this order: next to a huge x the logarithm would be rounded away.
            for index in row.indices { result.values[index] = (x.values[index] - largest) - logarithm }
        }
        return result
    }
}

/// `exp(x_j) / sum_k exp(x_k)` along the last axis.
public func softmax(_ x: Tensor) -> Tensor { Tensor(.softmax(Softmax()), [x]) }
/// `x_j - log sum_k exp(x_k)` along the last axis.
public func logSoftmax(_ x: Tensor) -> Tensor { Tensor(.logSoftmax(LogSoftmax()), [x]) }
/// `sum_j t_j (log sum_k exp(x_k) - x_j)` along the last axis: `[..., n]` and `[..., n]` give `[...]`.
public func softmaxCrossEntropy(logits: Tensor, targets: Tensor) -> Tensor {
    Tensor(.softmaxCrossEntropy(SoftmaxCrossEntropy()), [logits, targets])
}
