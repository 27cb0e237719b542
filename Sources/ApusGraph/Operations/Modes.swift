import ApusCore

/// One value in training, another in inference; which is settled when the graph is traced.
///
/// With a variable as the third input it is inference too while that is frozen.
package struct Phase: OperationRule {
    package var hasVariable: Bool

    package init(hasVariable: Bool = false) {
        self.hasVariable = hasVariable
    }

    package var name: String { "phase" }
    package var inputCount: Int { hasVariable ? 3 : 2 }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        guard inputs[0] == inputs[1] else {
            throw mismatch(
                expected: "one type in training and inference", received: "\(inputs[0]) and \(inputs[1])",
                cure: "make both branches alike")
        }
        return inputs[0]
    }
    package func specialized(batchSize: Int) -> Operation { .phase(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (upstream, none) = (context.upstream, 0 * context.upstream)
        let variable = context.inputs.dropFirst(2)
        return [
            Tensor(.phase(self), [upstream, none] + variable),
            Tensor(.phase(self), [none, upstream] + variable),
        ] + variable.map { _ in nil }
    }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        preconditionFailure("a phase is settled when the graph is traced")
    }
}

/// The same value, through which no gradient flows.
package struct StopGradient: OperationRule {
    package var name: String { "stopGradient" }
    package init() {}

    package func resultType(of inputs: [TensorType]) throws -> TensorType { inputs[0] }
    package func specialized(batchSize: Int) -> Operation { .stopGradient(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [nil] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { inputs[0] }
}

extension Tensor {
    /// `training` when a graph is traced for training, else `inference`.
    public static func phase(training: Tensor, inference: Tensor) -> Tensor {
        Tensor(.phase(Phase()), [training, inference])
    }
}

/// The same value, through which no gradient flows.
public func stopGradient(_ x: Tensor) -> Tensor { Tensor(.stopGradient(StopGradient()), [x]) }
