import ApusCore
import ApusNN

/// Stops the training when a figure has not got better for some epochs.
public final class EarlyStopping: Callback {
    public let patience: Int
    public let baseline: Double?
    public let restoresBestWeights: Bool
    /// The epoch after which the training was stopped; `nil` where it was not.
    public private(set) var stoppedEpoch: Int?
    /// The epoch of the best value so far.
    public private(set) var bestEpoch: Int?

    private var monitor: FigureMonitor
    private var waitedEpochs = 0
    private var bestWeights: [NDArray] = []

    /// - Parameters:
    ///   - monitor: The figure. Default `val_loss`.
    ///   - patience: How many epochs without a better value are borne. Default 0: the first one stops the training.
    ///   - minimumDelta: A value that is better by no more than this does not count as better. Default 0.
    ///   - mode: Which way the figure gets better. Default: as it is known to.
    ///   - restoresBestWeights: Whether the model ends with the weights of the best epoch, whatever ended the training.
    ///     Default `false`.
    ///   - baseline: A value to beat: until then better values do not renew the patience. Default none.
    public init(
        monitor: String = "val_loss", patience: Int = 0, minimumDelta: Double = 0, mode: MonitorMode = .automatic,
        restoresBestWeights: Bool = false, baseline: Double? = nil
    ) {
        self.monitor = FigureMonitor(monitor, mode: mode, minimumDelta: minimumDelta)
        self.patience = patience
        self.restoresBestWeights = restoresBestWeights
        self.baseline = baseline
    }

    /// The best value so far.
    public var bestValue: Double? { monitor.best }

    public func trainingWillStart(_ training: Training) throws {
        (stoppedEpoch, bestEpoch, waitedEpochs, bestWeights) = (nil, nil, 0, [])
        try monitor.start(training, owner: "EarlyStopping")
        try requireSetting("EarlyStopping", "patience", patience, "0 or more") { $0 >= 0 }
    }

    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        waitedEpochs += 1
        if monitor.improves(record) {
            bestEpoch = record.epoch
            if restoresBestWeights { bestWeights = training.model.weights }
            if let value = monitor.best, baseline == nil || monitor.isBetter(value, than: baseline) { waitedEpochs = 0 }
            return .continue
        }
        guard waitedEpochs >= patience, record.epoch > training.epochs.lowerBound + 1 else { return .continue }
        stoppedEpoch = record.epoch
        return .stop
    }

    public var stopReason: String? {
        guard stoppedEpoch != nil, let best = monitor.best, let bestEpoch else { return nil }
        let aim =
            baseline.flatMap { monitor.isBetter(best, than: $0) ? nil : "the baseline \(figureText($0))" }
            ?? "\(figureText(best)) in epoch \(bestEpoch)"
        let epochs = waitedEpochs == 1 ? "1 epoch" : "\(waitedEpochs) epochs"
        return "for \(epochs), \(monitor.figure) has not been better than \(aim)"
    }

    public func trainingDidEnd(_ history: History, _ training: Training) throws { try restore(training.model) }

    public func trainingDidFail(_ error: any Error, _ training: Training) {
        // The error that ended the training is the one to report; the weights are the model's own, so they fit.
        try? restore(training.model)
    }

    public func state(in training: Training) -> CallbackState? {
        var state = CallbackState()
        state[number: "best"] = monitor.best
        state[count: "bestEpoch"] = bestEpoch
        state[count: "stoppedEpoch"] = stoppedEpoch
        state[count: "waitedEpochs"] = waitedEpochs
        state.keep(bestWeights, of: training.model)
        return state
    }

    public func restore(_ state: CallbackState, _ training: Training) throws {
        monitor.best = state[number: "best"]
        (bestEpoch, stoppedEpoch) = (state[count: "bestEpoch"], state[count: "stoppedEpoch"])
        waitedEpochs = state[count: "waitedEpochs"] ?? 0
        bestWeights = try state.weights(of: training.model)
    }

    private func restore(_ model: Model) throws {
        if !bestWeights.isEmpty { try model.setWeights(bestWeights) }
        // Another training with the same callback must not get them.
        bestWeights = []
    }
}

extension Model {
    /// The values of all variables, in order.
    var weights: [NDArray] { variables.map(\.variable.value) }

    /// Gives all variables the values that `weights` gave.
    func setWeights(_ weights: [NDArray]) throws {
        for (entry, value) in zip(variables, weights) { try entry.variable.assign(value) }
    }
}
