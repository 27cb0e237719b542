import ApusCore
import ApusGraph

extension OperationTable {
    /// Operations without inputs, each combined with one, and those that tracing settles.
    static let sourceRows = [
        OperationRow(OperationKind(.input), cases: alike(.range(-2...2)), isDifferentiable: [true]) { $0[0] },
        OperationRow(OperationKind(.variable), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * Variable("scale", value: numbers(alongLastAxisOf: $0[0])).tensor
        },
        OperationRow(OperationKind(.constant), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * .constant(numbers(alongLastAxisOf: $0[0]))
        },
        OperationRow(OperationKind(.random, "uniform"), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * .randomUniform(like: $0[0])
        },
        OperationRow(OperationKind(.random, "normal"), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * .randomNormal(like: $0[0]) + .randomNormal(like: $0[0])
        },
        OperationRow(OperationKind(.random, "bernoulli"), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * .randomBernoulli(like: $0[0], probability: 0.4)
        },
        OperationRow(OperationKind(.stepValue), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0] * Schedule.inverseTime(initial: 3, decay: 0.25).tensor
        },
        OperationRow(
            OperationKind(.axisSize), cases: alike(.range(-2...2), shapes: shapes.filter { $0.rank > 0 }),
            isDifferentiable: [true]
        ) { Tensor(.axisSize(AxisSize(axes: [0])), $0) * $0[0] },
        OperationRow(
            OperationKind(.phase), cases: alike(.range(-2...2), .range(-2...2)), isDifferentiable: [true, false]
        ) { .phase(training: 3 * $0[0], inference: $0[1]) },
        OperationRow(
            OperationKind(.stopGradient), cases: alike(.range(-2...2), .range(-2...2)), isDifferentiable: [true, false]
        ) { $0[0] * stopGradient($0[1]) },
    ]

    /// 1/2, 1, 3/2, ... along the last axis, which is never the batch's here.
    private static func numbers(alongLastAxisOf tensor: Tensor) -> NDArray {
        let shape = Shape(Array(tensor.shape.sizes.suffix(1)))
        return NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<Float>) in
            for index in values.indices { values[index] = Float(index + 1) / 2 }
        }
    }
}
