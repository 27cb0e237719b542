import ApusCore

/// Lowers the learning rate when a figure has not got better for some epochs.
public final class ReduceOnPlateau: Callback {
    public let factor: Double
    public let patience: Int
    public let cooldown: Int
    public let minimumRate: Double
    /// The epochs after which the rate was lowered.
    public private(set) var reducedEpochs: [Int] = []

    private var monitor: FigureMonitor
    private var waitedEpochs = 0
    private var cooldownLeft = 0

    /// - Parameters:
    ///   - monitor: The figure. Default `val_loss`.
    ///   - factor: What the rate is multiplied by, above 0 and below 1. Default 0.1.
    ///   - patience: How many epochs without a better value it takes. Default 10.
    ///   - minimumDelta: A value that is better by no more than this does not count as better. Default 0.0001.
    ///   - mode: Which way the figure gets better. Default: as it is known to.
    ///   - cooldown: Epochs after a reduction in which none is counted. Default 0.
    ///   - minimumRate: The rate is never lowered below this. Default 0.
    public init(
        monitor: String = "val_loss", factor: Double = 0.1, patience: Int = 10, minimumDelta: Double = 0.0001,
        mode: MonitorMode = .automatic, cooldown: Int = 0, minimumRate: Double = 0
    ) {
        self.monitor = FigureMonitor(monitor, mode: mode, minimumDelta: minimumDelta)
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.minimumRate = minimumRate
    }

    public func trainingWillStart(_ training: Training) throws {
        (reducedEpochs, waitedEpochs, cooldownLeft) = ([], 0, 0)
        let owner = "ReduceOnPlateau"
        try monitor.start(training, owner: owner)
        try requireSetting(owner, "factor", factor, "above 0 and below 1") { $0 > 0 && $0 < 1 }
        try requireSetting(owner, "patience", patience, "0 or more") { $0 >= 0 }
        try requireSetting(owner, "cooldown", cooldown, "0 or more") { $0 >= 0 }
        try requireSetting(owner, "minimumRate", minimumRate, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    }

    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        if cooldownLeft > 0 {
            cooldownLeft -= 1
            waitedEpochs = 0
        }
        if monitor.improves(record) {
            waitedEpochs = 0
        } else if cooldownLeft == 0 {
            waitedEpochs += 1
            if waitedEpochs >= patience { try reduce(record, training) }
        }
        return .continue
    }

    public func state(in training: Training) -> CallbackState? {
        var state = CallbackState()
        state[number: "best"] = monitor.best
        state[count: "waitedEpochs"] = waitedEpochs
        state[count: "cooldownLeft"] = cooldownLeft
        state[counts: "reducedEpochs"] = reducedEpochs
        return state
    }

    public func restore(_ state: CallbackState, _ training: Training) {
        monitor.best = state[number: "best"]
        waitedEpochs = state[count: "waitedEpochs"] ?? 0
        cooldownLeft = state[count: "cooldownLeft"] ?? 0
        reducedEpochs = state[counts: "reducedEpochs"]
    }

    private func reduce(_ record: EpochRecord, _ training: Training) throws {
        let rate = training.learningRate
        // The factor is a Float: a rate that has been lowered to the floor may lie a rounding above it.
        guard rate > minimumRate * (1 + 1e-6) else { return }
        try training.setLearningRateFactor(training.learningRateFactor * max(rate * factor, minimumRate) / rate)
        reducedEpochs.append(record.epoch)
        (cooldownLeft, waitedEpochs) = (cooldown, 0)
    }
}
