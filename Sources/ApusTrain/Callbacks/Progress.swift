import ApusCore
import Foundation

/// Shows how the training goes.
///
/// A training that goes on from a checkpoint says so first, and where; one that a callback ends says which, and why.
///
/// A terminal gets a bar with the estimated time, redrawn ten times a second at most and never wider than the window.
/// Everything else, such as a file or a pipe, gets one line an epoch: the pairs are training / validation, `step` is
/// the epoch, and the seconds count from the training's start.
///
///     loss: 0.0541 / 0.0370  accuracy: 0.7663 / 0.8492  step 1  1.00 sec
public final class Progress: Callback {
    /// Whether a bar is drawn.
    public let isTerminal: Bool
    private let write: (String) -> Void
    private let width: () -> Int
    private var lastDrawing = -Double.infinity
    private var stepsDone = 0
    /// Letters of the bar that is shown; 0 without one.
    private var shownCount = 0

    /// Seconds between two drawings of the bar, at least.
    static let interval = 0.1

    /// On the standard output.
    public convenience init() {
        self.init(isTerminal: Terminal.isInteractive, write: Terminal.write)
    }

    /// - Parameters:
    ///   - isTerminal: Whether to draw a bar.
    ///   - width: The window's columns, asked for whenever the bar is drawn. Default: those of the standard output's
    ///     terminal.
    ///   - write: Where the text goes, line ends included.
    public init(
        isTerminal: Bool, width: (() -> Int)? = nil, write: @escaping (String) -> Void
    ) {
        self.isTerminal = isTerminal
        self.width = width ?? { Terminal.width }
        self.write = write
    }

    public func trainingWillStart(_ training: Training) {
        (lastDrawing, stepsDone, shownCount) = (-.infinity, 0, 0)
        if training.isResumed { write(Self.beginning(training) + "\n") }
    }

    private static func place(_ training: Training) -> String {
        "after step \(training.stepsDone.grouped), epoch \(training.progress.epoch)"
    }

    /// Where a training goes on from a checkpoint.
    private static func beginning(_ training: Training) -> String {
        if training.progress.isStopped {
            return "A callback ended the training before, \(place(training)). "
                + "One with checkpoints in another folder begins anew."
        }
        return training.stepsDone < training.stepCount
            ? "Going on \(place(training))."
            : "The training was finished before, \(place(training)); more epochs or steps would take it further."
    }

    public func stepDidEnd(_ step: StepRecord, _ training: Training) {
        stepsDone += 1
        guard isTerminal, step.seconds - lastDrawing >= Self.interval else { return }
        lastDrawing = step.seconds
        let width = width()
        // The last column stays empty: some terminals go to the next line as soon as it is written.
        let text = bar(step, training).text(width: width - 1)
        write(clearing(width) + text)
        shownCount = text.count
    }

    public func epochDidEnd(_ record: EpochRecord, _ training: Training) -> TrainingDecision {
        clearBar()
        write(Self.line(record) + "\n")
        return .continue
    }

    public func trainingDidEnd(_ history: History, _ training: Training) {
        guard let callback = training.stoppingCallback else { return }
        let reason = callback.stopReason.map { ": \($0)" } ?? ""
        write("\(callback.stateName) ended the training \(Self.place(training))\(reason).\n")
    }

    public func trainingDidFail(_ error: any Error, _ training: Training) { clearBar() }

    /// The line of an epoch, without its end.
    public static func line(_ record: EpochRecord) -> String {
        let figures = record.training.entries.map { figure in
            let held = record.validation?[figure.name].map { " / \(figureText($0))" } ?? ""
            return "\(figure.name): \(figureText(figure.value))\(held)"
        }
        return (figures + ["step \(record.epoch)", "\(fixed(record.seconds, digits: 2)) sec"]).joined(separator: "  ")
    }

    private func clearBar() {
        if shownCount > 0 { write(clearing(width())) }
        shownCount = 0
        lastDrawing = -.infinity
    }

    /// What takes the bar away. In a window that was made narrower since, it fills several lines.
    private func clearing(_ width: Int) -> String {
        let above = max(shownCount - 1, 0) / max(width, 1)
        return above == 0 ? "\r\u{1B}[K" : "\r\u{1B}[\(above)A\u{1B}[J"
    }

    private func bar(_ step: StepRecord, _ training: Training) -> ProgressBar {
        ProgressBar(
            epoch: step.epoch, epochCount: training.epochs.upperBound, step: step.stepInEpoch,
            stepCount: training.stepsPerEpoch, loss: step.meanLoss,
            secondsLeft: (step.seconds - training.earlierSeconds) / Double(stepsDone)
                * Double(training.stepCount - training.earlierStepCount - stepsDone))
    }

    /// `42 s`, `3 min 05 s` or `2 h 07 min`.
    package static func duration(_ seconds: Double) -> String {
        // Nobody waits for more than a million hours.
        let total = Int(min(max(seconds.isNaN ? 0 : seconds, 0), 3.6e9).rounded(.up))
        if total < 60 { return "\(total) s" }
        if total < 3600 { return "\(total / 60) min \(String(format: "%02d", total % 60)) s" }
        return "\(total / 3600) h \(String(format: "%02d", total % 3600 / 60)) min"
    }
}
