import ApusCore
import ApusData
import ApusNN
import ApusPlan

/// A call of `fit` that runs.
struct RunningFit {
    let runner: BatchRunner
    let callbacks: [any Callback]
    let training: Training
    /// Whether the state is that after a whole step which every callback has seen.
    var isAtRest = false

    /// The callbacks by the names of their states; of equal names the second becomes `Name 2`.
    var namedCallbacks: [(name: String, callback: any Callback)] {
        var counts: [String: Int] = [:]
        return callbacks.map { callback in
            let name = callback.stateName
            let number = counts[name, default: 0] + 1
            counts[name] = number
            return (number == 1 ? name : "\(name) \(number)", callback)
        }
    }
}

extension Trainer {
    /// The whole state of the training, now.
    ///
    /// A callback takes it in `stateDidSettle`; it can be taken between two calls of `fit` too.
    /// - Throws: `ApusError.setting` in the middle of a step, and while callbacks are told about one;
    ///   `ApusError.notFinite` where a variable has come to hold something else than finite numbers.
    public func checkpoint() throws -> Checkpoint {
        var checkpoint = Checkpoint()
        try capture(into: &checkpoint)
        return checkpoint
    }

    /// The bytes of the optimizer's state.
    package var optimizerByteCount: Int { state.variables.reduce(0) { $0 + $1.variable.type.byteCount } }

    /// As `checkpoint()`; the memory of the arrays of `checkpoint` is used again.
    func capture(into checkpoint: inout Checkpoint) throws {
        guard running?.isAtRest ?? true else {
            throw ApusError.setting(
                owner: "Trainer", name: "the time of a checkpoint", value: "the middle of a step",
                expected: "'stateDidSettle' of a callback, or a time when nothing is trained")
        }
        try checkRest()
        Checkpoint.copy(model.variables, into: &checkpoint.model)
        Checkpoint.copy(state.variables, into: &checkpoint.optimizer)
        checkpoint.step = step
        checkpoint.progress = progress
        checkpoint.history = history
        checkpoint.settings = settings
        checkpoint.sums = running.map { $0.runner.allSums } ?? [0, 0]
        checkpoint.callbacks = [:]
        guard let running else { return }
        checkpoint.progress.seconds = running.training.seconds
        for (name, callback) in running.namedCallbacks {
            if let state = callback.state(in: running.training) { checkpoint.callbacks[name] = state }
        }
    }

    /// Looks for what is not finite; the trainer has gone back to before it then, and the state is not whole.
    func checkRest() throws {
        do {
            try checkState()
        } catch {
            running?.isAtRest = false
            throw error
        }
    }

    /// Takes over weights, the optimizer's state, the count of steps and the history of a checkpoint.
    ///
    /// To go on with the very training, in the middle of an epoch and with its callbacks, give the checkpoint to `fit`.
    /// - Throws: `ApusError.shape` where model or optimizer are others than those of the checkpoint, `ApusError.setting`
    ///   for another seed, optimizer or precision. Nothing has changed then.
    public func restore(_ checkpoint: Checkpoint) throws {
        try Self.check(ownSettings, of: checkpoint)
        try Checkpoint.check(checkpoint.model, against: model.variables)
        try Checkpoint.check(checkpoint.optimizer, against: state.variables)
        try Checkpoint.assign(checkpoint.model, to: model.variables)
        try Checkpoint.assign(checkpoint.optimizer, to: state.variables)
        step = checkpoint.step
        progress = checkpoint.progress
        history = checkpoint.history
        settings = checkpoint.settings
    }

    /// What of a checkpoint's settings is the trainer's own.
    var ownSettings: [String: String] {
        ["seed": "\(seed)", "optimizer": optimizer.name, "precision": precision.rawValue]
    }

    /// - Throws: `ApusError.setting` for the first that is another than in the checkpoint.
    private static func check(_ settings: [String: String], of checkpoint: Checkpoint) throws {
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            // Checkpoints of earlier versions do not name the precision.
            let saved = checkpoint.settings[name] ?? (name == "precision" ? Precision.float32.rawValue : nil)
            if let saved, saved != value { throw difference(name, value, saved) }
        }
    }

    static func difference(_ name: String, _ value: String, _ saved: String) -> ApusError {
        func words(_ value: String) -> String { value.isEmpty ? "none" : value }
        return .setting(
            owner: "Checkpoint", name: name, value: words(value),
            expected: "\(words(saved)), as it was until the checkpoint")
    }

    /// Finds out whether a `fit` with `settings` can go on from `checkpoint`.
    func check(
        _ checkpoint: Checkpoint, settings: [String: String], epochs: Range<Int>, stepsPerEpoch: Int, maxSteps: Int?
    ) throws {
        try Self.check(settings, of: checkpoint)
        let progress = checkpoint.progress
        guard progress.initialEpoch == epochs.lowerBound else {
            throw Self.difference("initialEpoch", "\(epochs.lowerBound)", "\(progress.initialEpoch)")
        }
        guard epochs.upperBound >= progress.epoch else {
            throw ApusError.setting(
                owner: "fit", name: "epochs", value: "\(epochs.upperBound)",
                expected: "\(progress.epoch) or more, as the checkpoint is of that epoch")
        }
        let taken = checkpoint.step - progress.initialStep
        if let maxSteps, maxSteps < taken {
            throw ApusError.setting(
                owner: "fit", name: "maxSteps", value: "\(maxSteps)",
                expected: "\(taken) or more, as the checkpoint is after that step")
        }
        guard progress.epochIsDone || progress.stepInEpoch <= stepsPerEpoch,
            checkpoint.sums.count == outputCount + 1
                || progress.epochIsDone
        else {
            throw ApusError.setting(
                owner: "Checkpoint", name: "the place in the epoch", value: "\(progress.stepInEpoch)",
                expected: "one of its \(stepsPerEpoch) steps, with the same metrics")
        }
    }
}

extension BatchRunner {
    /// Samples, losses, and the sums of the other outputs.
    var allSums: [Double] { [Double(sampleCount), lossSum] + sums }
}
