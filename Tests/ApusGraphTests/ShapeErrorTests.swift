import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

/// A use of an operation that does not fit, and the exact text of its error.
struct Misfit: Sendable, CustomTestStringConvertible {
    let text: String
    let make: @Sendable () -> Tensor
    var testDescription: String { text }

    init(_ text: String, _ make: @escaping @Sendable () -> Tensor) {
        self.text = text
        self.make = make
    }
}

private func float(_ shape: Shape) -> Tensor { .placeholder(shape) }
private func integer(_ shape: Shape) -> Tensor { .placeholder(shape, .int32) }

@Suite("Shape errors")
struct ShapeErrorTests {
    @Test(arguments: elementwise + products + reductions + movements + indexing)
    func misfitHasText(_ misfit: Misfit) {
        #expect(misfit.make().failureText == misfit.text)
    }

    private static let elementwise = [
        Misfit(
            "exp: expected float32 elements, received int32[2]. Cure: convert the input with cast(to: .float32)."
        ) { exp(integer([2])) },
        Misfit(
            "negate: expected float32 elements, received uint8[2]. Cure: convert the input with cast(to: .float32)."
        ) { -.placeholder([2], .uint8) },
        Misfit(
            "add: expected two inputs of one shape, received [2] and [3]. Cure: reshape or broadcast one of them."
        ) { float([2]) + float([3]) },
        Misfit(
            "multiply: expected two inputs of one shape, received [2, 1, 3] and [3, 1, 2]. "
                + "Cure: reshape or broadcast one of them."
        ) { float([2, 1, 3]) * float([3, 1, 2]) },
        Misfit(
            "subtract: expected two inputs of one shape, received [batch, 3] and [4, 3]. "
                + "Cure: reshape or broadcast one of them."
        ) { .input([3]) - float([4, 3]) },
        Misfit(
            "maximum: expected float32 elements, received int32[2]. Cure: convert the input with cast(to: .float32)."
        ) { maximum(float([2]), integer([2])) },
        Misfit(
            "greater: expected two inputs of one shape, received [3] and [2]. Cure: reshape or broadcast one of them."
        ) { float([2]) .< float([3]) },
        Misfit("select: expected three inputs of one shape, received [2], [3], [3]. Cure: reshape or broadcast them.") {
            select(float([2]), float([3]), float([3]))
        },
        Misfit("select: expected three inputs of one shape, received [2], [2], [3]. Cure: reshape or broadcast them.") {
            select(float([2]), float([2]), float([3]))
        },
        Misfit(
            "cast: expected float32 or int32, received float32[2] to uint8. "
                + "Cure: convert the array before it enters the graph."
        ) { float([2]).cast(to: .uint8) },
        Misfit(
            "cast: expected float32 or int32, received float64[2] to float32. "
                + "Cure: convert the array before it enters the graph."
        ) { Tensor.placeholder([2], .float64).cast(to: .float32) },
        Misfit(
            "phase: expected one type in training and inference, received float32[2] and float32[3]. "
                + "Cure: make both branches alike."
        ) { .phase(training: float([2]), inference: float([3])) },
    ]

    private static let products = [
        Misfit(
            "matMul: expected two matrices, or two equal batches of matrices, received [3] and [3, 2]. "
                + "Cure: reshape them to [..., rows, inner] and [..., inner, columns]."
        ) { matMul(float([3]), float([3, 2])) },
        Misfit(
            "matMul: expected two matrices, or two equal batches of matrices, received [3] and [3]. "
                + "Cure: reshape them to [..., rows, inner] and [..., inner, columns]."
        ) { matMul(float([3]), float([3])) },
        Misfit(
            "matMul: expected two matrices, or two equal batches of matrices, received [2, 3, 4] and [5, 4, 3]. "
                + "Cure: reshape them to [..., rows, inner] and [..., inner, columns]."
        ) { matMul(float([2, 3, 4]), float([5, 4, 3])) },
        Misfit(
            "matMul: expected inner sizes that agree, received 784 (of [batch, 784]) and 512 (of [512, 10]). "
                + "Cure: make the right operand's rows as many as the left's columns."
        ) { matMul(.input([784]), float([512, 10])) },
        Misfit(
            "matMul: expected inner sizes that agree, received 2 (of [2, 3]) and 4 (of [5, 4]). "
                + "Cure: make the right operand's rows as many as the left's columns."
        ) {
            Tensor(
                .matMul(MatMul(isLeftTransposed: true, isRightTransposed: true)), [float([2, 3]), float([5, 4])])
        },
        Misfit(
            "matMul: expected float32 elements, received int32[3, 2]. Cure: convert the input with cast(to: .float32)."
        ) { matMul(float([2, 3]), integer([3, 2])) },
        Misfit("softmax: expected a last axis of classes, received a scalar. Cure: give a vector for each sample.") {
            softmax(float([]))
        },
        Misfit("logSoftmax: expected a last axis of classes, received a scalar. Cure: give a vector for each sample.") {
            logSoftmax(float([]))
        },
        Misfit(
            "softmax: expected float32 elements, received int32[2]. Cure: convert the input with cast(to: .float32)."
        ) { softmax(integer([2])) },
        Misfit(
            "softmaxCrossEntropy: expected targets of the predictions' shape [batch, 10], received [batch]. "
                + "Cure: give one number per class, or use the loss for sparse labels."
        ) { softmaxCrossEntropy(logits: .input([10]), targets: .input([])) },
        Misfit(
            "softmaxCrossEntropy: expected a last axis of classes, received a scalar. "
                + "Cure: give a vector for each sample."
        ) { softmaxCrossEntropy(logits: float([]), targets: float([])) },
    ]

    private static let reductions = [
        Misfit("sum: expected axes of [2, 3], received axis 2. Cure: axes go from 0 to the rank less 1.") {
            float([2, 3]).sum(0, 2)
        },
        Misfit("max: expected axes of [2, 3], received axis -3. Cure: axes go from 0 to the rank less 1.") {
            float([2, 3]).max(-3)
        },
        Misfit("sum: expected axes of [], received axis 0. Cure: axes go from 0 to the rank less 1.") {
            float([]).mean(0)
        },
        Misfit("max: expected at least one element, received [4, 0]. Cure: drop the empty axis.") {
            float([4, 0]).max(0, 1)
        },
        Misfit("min: expected at least one element, received [0]. Cure: drop the empty axis.") { float([0]).min() },
        Misfit("sum: expected float32 elements, received int32[2]. Cure: convert the input with cast(to: .float32).") {
            integer([2]).sum()
        },
        Misfit("argMax: expected at least one element, received float32[]. Cure: give it a last axis.") {
            float([]).argMax()
        },
        Misfit("argMax: expected at least one element, received float32[3, 0]. Cure: give it a last axis.") {
            float([3, 0]).argMax()
        },
        Misfit(
            "argMax: expected float32 elements, received int32[2]. Cure: convert the input with cast(to: .float32)."
        ) { integer([2]).argMax() },
    ]

    private static let movements = [
        Misfit(
            "reshape: expected a shape with as many elements as [0], received [4611686018427387904, 4]. "
                + "Cure: make the sizes' product the same."
        ) { float([0]).reshaped(to: [1 << 62, 4]) },
        Misfit(
            "broadcast: expected at most 2^40 elements, received float32[2199023255552]. Cure: check the sizes."
        ) { float([1]).broadcast(to: [1 << 41]) },
        Misfit(
            "reshape: expected a shape with as many elements as [2, 3], received [4]. "
                + "Cure: make the sizes' product the same."
        ) { float([2, 3]).reshaped(to: [4]) },
        Misfit(
            "reshape: expected a shape with as many elements as [batch, 6], received [6]. "
                + "Cure: make the sizes' product the same."
        ) { Tensor.input([6]).reshaped(to: [6]) },
        Misfit(
            "reshape: expected a shape with as many elements as [4], received [2*batch, 2*batch]. "
                + "Cure: make the sizes' product the same."
        ) { float([4]).reshaped(to: [-2, -2]) },
        Misfit(
            "broadcast: expected a shape that [2] stretches to, received [3]. "
                + "Cure: sizes are matched from the last axis; only size 1 stretches."
        ) { float([2]).broadcast(to: [3]) },
        Misfit(
            "broadcast: expected a shape that [2, 1] stretches to, received [3]. "
                + "Cure: sizes are matched from the last axis; only size 1 stretches."
        ) { float([2, 1]).broadcast(to: [3]) },
        Misfit("transpose: expected each axis of [2, 3] once, received [0, 0]. Cure: name every axis once.") {
            float([2, 3]).transposed(0, 0)
        },
        Misfit("transpose: expected each axis of [2, 3] once, received [0]. Cure: name every axis once.") {
            float([2, 3]).transposed(0)
        },
        Misfit(
            "slice: expected a part of [2, 3], received axis: 1, 2..<4. "
                + "Cure: keep the range within the axis; the batch axis cannot be sliced."
        ) { float([2, 3]).slice(2..<4, axis: -1) },
        Misfit(
            "slice: expected a part of [2, 3], received axis: -3, 0..<1. "
                + "Cure: keep the range within the axis; the batch axis cannot be sliced."
        ) { float([2, 3]).slice(0..<1, axis: -3) },
        Misfit(
            "slice: expected a part of [2, 3], received axis: 0, -1..<1. "
                + "Cure: keep the range within the axis; the batch axis cannot be sliced."
        ) { float([2, 3]).slice(-1..<1, axis: 0) },
        Misfit(
            "slice: expected a part of [batch, 3], received axis: 0, 0..<1. "
                + "Cure: keep the range within the axis; the batch axis cannot be sliced."
        ) { Tensor.input([3]).slice(0..<1, axis: 0) },
        Misfit(
            "pad: expected an axis of [batch, 3] and counts from 0, received axis: 0, before: 1, after: 1. "
                + "Cure: name an axis other than the batch's."
        ) { Tensor.input([3]).padded(before: 1, after: 1, axis: 0) },
        Misfit(
            "pad: expected an axis of [3] and counts from 0, received axis: 0, before: -1, after: 1. "
                + "Cure: name an axis other than the batch's."
        ) { float([3]).padded(before: -1, after: 1, axis: 0) },
        Misfit("concatenate: expected an axis of the inputs, received axis: 2. Cure: axes count from 0.") {
            concatenate([float([2, 3]), float([2, 3])], axis: 2)
        },
        Misfit("concatenate: expected an axis of the inputs, received axis: -1. Cure: axes count from 0.") {
            concatenate([])
        },
        Misfit(
            "concatenate: expected inputs that differ along axis 1 only (and it is not the batch's), "
                + "received float32[2, 3], float32[4, 3]. Cure: reshape them, or name another axis."
        ) { concatenate([float([2, 3]), float([4, 3])]) },
        Misfit(
            "concatenate: expected inputs that differ along axis 0 only (and it is not the batch's), "
                + "received float32[3], float32[1, 3]. Cure: reshape them, or name another axis."
        ) { concatenate([float([3]), float([1, 3])]) },
        Misfit(
            "concatenate: expected inputs that differ along axis 0 only (and it is not the batch's), "
                + "received float32[3], int32[3]. Cure: reshape them, or name another axis."
        ) { concatenate([float([3]), integer([3])]) },
        Misfit(
            "concatenate: expected inputs that differ along axis 0 only (and it is not the batch's), "
                + "received float32[batch, 3], float32[batch, 3]. Cure: reshape them, or name another axis."
        ) { concatenate([.input([3]), .input([3])], axis: 0) },
    ]

    private static let indexing = [
        Misfit("oneHot: expected int32 labels, received float32[2]. Cure: use cast(to: .int32).") {
            oneHot(float([2]), depth: 3)
        },
        Misfit("oneHot: expected a depth above 0, received 0. Cure: give the number of classes.") {
            oneHot(integer([2]), depth: 0)
        },
    ]
}
