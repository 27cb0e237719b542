import Apus

/// Ends the training after a step where a signal asks for it, or where its output can no longer be written. All other
/// callbacks have seen that step then, so that the training can go on later.
final class StopRequest: Callback {
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

    func stateDidSettle(_ point: RestingPoint, _ training: Training) throws {
        if point == .failure { return }
        if let signal = Interruption.request { throw SignalReceived(signal: signal) }
        if let outputFailure { throw outputFailure }
    }
}
