import Foundation

/// Shows how the training goes.
///
/// A terminal gets a bar with the estimated time, redrawn ten times a second at most. Everything else, such as a file
/// or a pipe, gets one line an epoch: the pairs are training / validation, `step` is the epoch, and the seconds count
/// from the training's start.
///
///     loss: 0.0541 / 0.0370  accuracy: 0.7663 / 0.8492  step 1  1.00 sec
public final class Progress: Callback {
    /// Whether a bar is drawn.
    public let isTerminal: Bool
    private let write: (String) -> Void
    private var lastDrawing = -Double.infinity
    private var stepsDone = 0
    private var isBarShown = false

    /// Seconds between two drawings of the bar, at least.
    static let interval = 0.1
    static let barWidth = 30

    /// On the standard output.
    public convenience init() {
        self.init(isTerminal: isatty(STDOUT_FILENO) != 0) { text in
            print(text, terminator: "")
            fflush(nil)
        }
    }

    /// - Parameters:
    ///   - isTerminal: Whether to draw a bar.
    ///   - write: Where the text goes, line ends included.
    public init(isTerminal: Bool, write: @escaping (String) -> Void) {
        self.isTerminal = isTerminal
        self.write = write
    }

    public func trainingWillStart(_ training: Training) {
        (lastDrawing, stepsDone, isBarShown) = (-.infinity, 0, false)
    }

    public func stepDidEnd(_ step: StepRecord, _ training: Training) {
        stepsDone += 1
        guard isTerminal, step.seconds - lastDrawing >= Self.interval else { return }
        lastDrawing = step.seconds
        isBarShown = true
        write("\r\u{1B}[K" + bar(step, training))
    }

    public func epochDidEnd(_ record: EpochRecord, _ training: Training) -> TrainingDecision {
        clearBar()
        write(Self.line(record) + "\n")
        return .continue
    }

    public func trainingDidFail(_ error: any Error, _ training: Training) { clearBar() }

    /// The line of an epoch, without its end.
    public static func line(_ record: EpochRecord) -> String {
        let figures = record.training.entries.map { figure in
            let held = record.validation?[figure.name].map { " / \(fixed($0, digits: 4))" } ?? ""
            return "\(figure.name): \(fixed(figure.value, digits: 4))\(held)"
        }
        return (figures + ["step \(record.epoch)", "\(fixed(record.seconds, digits: 2)) sec"]).joined(separator: "  ")
    }

    private func clearBar() {
        if isBarShown { write("\r\u{1B}[K") }
        isBarShown = false
        lastDrawing = -.infinity
    }

    /// `epoch 3/30 [=====>    ] 234/469  loss: 0.1234  42 s left`.
    private func bar(_ step: StepRecord, _ training: Training) -> String {
        let filled = Self.barWidth * step.stepInEpoch / max(training.stepsPerEpoch, 1)
        let tip = filled < Self.barWidth ? ">" : ""
        let rest = String(repeating: " ", count: Self.barWidth - filled - tip.count)
        let left = step.seconds / Double(stepsDone) * Double(training.stepCount - stepsDone)
        return
            "epoch \(step.epoch)/\(training.epochs.upperBound) [\(String(repeating: "=", count: filled))\(tip)\(rest)] "
            + "\(step.stepInEpoch)/\(training.stepsPerEpoch)  loss: \(fixed(step.meanLoss, digits: 4))  "
            + "\(Self.duration(left)) left"
    }

    /// `42 s`, `3 min 05 s` or `2 h 07 min`.
    package static func duration(_ seconds: Double) -> String {
        let total = Int(max(seconds, 0).rounded(.up))
        if total < 60 { return "\(total) s" }
        if total < 3600 { return "\(total / 60) min \(String(format: "%02d", total % 60)) s" }
        return "\(total / 3600) h \(String(format: "%02d", total % 3600 / 60)) min"
    }
}
