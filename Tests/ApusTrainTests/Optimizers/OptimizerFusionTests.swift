import ApusCore
import ApusGraph
import ApusNN
import ApusPlan
import ApusTrain
import Testing

/// Plans know the formulas of Adam and of Nesterov's momentum as they are written here: a change that loses the pattern
/// would only be seen in the time that a step takes.
@Suite struct OptimizerFusionTests {
    /// The kernels of a training step of a dense layer with `units` x `units` weights.
    private func kernels(_ optimizer: any Optimizer, units: Int) throws -> [String] {
        let x = Tensor.input([units], name: "x"), target = Tensor.input([units], name: "target")
        let model = try Model(inputs: [x], outputs: [Dense(units, name: "dense")(x)])
        let loss = try Loss.meanSquaredError(targets: target, predictions: model.outputs[0])
        let updates = try optimizer.updates(minimizing: loss, over: model.parameters)
        let trace = try Trace(
            inputs: [x, target], outputs: [loss], updates: updates, mode: .training, batchSize: 8)
        return Plan(trace.graph, guardedOutput: 0).steps.map(\.kernel.description)
    }

    struct Row: Sendable {
        var optimizer: any Optimizer
        var kernel: String
    }

    static let rows = [
        Row(optimizer: Adam(), kernel: "matMul(left transposed)+adam"),
        Row(
            optimizer: Adam(learningRate: .exponential(initial: 0.01, factor: 0.9, every: 10)),
            kernel: "matMul(left transposed)+adam"),
        Row(optimizer: Adam(beta1: 0.5, beta2: 0.9, epsilon: 1e-3), kernel: "matMul(left transposed)+adam"),
        Row(optimizer: SGD(momentum: 0.9, nesterov: true), kernel: "matMul(left transposed)+nesterov"),
    ]

    /// 256 x 256 weights are the fewest that count as large.
    @Test(arguments: rows) func largeWeightsTakeTheirGradientsAsTheyCome(_ row: Row) throws {
        let large = try kernels(row.optimizer, units: 256)
        #expect(large.contains(row.kernel) && !large.contains("matMul(left transposed)"))
        let small = try kernels(row.optimizer, units: 255)
        #expect(!small.contains(row.kernel) && small.contains("matMul(left transposed)"))
    }
}
