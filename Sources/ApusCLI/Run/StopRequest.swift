import Apus

/// Ends the training after a step where a signal asks for it, or where its output can no longer be written.
final class StopRequest: Callback {
    /// The epoch that was begun last.
    private(set) var epoch = 0
    private var outputFailure: OutputFailure?

    /// Writes to the standard output; after a failure, nothing more.
    func write(_ text: String) {
        guard outputFailure == nil else { return }
        do {
            try Console.write(text)
        } catch {
            outputFailure = error as? OutputFailure
        }
    }

    func epochWillStart(_ epoch: Int, _ training: Training) { self.epoch = epoch }

    func stepDidEnd(_ step: StepRecord, _ training: Training) throws { try check() }

    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try check()
        return .continue
    }

    private func check() throws {
        if let signal = Interruption.request { throw SignalReceived(signal: signal) }
        if let outputFailure { throw outputFailure }
    }
}

/// A signal has asked for an end.
struct SignalReceived: Error {
    let signal: Int32
}

/// Saves after epochs, but so seldom that it takes about a hundredth of the time at most: what a power cut or a killed
/// process leaves behind.
final class RegularSaving: Callback {
    private let save: (EpochRecord) throws -> Void
    private let clock = ContinuousClock()
    private var next: ContinuousClock.Instant?

    init(save: @escaping (EpochRecord) throws -> Void) { self.save = save }

    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        let start = clock.now
        // After the last epoch everything is saved anyway.
        guard record.epoch < training.epochs.upperBound, next.map({ start >= $0 }) ?? true else { return .continue }
        try save(record)
        let end = clock.now
        next = end.advanced(by: start.duration(to: end) * 100)
        return .continue
    }
}
