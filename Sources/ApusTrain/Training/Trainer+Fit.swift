import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusPlan

extension Trainer {
    /// Trains for some epochs.
    ///
    /// The training figures of an epoch are averages over its batches while the weights change; those of the
    /// validation set are taken in inference mode after the epoch. Every sample is used in every epoch: the last batch
    /// may be smaller.
    ///
    /// - Parameters:
    ///   - dataset: The samples. Its sample weights count in the loss (and in metrics that are `weighted`).
    ///   - batchSize: Samples a step. Default 32.
    ///   - epochs: The number of the last epoch.
    ///   - validation: Held-out samples. Default none.
    ///   - validationSplit: The fraction of the data set, from its end, that is held out in place of `validation`: from
    ///     0 up to, not including, 1. Default 0.
    ///   - shuffles: Whether each epoch visits the samples in an order of its own, a function of (seed, epoch).
    ///     Default `true`.
    ///   - augmentation: Random changes of the training images, a function of (seed, epoch, sample); the validation set
    ///     stays as it is. Default none.
    ///   - callbacks: Called in this order.
    ///   - classWeights: What the samples of a class count in the training's loss; 1 where none is given. Classes are
    ///     those of the model's first output; where that is one number a sample, 0 and 1.
    ///   - initialEpoch: The number of epochs that an earlier training took. Default 0.
    ///   - maxSteps: Where the training ends even inside an epoch. Default none.
    ///   - checkpoint: Where an interrupted `fit` stood, to go on from there; everything else as it was in that call,
    ///     but `epochs` and `maxSteps` may be more. Default none: a training of its own.
    /// - Returns: The records of the epochs of this call, and of those before the checkpoint.
    /// - Throws: `ApusError.shape` and `ApusError.label` before the first step where the data do not fit the model or
    ///   the augmentation, or the checkpoint does not fit the model; `ApusError.setting` for a label that is no whole
    ///   number, for settings outside their range, and for those that differ from the checkpoint's;
    ///   `ApusError.notFinite` where a step makes something else than finite numbers, be it the loss or a weight, with
    ///   all variables as they were before that step; whatever a callback throws. In every case the model keeps its
    ///   weights and `history` what was reached.
    @discardableResult
    public func fit(
        _ dataset: Dataset, batchSize: Int = 32, epochs: Int, validation: Dataset? = nil, validationSplit: Double = 0,
        shuffles: Bool = true, augmentation: [Augmentation] = [], callbacks: [any Callback] = [],
        classWeights: [Int: Float] = [:], initialEpoch: Int = 0, maxSteps: Int? = nil,
        resumingFrom checkpoint: Checkpoint? = nil
    ) throws -> History {
        history = History()
        try checkCounts(epochs: epochs, initialEpoch: initialEpoch, maxSteps: maxSteps)
        var (dataset, validation) = try split(dataset, validation, validationSplit)
        try model.checkClassWeights(classWeights)
        if !classWeights.isEmpty { dataset = try dataset.weighted(byClass: classWeights) }
        dataset = try checked(dataset)

        let loader = try BatchLoader(
            dataset, batchSize: batchSize, order: shuffles ? .shuffled(seed: seed) : .natural,
            augmentation: augmentation, seed: seed, for: device.team)
        let runner = BatchRunner(loader, try function(for: dataset, training: true), outputCount: outputCount)
        let evaluator = try validation.map { try self.evaluator(for: $0, batchSize: batchSize) }
        var settings = ownSettings
        settings["batchSize"] = "\(batchSize)"
        settings["samples"] = "\(dataset.count)"
        settings["validation samples"] = "\(validation?.count ?? 0)"
        settings["shuffles"] = "\(shuffles)"
        settings["augmentation"] = "\(augmentation)"
        settings["metrics"] = namedMetrics.map(\.name).joined(separator: ", ")
        if let checkpoint {
            try check(
                checkpoint, settings: settings, epochs: initialEpoch..<epochs, stepsPerEpoch: loader.batchCount,
                maxSteps: maxSteps)
            try restore(checkpoint)
        } else {
            progress = TrainingProgress()
            (progress.initialEpoch, progress.epoch, progress.initialStep) = (initialEpoch, initialEpoch, step)
        }
        self.settings = settings
        let training = Training(
            model: model, epochs: initialEpoch..<epochs, stepsPerEpoch: loader.batchCount, maxSteps: maxSteps,
            metrics: namedMetrics, hasValidation: validation != nil, factor: state.learningRateFactor,
            optimizerVariables: state.variables, isResumed: checkpoint != nil, history: history,
            stepsDone: step - progress.initialStep, initialSeconds: progress.seconds,
            rate: { [unowned self] in learningRate },
            capture: { [unowned self] in try capture(into: &$0) }, callbacks: callbacks)
        training.progress = progress
        running = RunningFit(runner: runner, callbacks: callbacks, training: training)
        defer { running = nil }
        do {
            for callback in callbacks { try callback.trainingWillStart(training) }
            if let checkpoint { try restore(checkpoint, runner, training, callbacks) }
            running?.isAtRest = true
            safeguard = Safeguard(runner, seed: seed)
            defer { safeguard = nil }
            try run(runner, evaluator, training, callbacks)
            for callback in callbacks { try callback.trainingDidEnd(history, training) }
        } catch {
            if running?.isAtRest == true {
                // What ended the training is the error to report; a callback tells of its own in its own way.
                for callback in callbacks { try? callback.stateDidSettle(.failure, training) }
            }
            for callback in callbacks { callback.trainingDidFail(error, training) }
            throw error
        }
        return history
    }

    /// Brings the epoch's sums and the callbacks to where they were.
    private func restore(
        _ checkpoint: Checkpoint, _ runner: BatchRunner, _ training: Training, _ callbacks: [any Callback]
    ) throws {
        if !progress.epochIsDone {
            for callback in callbacks { try callback.epochWillStart(progress.epoch, training) }
            runner.restore(checkpoint.sums)
        }
        for (name, callback) in running?.namedCallbacks ?? [] {
            if let state = checkpoint.callbacks[name] { try callback.restore(state, training) }
        }
    }

    private func run(
        _ runner: BatchRunner, _ evaluator: BatchRunner?, _ training: Training, _ callbacks: [any Callback]
    ) throws {
        let first = progress.initialStep
        let lastStep = training.maxSteps.map { $0 > .max - first ? .max : first + $0 }
        // A training that stood at its end has nothing left to do.
        if progress.isStopped || training.isResumed && progress.epochIsDone && step == lastStep { return }
        while !progress.epochIsDone || progress.epoch < training.epochs.upperBound {
            if progress.epochIsDone {
                running?.isAtRest = false
                progress.epoch += 1
                for callback in callbacks { try callback.epochWillStart(progress.epoch, training) }
                runner.reset()
                (progress.stepInEpoch, progress.epochIsDone) = (0, false)
                running?.isAtRest = true
            }
            let epoch = progress.epoch
            runner.loader.start(epoch: epoch, at: progress.stepInEpoch)
            while step != lastStep, let batch = runner.loader.next() {
                let loss = try inEpoch(epoch) { try takeStep(runner, batch, epoch: epoch) }
                step += 1
                progress.stepInEpoch += 1
                guard !callbacks.isEmpty else { continue }
                (training.progress, training.stepsDone) = (progress, step - first)
                let record = StepRecord(
                    epoch: epoch, step: step, stepInEpoch: progress.stepInEpoch, loss: loss,
                    meanLoss: runner.lossSum / Double(runner.sampleCount), seconds: training.seconds)
                for callback in callbacks { try callback.stepDidEnd(record, training) }
                try settle(.step, training, callbacks)
            }
            try inEpoch(epoch) { try checkRest() }
            let record = EpochRecord(
                epoch: epoch, stepCount: progress.stepInEpoch, training: figures(runner),
                validation: try evaluator.map { evaluator in
                    try inEpoch(epoch) { try validationFigures(evaluator) }
                },
                learningRate: optimizer.learningRate.value(at: step - 1) * learningRateFactor,
                seconds: training.seconds)
            running?.isAtRest = false
            // Where more steps are asked for later, an epoch that was cut is taken up again: its record is for now.
            let isCut = step == lastStep && progress.stepInEpoch < training.stepsPerEpoch
            history.epochs.append(record)
            for callback in callbacks where try callback.epochDidEnd(record, training) == .stop {
                progress.isStopped = true
                training.stoppingCallback = training.stoppingCallback ?? callback
            }
            progress.epochIsDone = true
            training.progress = progress
            if !isCut { try settle(.epoch, training, callbacks) }
            if progress.isStopped || step == lastStep { return }
        }
    }

    /// One step. Where its loss is not finite, the state is as before; where an earlier step is to blame, the trainer
    /// has gone back to that, and the state is not whole.
    private func takeStep(_ runner: BatchRunner, _ batch: Batch, epoch: Int) throws -> Double {
        let (before, wasAtRest) = (step, running?.isAtRest ?? false)
        running?.isAtRest = false
        do {
            return try safeStep(runner, batch, epoch: epoch)
        } catch let error as ApusError {
            if case .notFinite = error, step == before { running?.isAtRest = wasAtRest }
            throw error
        }
    }

    /// All callbacks have seen a step or an epoch end: the state is whole.
    private func settle(_ point: RestingPoint, _ training: Training, _ callbacks: [any Callback]) throws {
        running?.isAtRest = true
        for callback in callbacks { try callback.stateDidSettle(point, training) }
    }

    /// As `figures(of:)`; a loss that is not finite is reported for the training's step.
    private func validationFigures(_ evaluator: BatchRunner) throws -> Figures {
        do {
            return try figures(of: evaluator)
        } catch ApusError.notFinite(var problem) {
            (problem.quantity, problem.step) = ("validation \(problem.quantity)", step)
            throw ApusError.notFinite(problem)
        }
    }

    /// A step; where it fails, the error says all that can be found out, and the variables are those of before it.
    private func safeStep(_ runner: BatchRunner, _ batch: Batch, epoch: Int) throws -> Double {
        try safeguard?.stepWillStart(batch, trainer: self)
        do {
            let loss = try runner.run(batch, context: RunContext(seed: seed, step: step))
            safeguard?.stepDidEnd(batch, epoch: epoch, loss: loss)
            return loss
        } catch ApusError.notFinite(let problem) {
            throw ApusError.notFinite(try safeguard?.examined(problem, batch, self) ?? problem)
        }
    }

    /// What `body` gives; what is not finite is reported with the epoch.
    private func inEpoch<Result>(_ epoch: Int, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch ApusError.notFinite(var problem) {
            problem.epoch = problem.epoch ?? epoch
            throw ApusError.notFinite(problem)
        }
    }

    private func split(
        _ dataset: Dataset, _ validation: Dataset?, _ fraction: Double
    ) throws -> (training: Dataset, validation: Dataset?) {
        guard fraction != 0 else { return (dataset, validation) }
        guard fraction > 0, fraction < 1, validation == nil else {
            throw ApusError.setting(
                owner: "fit", name: "validationSplit", value: "\(fraction)",
                expected: validation == nil
                    ? "from 0 up to, not including, 1" : "0 where validation data are given")
        }
        let (first, rest) = try dataset.split(fraction: 1 - fraction)
        return (first, rest)
    }

    private func checkCounts(epochs: Int, initialEpoch: Int, maxSteps: Int?) throws {
        guard initialEpoch >= 0 else {
            throw ApusError.setting(
                owner: "fit", name: "initialEpoch", value: "\(initialEpoch)", expected: "0 or more")
        }
        guard epochs > initialEpoch else {
            throw ApusError.setting(
                owner: "fit", name: "epochs", value: "\(epochs)", expected: "above initialEpoch (\(initialEpoch))")
        }
        if let maxSteps, maxSteps < 1 {
            throw ApusError.setting(owner: "fit", name: "maxSteps", value: "\(maxSteps)", expected: "1 or more")
        }
    }
}
