import ApusCore
import Foundation

/// Writes the loss of every so many steps, with all its digits.
///
///     step 100  loss 1.89860344
public final class StepLosses: Callback {
    public let interval: Int
    private let write: (String) -> Void

    /// - Parameters:
    ///   - interval: Steps from one line to the next, at least 1.
    ///   - write: Where the text goes, line ends included. Default: the standard output.
    public init(every interval: Int, write: ((String) -> Void)? = nil) {
        self.interval = interval
        self.write = write ?? Terminal.write
    }

    public func trainingWillStart(_ training: Training) throws {
        try requireSetting("StepLosses", "every", interval, "1 or more") { $0 >= 1 }
    }

    public func stepDidEnd(_ step: StepRecord, _ training: Training) {
        if step.step % interval == 0 { write("step \(step.step)  loss \(String(format: "%.9g", step.loss))\n") }
    }
}
