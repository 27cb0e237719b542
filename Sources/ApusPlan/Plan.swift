import ApusCore
import ApusGraph

/// Everything that a run does, decided beforehand: steps in order, and where each value lives.
package struct Plan: Sendable {
    /// Where a value lives during a run.
    package enum Location: Hashable, Sendable {
        /// Bytes from the start of the arena.
        case arena(offset: Int)
        /// The caller's array number `index`.
        case input(Int)
        case variable(Int)
        /// Number `index` of `constants`.
        case constant(Int)
    }

    package struct Value: Hashable, Sendable {
        package var type: TensorType
        package var location: Location
    }

    /// What a step computes.
    package enum Kernel: Hashable, Sendable {
        /// One operation as it is.
        case operation(Operation)
        /// Operations on the same inputs that one pass computes, one output each.
        case shared([Operation])
        /// A product, then a bias for each column (the third input) if there is one, then a function of each element.
        case matMul(MatMul, hasBias: Bool, activation: Unary.Function?)
        /// A convolution, likewise.
        case convolution(Convolution, hasBias: Bool, activation: Unary.Function?)
        /// A recurrence whose inputs are projected as it goes: in place of the projected inputs come the rows, their
        /// kernel, and the bias if there is one; `stepCount` rows are a sample. Where it keeps by step, gates and
        /// previous cells are laid out as they come: the executor's own order, which only gradients that know it read.
        case projectedRecurrence([Recurrence], stepCount: Int, hasBias: Bool, keepsByStep: Bool)
        /// A recurrence's gradient with sums over all its rows and steps, whose factors are further inputs.
        case recurrenceGradient(
            RecurrenceGradient, results: [RecurrenceGradient.Result], sums: [RecurrenceSum], isKeptByStep: Bool)
        /// The third input less the product, which is first multiplied by the fourth input's number if there is one.
        case matMulUpdate(MatMul, hasScale: Bool)
        /// The transposed first input times the second is a gradient; the third is its parameter, the fourth the rate, and
        /// then come the rule's slots. Parameter and slots are the outputs.
        case matMulOptimizer(UpdateRule)
        case elementwise(ElementwiseProgram)
        /// The first input's elements, copied.
        case copy
    }

    /// `factors` transposed times a recurrence's gradient, both with a row for each step of each sample.
    package struct RecurrenceSum: Hashable, Sendable {
        /// The gradient that is summed.
        package var of: RecurrenceGradient.Result
        /// Without factors, each is 1.
        package var hasFactors: Bool

        package init(of: RecurrenceGradient.Result, hasFactors: Bool) {
            (self.of, self.hasFactors) = (of, hasFactors)
        }
    }

    package struct Step: Hashable, Sendable {
        package var kernel: Kernel
        /// Values by their number in `values`.
        package var inputs: [Int]
        package var outputs: [Int]
        /// The inputs as this step sees them: a value may be stored under another shape of as many elements.
        package var inputTypes: [TensorType]
        /// The layer that it comes from; empty outside layers.
        package var origin: String
        package var flopCount: Int
    }

    /// How the factors of its products were rounded.
    package var precision = Precision.float32
    /// Whether matrix products round their factors to bfloat16 themselves: not all that they read is rounded then.
    package var roundsFactors = false
    package var steps: [Step]
    package var values: [Value]
    package var constants: [NDArray]
    package var inputTypes: [TensorType]
    package var variableTypes: [TensorType]
    /// The values that the caller reads, in order.
    package var outputs: [Int]
    /// Their shapes; a value may be stored under another shape of as many elements.
    package var outputShapes: [Shape]
    /// The step after which the guarded output is known, and its value; every update comes later.
    package var guardedStep: Int?
    package var guardedValue: Int?
    /// The size of the memory for what lives within a run.
    package var arenaByteCount: Int

    /// Additions, multiplications and function values of one run.
    package var flopCount: Int { steps.reduce(0) { $0 + $1.flopCount } }
}

extension Plan: CustomStringConvertible {
    /// One line a step: number, kernel, inputs, outputs with type and place, layer.
    package var description: String {
        func name(_ value: Int) -> String {
            switch values[value].location {
            case .arena(let offset): "\(values[value].type)@\(offset)"
            case .input(let index): "input\(index)"
            case .variable(let index): "variable\(index)"
            case .constant(let index): "constant\(index)"
            }
        }
        let lines = steps.enumerated().map { index, step in
            let inputs = step.inputs.map(name).joined(separator: ", ")
            let outputs = step.outputs.map(name).joined(separator: ", ")
            let origin = step.origin.isEmpty ? "" : "  // \(step.origin)"
            return "\(index): \(step.kernel)(\(inputs)) -> \(outputs)\(origin)"
        }
        return (lines + ["arena: \(arenaByteCount) bytes"]).joined(separator: "\n")
    }
}

extension Plan.Kernel: CustomStringConvertible {
    package var description: String {
        switch self {
        case .operation(let operation): operation.description
        case .shared(let operations):
            ([operations.first?.description ?? ""] + operations.dropFirst().compactMap(\.sharing?.result))
                .joined(separator: "+")
        case .matMul(let product, let hasBias, let activation):
            [Operation.matMul(product).description, hasBias ? "bias" : nil, activation?.rawValue]
                .compactMap { $0 }.joined(separator: "+")
        case .convolution(let convolution, let hasBias, let activation):
            [Operation.convolution(convolution).description, hasBias ? "bias" : nil, activation?.rawValue]
                .compactMap { $0 }.joined(separator: "+")
        case .projectedRecurrence(let rules, _, let hasBias, let keepsByStep):
            ([Operation.matMul(MatMul()).description, hasBias ? "bias" : nil].compactMap { $0 }
                + [Plan.Kernel.shared(rules.map { .recurrence($0) }).description, keepsByStep ? "byStep" : nil]
                .compactMap { $0 }).joined(separator: "+")
        case .recurrenceGradient(let rule, let results, let sums, let isKeptByStep):
            ([Operation.recurrenceGradient(rule.sibling(.projected)).description]
                + results.filter { $0 != .projected }.map(\.rawValue)
                + sums.map { $0.hasFactors ? "product" : "sum" } + (isKeptByStep ? ["byStep"] : []))
                .joined(separator: "+")
        case .matMulUpdate(let product, let hasScale):
            "\(Operation.matMul(product))+\(hasScale ? "scale+" : "")subtract"
        case .matMulOptimizer(let rule): "\(Operation.matMul(MatMul(isLeftTransposed: true)))+\(rule)"
        case .elementwise(let program): "elementwise[\(program)]"
        case .copy: "copy"
        }
    }
}
