import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// Softmax, its logarithm, or its cross-entropy, along the last axis.
final class SoftmaxKernel: CPUKernel {
    enum Kind { case softmax, logSoftmax, crossEntropy }

    private let kind: Kind
    private let rows: Int64
    private let columns: Int64
    private let inputs: [Int]
    private let output: Int

    init(_ kind: Kind, _ shape: Shape, _ step: Plan.Step) {
        self.kind = kind
        rows = Int64(shape.sizes.dropLast().reduce(1, *))
        columns = Int64(shape[-1])
        (inputs, output) = (step.inputs, step.outputs[0])
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let (source, target) = (memory.floats(inputs[0]), memory.floats(output))
        switch kind {
        case .softmax: apus_softmax(source, target, rows, columns)
        case .logSoftmax: apus_log_softmax(source, target, rows, columns)
        case .crossEntropy: apus_softmax_cross_entropy(source, memory.floats(inputs[1]), target, rows, columns)
        }
    }
}
