import ApusCore

/// Matrix products: `[..., M, K] x [..., K, N] -> [..., M, N]`, with any operand stored transposed.
package struct MatMul: OperationRule {
    /// The left operand is stored as `[..., K, M]`.
    package var isLeftTransposed = false
    /// The right operand is stored as `[..., N, K]`.
    package var isRightTransposed = false

    package init(isLeftTransposed: Bool = false, isRightTransposed: Bool = false) {
        self.isLeftTransposed = isLeftTransposed
        self.isRightTransposed = isRightTransposed
    }

    package var name: String { "matMul" }
    package var settings: String {
        [isLeftTransposed ? "left transposed" : "", isRightTransposed ? "right transposed" : ""]
            .filter { !$0.isEmpty }.joined(separator: ", ")
    }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let (left, right) = (inputs[0].shape, inputs[1].shape)
        guard left.rank == right.rank, left.rank >= 2, left.sizes.dropLast(2) == right.sizes.dropLast(2) else {
            throw mismatch(
                expected: "two matrices, or two equal batches of matrices", received: "\(left) and \(right)",
                cure: "reshape them to [..., rows, inner] and [..., inner, columns]")
        }
        let (rows, inner) = isLeftTransposed ? (left[-1], left[-2]) : (left[-2], left[-1])
        let (sameInner, columns) = isRightTransposed ? (right[-1], right[-2]) : (right[-2], right[-1])
        guard inner == sameInner else {
            throw mismatch(
                expected: "inner sizes that agree", received: "\(inner) (of \(left)) and \(sameInner) (of \(right))",
                cure: "make the right operand's rows as many as the left's columns")
        }
        return TensorType(Shape(left.sizes.dropLast(2) + [rows, columns]))
    }

    package func specialized(batchSize: Int) -> Operation { .matMul(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (a, b, g) = (context.inputs[0], context.inputs[1], context.upstream)
        let (left, right) = (isLeftTransposed, isRightTransposed)
        func product(_ x: Tensor, _ xTransposed: Bool, _ y: Tensor, _ yTransposed: Bool) -> Tensor {
            Tensor(.matMul(MatMul(isLeftTransposed: xTransposed, isRightTransposed: yTransposed)), [x, y])
        }
        return [
            !context.isNeeded[0] ? nil : left ? product(b, right, g, true) : product(g, false, b, !right),
            !context.isNeeded[1] ? nil : right ? product(g, true, a, left) : product(a, !left, g, false),
        ]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let (left, right) = (inputs[0], inputs[1])
        let (rows, columns) = (type.shape[-2], type.shape[-1])
        let inner = isLeftTransposed ? left.shape[-2] : left.shape[-1]
        var result = ReferenceArray<Scalar>(type.shape)
        guard result.values.count > 0 else { return result }
        for batch in 0..<type.shape.elementCount / (rows * columns) {
            for row in 0..<rows {
                for column in 0..<columns {
                    var sum: Scalar = 0
                    for k in 0..<inner {
                        let a = isLeftTransposed ? k * rows + row : row * inner + k
                        let b = isRightTransposed ? column * inner + k : k * columns + column
                        sum += left.values[batch * rows * inner + a] * right.values[batch * inner * columns + b]
                    }
                    result.values[(batch * rows + row) * columns + column] = sum
                }
            }
        }
        return result
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        flops(2, output.shape.elementCount, isLeftTransposed ? inputs[0].shape[-2] : inputs[0].shape[-1])
    }
}

/// The product of two matrices, or of two equal batches of them: `[..., M, K] x [..., K, N] -> [..., M, N]`.
public func matMul(_ left: Tensor, _ right: Tensor) -> Tensor { Tensor(.matMul(MatMul()), [left, right]) }
