extension NotFiniteProblem: CustomStringConvertible {
    /// One line: what, when, where, what to do.
    public var headline: String {
        let place = origin.map { ", first in \($0)" } ?? ""
        let time = epoch.map { "epoch \($0), " } ?? ""
        return "The \(quantity) is not finite at \(time)step \(step)\(place). "
            + "Lower the learning rate, clip the gradient, or check the data."
    }

    /// The headline, and below it what is known of the operation and the step's samples.
    public var description: String { ([headline] + details).joined(separator: "\n") }

    /// What is known of the operation and the step's samples, a line for each thing.
    package var details: [String] { (report?.lines ?? []) + sampleLines }

    private static let longestSampleList = 16

    /// The samples of the step, by their places in the data set.
    private var sampleLines: [String] {
        guard let indices = failedStep?.sampleIndices, !indices.isEmpty else { return [] }
        let shown = indices.prefix(Self.longestSampleList).map { "\($0)" }.joined(separator: ", ")
        let rest = indices.count - Self.longestSampleList
        let owner = report.map { $0.dataset.isEmpty ? "" : ", of '\($0.dataset)'" } ?? ""
        return ["  samples of the step\(owner): \(shown)\(rest > 0 ? " and \(rest) more" : "")"]
    }
}

extension NotFiniteReport {
    /// What it says, a line for each thing.
    public var lines: [String] {
        let owner = layer.isEmpty ? "" : " of layer '\(layer)'"
        let part =
            switch position {
            case .forward: "forward"
            case .gradient: "gradient"
            case .update(let variable): "update of '\(variable)'"
            }
        var lines = ["operation: \(operation)\(owner), \(part)", "  result: \(result.words)"]
        lines += inputs.enumerated().map { "  input \($0 + 1), \($1.name): \($1.words)" }
        lines.append("  first at: \(element)\(sampleWords)")
        if path.count > 1 {
            let shown = path.prefix(Self.longestPath).joined(separator: " -> ")
            let rest = path.count - Self.longestPath
            lines.append("  on its way: \(shown)\(rest > 0 ? " and \(rest) more" : "")")
        }
        return lines.map { "  " + $0 }
    }

    private static let longestPath = 6

    private var sampleWords: String {
        if let sampleIndex { return ", sample \(sampleIndex) of '\(dataset)'" }
        return batchIndex.map { ", sample \($0) of the batch" } ?? ""
    }
}

extension ArrayRange {
    /// Type, range, mean magnitude, and how many are not finite.
    public var words: String {
        var parts = [type]
        if let minimum, let maximum, let meanMagnitude {
            parts.append("\(Self.short(minimum)) to \(Self.short(maximum))")
            parts.append("mean magnitude \(Self.short(meanMagnitude))")
        }
        switch (nanCount, infinityCount) {
        case (0, 0): break
        case (let nan, 0): parts.append("\(nan) of \(elementCount) are NaN")
        case (0, let infinite): parts.append("\(infinite) of \(elementCount) are infinite")
        case (let nan, let infinite): parts.append("of \(elementCount), \(nan) are NaN and \(infinite) infinite")
        }
        return parts.joined(separator: ", ")
    }

    /// Four digits: enough to see where things stand.
    private static func short(_ value: Double) -> String {
        guard value != 0 else { return "0" }
        var (exponent, power) = (0, value.magnitude)
        while power >= 10 { (exponent, power) = (exponent + 1, power / 10) }
        while power < 1 { (exponent, power) = (exponent - 1, power * 10) }
        var digits = (power * 1000).rounded() / 1000
        if digits >= 10 { (exponent, digits) = (exponent + 1, 1) }
        let sign = value < 0 ? "-" : ""
        guard (-3..<6).contains(exponent) else { return "\(sign)\(digits)e\(exponent)" }
        var scale = 1.0
        for _ in 0..<exponent.magnitude { scale *= 10 }
        let number = exponent < 0 ? digits / scale : digits * scale
        let rounded = (number * 1e6).rounded() / 1e6
        return rounded == rounded.rounded() ? "\(sign)\(Int(rounded))" : "\(sign)\(rounded)"
    }
}
