import ApusCore

/// A value that the caller gives at each run.
package struct InputSlot: OperationRule {
    package var name: String
    package var type: TensorType

    package init(name: String, type: TensorType) {
        self.name = name
        self.type = type
    }

    package var settings: String { "" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { type }
    package func specialized(batchSize: Int) -> Operation {
        .input(InputSlot(name: name, type: type.specialized(batchSize: batchSize)))
    }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        preconditionFailure("the value of an input comes from the caller")
    }
}

/// The value of a variable at the start of a run.
package struct VariableRead: OperationRule {
    package var type: TensorType

    package init(type: TensorType) {
        self.type = type
    }

    package var name: String { "variable" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { type }
    package func specialized(batchSize: Int) -> Operation { .variable(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        preconditionFailure("the value of a variable comes from the caller")
    }
}

/// A fixed array.
package struct Constant: OperationRule {
    package var value: NDArray

    package init(value: NDArray) {
        self.value = value
    }

    package var name: String { "constant" }
    package var settings: String {
        value.elementCount == 1 ? "\(value.doubles[0])" : "\(value.elementCount) values"
    }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { TensorType(value.shape, value.elementType) }
    package func specialized(batchSize: Int) -> Operation { .constant(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> { ReferenceArray(value) }
}

/// A number that depends on the count of steps alone: a learning rate, a bias correction.
package struct StepValue: OperationRule {
    package var schedule: Schedule

    package init(schedule: Schedule) {
        self.schedule = schedule
    }

    package var name: String { "stepValue" }
    package var settings: String { "\(schedule)" }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { TensorType(.scalar) }
    package func specialized(batchSize: Int) -> Operation { .stepValue(self) }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        ReferenceArray(.scalar, [Scalar(schedule.value(at: context.step))])
    }
}

extension Tensor {
    /// The name of the place that the value enters by; empty for other tensors.
    package var inputName: String {
        if case .input(let slot) = node.operation { slot.name } else { "" }
    }
}

extension Schedule {
    /// The schedule's value at each step, as a scalar tensor.
    package var tensor: Tensor { Tensor(.stepValue(StepValue(schedule: self)), []) }
}
