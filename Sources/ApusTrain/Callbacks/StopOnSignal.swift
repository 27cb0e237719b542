import Foundation

/// Ends the training after a step when SIGINT (Ctrl-C), SIGTERM or SIGHUP has come; a second one ends the program at once.
///
///     do {
///         try trainer.fit(data, epochs: 30, callbacks: [checkpoints, StopOnSignal()],
///                         resumingFrom: checkpoints.folder.newest())
///     } catch let stop as SignalReceived {
///         exit(stop.exitCode)
///     }
///
/// Give it as the last one: all others have seen that step then, and `Checkpoints` writes it. Signals are a process'
/// own, so use it in one training at a time. A signal that was ignored when the training began, as by `nohup`, stays so;
/// when it has ended, signals end the program again.
public final class StopOnSignal: Callback {
    public init() {}

    public func trainingWillStart(_ training: Training) { Interruption.begin() }

    /// - Throws: `SignalReceived`.
    public func stateDidSettle(_ point: RestingPoint, _ training: Training) throws {
        if point != .failure, let signal = Interruption.request { throw SignalReceived(signal: signal) }
    }

    public func trainingDidEnd(_ history: History, _ training: Training) { Interruption.end() }
    public func trainingDidFail(_ error: any Error, _ training: Training) { Interruption.end() }
}

/// A signal has asked for an end.
public struct SignalReceived: LocalizedError, CustomStringConvertible {
    /// Its number, such as `SIGINT`.
    public let signal: Int32
    /// What a program exits with that the signal has ended, as shells know it: 128 and its number.
    public var exitCode: Int32 { Interruption.exitCode(of: signal) }
    public var errorDescription: String? { description }
    public var description: String { "Stopped by \(Interruption.name(of: signal))." }

    package init(signal: Int32) { self.signal = signal }
}
