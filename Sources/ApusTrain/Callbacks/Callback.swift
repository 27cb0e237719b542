import ApusCore
import ApusGraph
import ApusNN

/// What a callback says after an epoch.
public enum TrainingDecision: Hashable, Sendable {
    case `continue`, stop
}

/// Something that takes part in a training: it watches, writes, or stops it.
///
/// The hooks are called on the training's thread, for one callback after the other in their order. State starts afresh
/// in `trainingWillStart`, so that a callback can serve one training after another. An error that a hook throws ends
/// the training; weights and history stay with the trainer.
public protocol Callback: AnyObject {
    /// Before the first step; the place to check settings and open files.
    func trainingWillStart(_ training: Training) throws
    /// Before an epoch's first step. Epochs count from 1.
    func epochWillStart(_ epoch: Int, _ training: Training) throws
    /// After each step. It should take no time worth mentioning.
    func stepDidEnd(_ step: StepRecord, _ training: Training) throws
    /// After each epoch and its validation.
    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision
    /// After the last epoch, also where a callback has stopped the training.
    func trainingDidEnd(_ history: History, _ training: Training) throws
    /// Where the training has ended with an error, in place of `trainingDidEnd`.
    func trainingDidFail(_ error: any Error, _ training: Training)

    /// When all callbacks have seen the end of a step or of an epoch, so that the whole state is at rest: the place for
    /// `training.checkpoint()`, and for an error that stops the training so that it can go on later. It comes with
    /// `.failure` before `trainingDidFail` where the error left the state whole; errors that it throws then are dropped.
    func stateDidSettle(_ point: RestingPoint, _ training: Training) throws
    /// The name of its state in checkpoints, without a slash; by default that of its type.
    var stateName: String { get }
    /// Why it has stopped the training, as what follows a colon; `nil`, the default, to say no more than that it has.
    var stopReason: String? { get }
    /// What it must remember for a training to go on from a checkpoint; `nil`, the default, for nothing.
    func state(in training: Training) -> CallbackState?
    /// Takes over the state that `state(in:)` gave, after `trainingWillStart` and, inside an epoch, `epochWillStart`.
    func restore(_ state: CallbackState, _ training: Training) throws
}

extension Callback {
    public func trainingWillStart(_ training: Training) throws {}
    public func epochWillStart(_ epoch: Int, _ training: Training) throws {}
    public func stepDidEnd(_ step: StepRecord, _ training: Training) throws {}
    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision { .continue }
    public func trainingDidEnd(_ history: History, _ training: Training) throws {}
    public func trainingDidFail(_ error: any Error, _ training: Training) {}
    public func stateDidSettle(_ point: RestingPoint, _ training: Training) throws {}
    public var stateName: String { "\(type(of: self))" }
    public var stopReason: String? { nil }
    public func state(in training: Training) -> CallbackState? { nil }
    public func restore(_ state: CallbackState, _ training: Training) throws {}
}

/// What is known after a step.
public struct StepRecord: Hashable, Sendable {
    /// Counted from 1.
    public let epoch: Int
    /// The steps of all trainings of the trainer, this one included.
    public let step: Int
    /// Counted from 1 in the epoch.
    public let stepInEpoch: Int
    /// The loss of the step's batch, before the weights changed.
    public let loss: Double
    /// The mean of the epoch's losses so far.
    public let meanLoss: Double
    /// Seconds since the training started.
    public let seconds: Double

    package init(epoch: Int, step: Int, stepInEpoch: Int, loss: Double, meanLoss: Double, seconds: Double) {
        self.epoch = epoch
        self.step = step
        self.stepInEpoch = stepInEpoch
        self.loss = loss
        self.meanLoss = meanLoss
        self.seconds = seconds
    }
}

/// The training that a callback takes part in.
public final class Training {
    public let model: Model
    /// The epochs to take, less 1: `0..<30` for the epochs 1 to 30.
    public let epochs: Range<Int>
    public let stepsPerEpoch: Int
    /// Where the training ends even inside an epoch.
    public let maxSteps: Int?
    /// The figures of an epoch's record, as `loss` and `val_loss`.
    public let figureNames: [String]
    /// Whether it goes on from a checkpoint.
    public let isResumed: Bool
    /// The records of the epochs before the checkpoint that the training goes on from; empty where there is none.
    public let earlierHistory: History
    /// The steps before that checkpoint; 0 where there is none.
    public let earlierStepCount: Int
    /// How far the training has come.
    public internal(set) var progress = TrainingProgress()
    /// The callback that has stopped it, the first where there are several.
    public internal(set) var stoppingCallback: (any Callback)?
    /// The steps of this training so far, those before the checkpoint included.
    public internal(set) var stepsDone: Int
    /// The optimizer's state by path.
    package let optimizerVariables: [NamedVariable]

    private let higherIsBetter: Set<String>
    private let factor: Variable
    private let rate: () -> Double
    private let capture: (inout Checkpoint) throws -> Void
    private let files: () -> [OpenFile]
    let earlierSeconds: Double
    private let start = ContinuousClock.now

    package init(
        model: Model, epochs: Range<Int>, stepsPerEpoch: Int, maxSteps: Int?,
        metrics: [(name: String, metric: Metric)], hasValidation: Bool, factor: Variable,
        optimizerVariables: [NamedVariable] = [], isResumed: Bool = false,
        history: History = History(), stepsDone: Int = 0, initialSeconds: Double = 0, rate: @escaping () -> Double,
        capture: @escaping (inout Checkpoint) throws -> Void = { _ in }, callbacks: [any Callback] = []
    ) {
        self.model = model
        self.optimizerVariables = optimizerVariables
        self.isResumed = isResumed
        earlierHistory = history
        earlierStepCount = stepsDone
        self.stepsDone = stepsDone
        earlierSeconds = initialSeconds
        self.capture = capture
        let keepers = callbacks.compactMap { $0 as? any RecordKeeping }
        files = { keepers.compactMap(\.openFile) }
        self.epochs = epochs
        self.stepsPerEpoch = stepsPerEpoch
        self.maxSteps = maxSteps
        let names = ["loss"] + metrics.map(\.name)
        figureNames = names + (hasValidation ? names.map { "val_\($0)" } : [])
        higherIsBetter = Set(metrics.filter(\.metric.isBetterWhenHigher).flatMap { [$0.name, "val_\($0.name)"] })
        self.factor = factor
        self.rate = rate
    }

    /// All steps of the training.
    public var stepCount: Int {
        let (count, overflow) = epochs.count.multipliedReportingOverflow(by: stepsPerEpoch)
        return min(overflow ? .max : count, maxSteps ?? .max)
    }

    /// Seconds since the training started; those before a checkpoint that it goes on from count too.
    public var seconds: Double {
        let parts = (ContinuousClock.now - start).components
        return earlierSeconds + Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
    }

    /// The whole state of the training, in `stateDidSettle`.
    /// - Throws: `ApusError.setting` where other hooks ask for it.
    public func checkpoint() throws -> Checkpoint {
        var checkpoint = Checkpoint()
        try capture(&checkpoint)
        return checkpoint
    }

    /// As `checkpoint()`; the memory of the arrays of `checkpoint` is used again.
    func checkpoint(into checkpoint: inout Checkpoint) throws { try capture(&checkpoint) }

    /// The files whose contents a checkpoint counts on.
    var openFiles: [OpenFile] { files() }

    /// The learning rate of the next step.
    public var learningRate: Double { rate() }

    /// What the schedule's learning rate is multiplied by; 1 at first.
    public var learningRateFactor: Double { factor.value.doubles[0] }

    /// Sets what the schedule's learning rate is multiplied by.
    /// - Throws: `ApusError.setting` for a factor that is negative or not finite.
    public func setLearningRateFactor(_ value: Double) throws {
        guard value >= 0, value.isFinite else {
            throw ApusError.setting(
                owner: "Training", name: "learningRateFactor", value: "\(value)", expected: "a finite number, 0 or more"
            )
        }
        try factor.assign(NDArray(scalar: Float(value)))
    }

    /// Whether a higher value of the figure is a better one.
    /// - Throws: `ApusError.unknownName` where no record has such a figure.
    public func isBetterWhenHigher(_ figure: String) throws -> Bool {
        guard figureNames.contains(figure) else {
            throw ApusError.unknownName(kind: "figure", name: figure, known: figureNames)
        }
        return higherIsBetter.contains(figure)
    }
}
