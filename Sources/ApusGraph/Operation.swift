import ApusCore

/// The closed set of operations. Each is a struct with its settings; its shape rule, gradient rule and reference
/// loop stand in the struct's own file. Whoever handles operations switches over this enum, so a new one does not
/// compile until every executor has answered for it.
package enum Operation: Hashable, Sendable, Codable {
    // Sources
    case input(InputSlot)
    case variable(VariableRead)
    case constant(Constant)
    case random(Random)
    case stepValue(StepValue)
    // Element by element
    case unary(Unary)
    case binary(Binary)
    case select(Select)
    case cast(Cast)
    // Products and reductions
    case matMul(MatMul)
    case reduction(Reduction)
    case argMax(ArgMax)
    case softmax(Softmax)
    case logSoftmax(LogSoftmax)
    case softmaxCrossEntropy(SoftmaxCrossEntropy)
    // Normalisation
    case firstRow(FirstRow)
    // Windows over images
    case convolution(Convolution)
    case convolutionInputGradient(ConvolutionInputGradient)
    case convolutionKernelGradient(ConvolutionKernelGradient)
    case maxPool(MaxPool)
    case maxPoolSelection(MaxPoolSelection)
    case maxPoolGradient(MaxPoolGradient)
    case averagePool(AveragePool)
    case averagePoolGradient(AveragePoolGradient)
    // Movement
    case reshape(Reshape)
    case broadcast(Broadcast)
    case transpose(Transpose)
    case slice(Slice)
    case pad(Pad)
    case concatenate(Concatenate)
    // Indexing
    case oneHot(OneHot)
    case gather(Gather)
    case scatterAdd(ScatterAdd)
    // Sequences
    case recurrence(Recurrence)
    case recurrenceGradient(RecurrenceGradient)
    // Gone after tracing
    case axisSize(AxisSize)
    case phase(Phase)
    case stopGradient(StopGradient)
    case batchNormalization(BatchNormalized)
    case runningAverage(RunningAverage)

    /// The struct inside, by its common face.
    package var rule: any OperationRule {
        switch self {
        case .input(let rule): rule
        case .variable(let rule): rule
        case .constant(let rule): rule
        case .random(let rule): rule
        case .stepValue(let rule): rule
        case .unary(let rule): rule
        case .binary(let rule): rule
        case .select(let rule): rule
        case .cast(let rule): rule
        case .matMul(let rule): rule
        case .reduction(let rule): rule
        case .argMax(let rule): rule
        case .softmax(let rule): rule
        case .logSoftmax(let rule): rule
        case .softmaxCrossEntropy(let rule): rule
        case .firstRow(let rule): rule
        case .convolution(let rule): rule
        case .convolutionInputGradient(let rule): rule
        case .convolutionKernelGradient(let rule): rule
        case .maxPool(let rule): rule
        case .maxPoolSelection(let rule): rule
        case .maxPoolGradient(let rule): rule
        case .averagePool(let rule): rule
        case .averagePoolGradient(let rule): rule
        case .reshape(let rule): rule
        case .broadcast(let rule): rule
        case .transpose(let rule): rule
        case .slice(let rule): rule
        case .pad(let rule): rule
        case .concatenate(let rule): rule
        case .oneHot(let rule): rule
        case .gather(let rule): rule
        case .scatterAdd(let rule): rule
        case .recurrence(let rule): rule
        case .recurrenceGradient(let rule): rule
        case .axisSize(let rule): rule
        case .phase(let rule): rule
        case .stopGradient(let rule): rule
        case .batchNormalization(let rule): rule
        case .runningAverage(let rule): rule
        }
    }
}

extension Operation {
    /// For an operation that is one of several results of one computation: the first of these, equal for all of them,
    /// and this one's name. A plan computes those of the same inputs together.
    package var sharing: (form: Operation, result: String)? {
        switch self {
        case .recurrence(let rule): (.recurrence(rule.sibling(.hidden)), rule.result.rawValue)
        case .recurrenceGradient(let rule):
            (.recurrenceGradient(rule.sibling(.projected)), rule.result.rawValue)
        default: nil
        }
    }
}

extension Operation {
    /// An input that the result may be written over, where nobody else needs it: each of its numbers is read before
    /// something is written to its place. Of element-wise operations that is the plan's business.
    package var overwritableInput: Int? {
        switch self {
        // A GRU keeps more numbers than it is given.
        case .recurrence(let rule): rule.result == .gates && rule.cell.kind != .gru ? 0 : nil
        case .recurrenceGradient(let rule): rule.result == .projected && rule.cell.kind != .gru ? 0 : nil
        // Where windows do not overlap, each is looked through before it is written.
        case .maxPoolGradient(let rule):
            zip(rule.window.motion.strides, rule.window.sizes).allSatisfy { $0 >= $1 } ? 0 : nil
        default: nil
        }
    }
}

/// What every operation answers.
package protocol OperationRule: Hashable, Sendable, Codable {
    /// The word for it in printed graphs; an operation with kinds has a name for each.
    var name: String { get }

    /// Its settings in printed graphs, as in `axes: [0]`; empty without any.
    var settings: String { get }

    /// The type of the result.
    /// - Throws: `ApusError.shape` where the inputs do not fit.
    func resultType(of inputs: [TensorType]) throws -> TensorType

    /// The same operation for a batch of `batchSize` samples.
    func specialized(batchSize: Int) -> Operation

    /// The loss's gradient with respect to each input, built from operations; `nil` where it is zero everywhere.
    func gradients(_ context: GradientContext) -> [Tensor?]

    /// The result in plain loops: what right means for every executor.
    func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar>

    /// Additions, multiplications and function values that one run takes.
    func flopCount(inputs: [TensorType], output: TensorType) -> Int
}

/// What a gradient rule is given.
package struct GradientContext {
    package let inputs: [Tensor]
    package let output: Tensor
    /// The loss's gradient with respect to `output`, of its shape.
    package let upstream: Tensor
    /// Which inputs' gradients are asked for; a rule may leave the others `nil`.
    package let isNeeded: [Bool]

    package init(inputs: [Tensor], output: Tensor, upstream: Tensor, isNeeded: [Bool]) {
        (self.inputs, self.output, self.upstream, self.isNeeded) = (inputs, output, upstream, isNeeded)
    }
}

/// What a run of a graph depends on besides its inputs and variables.
public struct RunContext: Hashable, Sendable {
    /// The key of all random numbers.
    public var seed: UInt64
    /// The number of steps taken before this one.
    public var step: Int

    /// By default the first step with key 0.
    public init(seed: UInt64 = 0, step: Int = 0) {
        self.seed = seed
        self.step = step
    }
}

/// The product of counts from 0 on, at most 2^50: sums of many such numbers do not overflow, whatever a model's sizes.
func flops(_ factors: Int...) -> Int {
    let limit = 1 << 50
    return factors.reduce(1) { product, factor in
        let (value, overflow) = product.multipliedReportingOverflow(by: factor)
        return overflow || value > limit ? limit : value
    }
}

extension OperationRule {
    package var settings: String { "" }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { 0 }

    /// A shape error of this operation.
    package func mismatch(expected: String, received: String, cure: String) -> ApusError {
        .shape(ShapeProblem(operation: name, expected: expected, received: received, cure: cure))
    }

    package func requireFloat(_ inputs: [TensorType]) throws {
        for input in inputs where input.elementType != .float32 {
            throw mismatch(
                expected: "float32 elements", received: "\(input)", cure: "convert the input with cast(to: .float32)")
        }
    }
}

extension Operation: CustomStringConvertible {
    package var description: String {
        let rule = rule
        return rule.settings.isEmpty ? rule.name : "\(rule.name)(\(rule.settings))"
    }
}
