import ApusCore
import ApusNN
import Foundation

/// Keeps the weights of the epoch at which a figure was best, in memory or in a file.
public final class BestWeights: Callback {
    /// Where the best weights are written as safetensors; `nil` keeps them in memory only.
    public let url: URL?
    /// The epoch of the best value so far.
    public private(set) var bestEpoch: Int?
    /// The weights at that epoch by path, in the model's order; empty where none was good.
    public private(set) var weights: [(path: String, value: NDArray)] = []

    private var monitor: FigureMonitor

    /// - Parameters:
    ///   - url: A file that is replaced whenever an epoch is the best so far. Default none.
    ///   - monitor: The figure. Default `val_loss`.
    ///   - mode: Which way the figure gets better. Default: as it is known to.
    public init(to url: URL? = nil, monitor: String = "val_loss", mode: MonitorMode = .automatic) {
        self.url = url
        self.monitor = FigureMonitor(monitor, mode: mode)
    }

    /// The best value so far.
    public var bestValue: Double? { monitor.best }

    public func trainingWillStart(_ training: Training) throws {
        (bestEpoch, weights) = (nil, [])
        try monitor.start(training, owner: "BestWeights")
    }

    /// - Throws: `ApusError.file` where the file cannot be written; the weights before are still there then.
    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        guard monitor.improves(record) else { return .continue }
        bestEpoch = record.epoch
        weights = training.model.variables.map { (path: $0.path, value: $0.variable.value) }
        if let url { try training.model.saveWeights(to: url) }
        return .continue
    }

    public func state(in training: Training) -> CallbackState? {
        var state = CallbackState()
        state[number: "best"] = monitor.best
        state[count: "bestEpoch"] = bestEpoch
        state.keep(weights.map(\.value), of: training.model)
        return state
    }

    public func restore(_ state: CallbackState, _ training: Training) throws {
        monitor.best = state[number: "best"]
        bestEpoch = state[count: "bestEpoch"]
        weights = Array(zip(training.model.variables.map(\.path), try state.weights(of: training.model)))
    }

    /// Gives the model the best weights; does nothing where there are none.
    /// - Throws: `ApusError.shape` where the model is not the one that was trained.
    public func restore(to model: Model) throws {
        guard !weights.isEmpty else { return }
        guard model.variables.map(\.path) == weights.map(\.path) else {
            throw ApusError.shape(
                ShapeProblem(
                    layer: model.name, operation: "BestWeights",
                    expected: "the variables of the model that was trained",
                    received: model.variables.map(\.path).joined(separator: ", "),
                    cure: "give the model that was trained, or one with the same layers"))
        }
        try model.setWeights(weights.map(\.value))
    }
}
