import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusPlan

/// Trains a model: batches, steps, figures, callbacks.
///
///     let trainer = try Trainer(model, loss: .categoricalCrossentropy, metrics: [.accuracy],
///                               optimizer: SGD(learningRate: 0.1), device: .cpu)
///     let history = try trainer.fit(train, batchSize: 128, epochs: 30, validation: test)
///
/// The loss that is minimised is the sum of `loss`, the losses that the model adds and its regularizers' penalties.
/// Losses that are added to the model later count from the next `fit` or `evaluate` on, and so do layers that are
/// frozen or freed (`Model.isTrainable`): what was frozen for a while goes on with the optimizer's state from before.
/// The optimizer's state and the count of steps live as long as the trainer: a second `fit` goes on where the first
/// ended. A trainer belongs to one thread at a time, and so does its model.
public final class Trainer {
    public let model: Model
    public let loss: Loss?
    public let metrics: [Metric]
    public let optimizer: any Optimizer
    public let device: Device
    /// How products are computed.
    public let precision: Precision
    /// The key of all random numbers: dropout and the like, shuffles.
    public let seed: UInt64

    /// The steps taken so far; schedules and random numbers depend on it.
    public package(set) var step = 0
    /// What the last `fit` has come to so far. It is there too where `fit` has thrown.
    public internal(set) var history = History()
    /// How far the last `fit` has come.
    public internal(set) var progress = TrainingProgress()
    /// The optimizer's state.
    package let state: OptimizerState
    /// The `fit` that runs.
    var running: RunningFit?
    /// What a checkpoint says of the last `fit`.
    var settings: [String: String] = [:]

    /// What the training that runs can go back to.
    var safeguard: Safeguard?

    let namedMetrics: [(name: String, metric: Metric)]
    private var functions: [FunctionKey: Function] = [:]

    private struct FunctionKey: Hashable {
        let signature: TrainingGraph.Signature
        let isTraining: Bool
        let addedLossCount: Int
        /// The places of the frozen variables in the model.
        let frozen: [Int]
    }

    /// - Parameters:
    ///   - model: With several outputs, `loss` and `metrics` hold for each, against the target of the same number.
    ///   - loss: `nil` for a model that only adds losses of its own.
    ///   - metrics: Figures to watch. Default none.
    ///   - optimizer: What turns gradients into new weights.
    ///   - device: Where steps run.
    ///   - precision: How products are computed, in training, evaluation and prediction. Default float32.
    ///   - seed: Default 0. The model's first values do not depend on it.
    /// - Throws: `ApusError.setting` for an optimizer's or a metric's setting outside its range, and where there is
    ///   nothing to minimise.
    public init(
        _ model: Model, loss: Loss?, metrics: [Metric] = [], optimizer: any Optimizer, device: Device,
        precision: Precision = .float32, seed: UInt64 = 0
    ) throws {
        self.model = model
        self.loss = loss
        self.metrics = metrics
        self.optimizer = optimizer
        self.device = device
        self.precision = precision
        self.seed = seed
        state = try optimizer.state(for: model.variables)
        for output in model.outputs { for metric in metrics { try metric.check(predictions: output.shape) } }
        namedMetrics = TrainingGraph.names(of: metrics, outputCount: model.outputs.count)
        settings = ownSettings
        if loss == nil {
            _ = try TrainingGraph(
                model, loss: nil, metrics: [], signature: TrainingGraph.Signature(targets: [], hasWeights: false))
        }
    }

    /// The learning rate of the next step.
    public var learningRate: Double { optimizer.learningRate.value(at: step) * learningRateFactor }

    /// What the schedule's rate is multiplied by; 1 until a callback changes it.
    var learningRateFactor: Double { state.learningRateFactor.value.doubles[0] }

    /// Whether steps read targets.
    var usesTargets: Bool { loss != nil || !metrics.isEmpty }

    /// The computation of a training step (losses, sums of metrics, updates) or of an evaluation step for data like
    /// `dataset`.
    package func function(for dataset: Dataset, training: Bool) throws -> Function {
        let signature = TrainingGraph.Signature(
            targets: usesTargets ? dataset.targets.map(\.batchType) : [],
            hasWeights: dataset.sampleWeights != nil)
        let frozen = model.variables.enumerated().filter { $0.element.variable.isFrozen }.map(\.offset)
        let key = FunctionKey(
            signature: signature, isTraining: training, addedLossCount: model.addedLosses.count, frozen: frozen)
        if let function = functions[key] { return function }
        let graph = try TrainingGraph(model, loss: loss, metrics: metrics, signature: signature)
        if training { try checkParameters() }
        let updates = training ? try optimizer.updates(minimizing: graph.loss, state: state) : []
        let function = try Function(
            inputs: graph.inputs, outputs: graph.outputs, updates: updates, mode: training ? .training : .inference,
            seed: seed, device: device, precision: precision, guardedOutput: 0,
            origin: { [model] in model.layerPath(of: $0) },
            variableName: { [unowned self] in path(of: $0) })
        functions[key] = function
        return function
    }

    /// A loss that was added later may bring variables that the optimizer has no state for.
    private func checkParameters() throws {
        let known = Set(state.parameters.map { ObjectIdentifier($0.variable) })
        guard
            let new = model.variables.first(where: {
                $0.variable.isTrainable && !known.contains(ObjectIdentifier($0.variable))
            })
        else { return }
        throw ApusError.setting(
            owner: "Trainer", name: "variable '\(new.path)'", value: "newer than the trainer",
            expected: "in the model when its trainer is made: make the trainer after adding the loss")
    }

    /// The data set as steps read it.
    /// - Throws: `ApusError` where it does not fit the model or the loss.
    func checked(_ dataset: Dataset) throws -> Dataset {
        try model.checkInputs(of: dataset)
        guard usesTargets else { return dataset.withoutTargets() }
        try model.checkTargets(of: dataset, loss: loss)
        return dataset
    }

    func figures(_ runner: BatchRunner) -> Figures {
        var figures = [Figure("loss", runner.lossSum / Double(runner.sampleCount))]
        for (index, entry) in namedMetrics.enumerated() {
            let first = index * Metric.sumCount
            let sums = Array(runner.sums[first..<first + Metric.sumCount])
            figures.append(Figure(entry.name, entry.metric.value(ofSums: sums)))
        }
        return Figures(figures)
    }

    var outputCount: Int { 1 + namedMetrics.count * Metric.sumCount }
}
