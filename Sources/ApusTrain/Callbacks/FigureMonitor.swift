import ApusCore

/// Which way a figure gets better.
public enum MonitorMode: Hashable, Sendable {
    /// As the figure is known to: accuracies and the like up, losses and errors down.
    case automatic
    case minimum, maximum
}

/// Watches a figure for improvement.
struct FigureMonitor {
    let figure: String
    let mode: MonitorMode
    let minimumDelta: Double
    private var isHigherBetter = false
    /// The best value so far.
    var best: Double?

    init(_ figure: String, mode: MonitorMode, minimumDelta: Double = 0) {
        self.figure = figure
        self.mode = mode
        self.minimumDelta = minimumDelta
    }

    /// Forgets what was seen.
    /// - Throws: `ApusError.unknownName` where no record has such a figure, `ApusError.setting` for a figure of
    ///   validation data that there are none of, and for a negative delta.
    mutating func start(_ training: Training, owner: String) throws {
        let known = training.figureNames
        if figure.hasPrefix("val_"), known.contains(String(figure.dropFirst(4))), !known.contains(figure) {
            throw ApusError.setting(
                owner: owner, name: "monitor", value: figure,
                expected:
                    "one of \(known.joined(separator: ", ")), as there are no validation data: pass validation: to "
                    + "fit, or monitor \(figure.dropFirst(4))")
        }
        let isUp = try training.isBetterWhenHigher(figure)
        isHigherBetter = mode == .automatic ? isUp : mode == .maximum
        best = nil
        try requireSetting(owner, "minimumDelta", minimumDelta, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    }

    /// Takes an epoch's value; whether it is better than all before. What is not a number is never better.
    mutating func improves(_ record: EpochRecord) -> Bool {
        guard let value = record[figure], isBetter(value, than: best) else { return false }
        best = value
        return true
    }

    /// Whether `value` is better than `reference` by more than the smallest difference that counts.
    func isBetter(_ value: Double, than reference: Double?) -> Bool {
        guard !value.isNaN else { return false }
        guard let reference else { return true }
        return isHigherBetter ? value - minimumDelta > reference : value + minimumDelta < reference
    }
}
