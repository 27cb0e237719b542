import ApusCore
import Foundation

/// Writes checkpoints while the training goes on.
///
///     let checkpoints = Checkpoints(in: folder, everyEpochs: 1, keep: 3)
///     try trainer.fit(data, epochs: 30, validation: held, callbacks: [checkpoints],
///                     resumingFrom: checkpoints.folder.newest())
///
/// This program, started again after whatever has ended it, goes on where it was; where nothing was, it begins.
///
/// The state is copied when a step or an epoch has ended, and a thread of its own writes the copy: into a file beside,
/// which is brought to the disk and renamed. One file is written at a time; where the next is due meanwhile, it comes
/// after that. A file that cannot be written ends the training, which can go on from the one before.
///
/// A training that ends, for whatever reason, leaves a checkpoint of its last whole step. One training at a time writes
/// into a folder. Checkpoints none of which is whole are moved to a folder beside (`.damaged-1`) when another begins.
public final class Checkpoints: Callback {
    public let folder: CheckpointFolder
    public let everySteps: Int?
    public let everyMinutes: Double?
    public let everyEpochs: Int?
    public let keep: Int
    public let keepsBest: Bool
    public let costLimit: Double?
    /// The epoch of the best value so far; `nil` where none is kept.
    public private(set) var bestEpoch: Int?
    /// Why the checkpoint at a training's failure could not be written, if there was such a reason.
    public private(set) var failure: (any Error)?

    private let givenMonitor: String?
    private let mode: MonitorMode
    private var monitor: FigureMonitor?
    private let writer: CheckpointWriter
    /// Held while something is trained.
    private var lock: CheckpointFolderLock?
    private let clock = ContinuousClock()
    /// When the last one was taken, and how many steps and epochs had passed.
    private var last = (seconds: 0.0, step: 0, epoch: 0)
    /// Not before this, so that the limit of the cost is kept.
    private var earliest = 0.0
    /// A best state that is yet to be written.
    private var waitingBest: Checkpoint?
    private var isBest = false
    /// The step and the point of the last one, which need not be written twice.
    private var written: (step: Int, epochIsDone: Bool)?
    private var costIsKnown = true
    private var copySeconds = 0.0

    /// - Parameters:
    ///   - url: The folder, which is made where it is missing.
    ///   - everySteps: Write after so many steps, at least 1. Default: never for this reason.
    ///   - everyMinutes: Write after so many minutes, above 0. Default: never for this reason.
    ///   - everyEpochs: Write after so many epochs, at least 1. Default: each, where nothing else is given.
    ///   - keep: How many of the newest are kept, at least 1. Default 3.
    ///   - keepsBest: Whether that of the best epoch is kept besides, as `best.safetensors`. Default `true`.
    ///   - monitor: The figure that tells the best epoch. Default: `val_loss`, without validation data `loss`.
    ///   - mode: Which way the figure gets better. Default: as it is known to.
    ///   - costLimit: The part of the time that writing may take, above 0 and at most 1, such as 0.01; where it is
    ///     reached, the next one comes later. Default: no limit.
    public init(
        in url: URL, everySteps: Int? = nil, everyMinutes: Double? = nil, everyEpochs: Int? = nil, keep: Int = 3,
        keepsBest: Bool = true, monitor: String? = nil, mode: MonitorMode = .automatic, costLimit: Double? = nil
    ) {
        folder = CheckpointFolder(url)
        self.everySteps = everySteps
        self.everyMinutes = everyMinutes
        self.everyEpochs = everyEpochs ?? (everySteps == nil && everyMinutes == nil ? 1 : nil)
        self.keep = keep
        self.keepsBest = keepsBest
        self.costLimit = costLimit
        givenMonitor = monitor
        self.mode = mode
        writer = CheckpointWriter(folder, keep: max(keep, 1))
    }

    /// The best value so far; `nil` where none is kept.
    public var bestValue: Double? { monitor?.best }

    /// - Throws: `ApusError.setting` for a setting outside its range, and where the folder holds whole checkpoints of
    ///   another training; `ApusError.file` where there can be no folder, where another training writes there, or where it
    ///   holds later checkpoints that can merely not be read.
    public func trainingWillStart(_ training: Training) throws {
        let owner = "Checkpoints"
        try requireSetting(owner, "everySteps", everySteps ?? 1, "1 or more") { $0 >= 1 }
        try requireSetting(owner, "everyMinutes", everyMinutes ?? 1, "a finite number above 0") {
            $0 > 0 && $0.isFinite
        }
        try requireSetting(owner, "everyEpochs", everyEpochs ?? 1, "1 or more") { $0 >= 1 }
        try requireSetting(owner, "keep", keep, "1 or more") { $0 >= 1 }
        try requireSetting(owner, "costLimit", costLimit ?? 1, "above 0 and at most 1") { $0 > 0 && $0 <= 1 }
        monitor = nil
        if keepsBest {
            let figure = givenMonitor ?? (training.figureNames.contains("val_loss") ? "val_loss" : "loss")
            var monitor = FigureMonitor(figure, mode: mode)
            try monitor.start(training, owner: owner)
            self.monitor = monitor
        }
        (bestEpoch, waitingBest, isBest, failure, written) = (nil, nil, false, nil, nil)
        _ = writer.takeUnwrittenBest()
        writer.forgetRecords()
        last = (training.seconds, training.earlierStepCount, training.progress.epoch)
        (earliest, costIsKnown) = (0, true)
        try makeFolder(at: folder.url)
        lock = nil
        lock = try CheckpointFolderLock(folder)
        folder.removeUnfinished()
        var later = try folder.files(after: training.progress.initialStep + training.stepsDone)
        if !training.isResumed, !later.isEmpty {
            guard try folder.newest(reportingTo: { _ in }) == nil else {
                throw ApusError.setting(
                    owner: owner, name: "the folder \(folder.url.path)",
                    value: "one with checkpoints of another training",
                    expected: "new or empty; or give 'fit' the checkpoint to go on from, as "
                        + "'resumingFrom: checkpoints.folder.newest()' does")
            }
            _ = try folder.setAsideDamaged()
            try makeFolder(at: folder.url)
            lock = try CheckpointFolderLock(folder)
            later = []
        }
        // This training will come to those steps again.
        try folder.remove(later)
    }

    public func epochDidEnd(_ record: EpochRecord, _ training: Training) -> TrainingDecision {
        // An epoch that `maxSteps` cuts is taken up again where more steps are asked for.
        guard !isLastStep(training) else { return .continue }
        isBest = monitor?.improves(record) ?? false
        if isBest { bestEpoch = record.epoch }
        return .continue
    }

    /// - Throws: `ApusError.file` where the last file could not be written.
    public func stateDidSettle(_ point: RestingPoint, _ training: Training) throws {
        switch point {
        case .failure:
            do { try finish(training) } catch { failure = error }
        case .step, .epoch:
            if let problem = writer.takeFailure() { throw problem }
            let isEnd = point == .epoch ? isLastEpoch(training) : isLastStep(training)
            if isEnd { return try finish(training) }
            guard isDue(point, training) else {
                if point == .epoch, isBest { try keepBest(training) }
                return
            }
            try write(training)
        }
    }

    public func trainingDidEnd(_ history: History, _ training: Training) throws {
        defer { lock = nil }
        writer.wait()
        if let problem = writer.takeFailure() { throw problem }
    }

    public func trainingDidFail(_ error: any Error, _ training: Training) {
        defer { lock = nil }
        writer.wait()
        failure = failure ?? writer.takeFailure()
    }

    public func state(in training: Training) -> CallbackState? {
        var state = CallbackState()
        state[number: "best"] = monitor?.best
        state[count: "bestEpoch"] = bestEpoch
        return state
    }

    public func restore(_ state: CallbackState, _ training: Training) {
        monitor?.best = state[number: "best"]
        bestEpoch = state[count: "bestEpoch"]
    }

    // MARK: When

    private func isDue(_ point: RestingPoint, _ training: Training) -> Bool {
        guard !writer.isBusy else { return false }
        settleCost(training)
        guard training.seconds >= earliest else { return false }
        if let everySteps, training.stepsDone - last.step >= everySteps { return true }
        if let everyMinutes, training.seconds - last.seconds >= 60 * everyMinutes { return true }
        guard point == .epoch, let everyEpochs else { return false }
        return training.progress.epoch - last.epoch >= everyEpochs
    }

    private func isLastStep(_ training: Training) -> Bool {
        training.maxSteps == training.stepsDone && training.progress.stepInEpoch < training.stepsPerEpoch
    }

    private func isLastEpoch(_ training: Training) -> Bool {
        let progress = training.progress
        return progress.isStopped || progress.epoch == training.epochs.upperBound
            || training.maxSteps == training.stepsDone
    }

    /// With a limit of the cost, the times between two writings are at least so many times as long as a writing.
    private static let diskShare = 10.0

    /// What the last one has cost decides when the next may come.
    private func settleCost(_ training: Training) {
        guard !costIsKnown else { return }
        costIsKnown = true
        // While a processor writes, the threads of a step wait for each other: it counts twice.
        let (processor, wall) = writer.seconds
        guard let costLimit else { return }
        // Nor is the disk to be kept busy.
        earliest = last.seconds + max((copySeconds + 2 * processor) / costLimit, Self.diskShare * wall)
    }

    // MARK: What

    private func write(_ training: Training) throws {
        let start = clock.now
        var jobs: [CheckpointWriter.Job] = []
        let unwrittenBest = writer.takeUnwrittenBest()
        if !isBest, let best = waitingBest ?? unwrittenBest {
            jobs.append(CheckpointWriter.Job(checkpoint: best, file: folder.best))
        }
        waitingBest = nil
        var checkpoint = writer.takeSpare()
        try training.checkpoint(into: &checkpoint)
        let (step, epochIsDone) = (checkpoint.step, checkpoint.progress.epochIsDone)
        jobs.append(CheckpointWriter.Job(checkpoint: checkpoint, file: folder.file(step: step), isBest: isBest))
        checkpoint = Checkpoint()
        isBest = false
        copySeconds = (clock.now - start) / .seconds(1)
        last = (training.seconds, training.stepsDone, training.progress.epoch)
        costIsKnown = false
        written = (step, epochIsDone)
        writer.start(jobs, after: training.openFiles)
    }

    /// Copies the best state, to be written with the next checkpoint.
    private func keepBest(_ training: Training) throws {
        var checkpoint = waitingBest ?? writer.takeSpare()
        waitingBest = nil
        try training.checkpoint(into: &checkpoint)
        waitingBest = checkpoint
        isBest = false
    }

    /// Writes the last one, and waits for it.
    private func finish(_ training: Training) throws {
        writer.wait()
        if let problem = writer.takeFailure() { throw problem }
        let step = training.progress.initialStep + training.stepsDone
        let isWritten = written.map { $0 == (step, training.progress.epochIsDone) } ?? false
        if !isWritten || waitingBest != nil || isBest || writer.hasUnwrittenBest { try write(training) }
        writer.wait()
        if let problem = writer.takeFailure() { throw problem }
    }
}
