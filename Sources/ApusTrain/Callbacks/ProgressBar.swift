/// The line that shows how far an epoch is.
package struct ProgressBar {
    let epoch: Int
    let epochCount: Int
    let step: Int
    let stepCount: Int
    let loss: Double
    /// Seconds until the training's end.
    let secondsLeft: Double

    package init(epoch: Int, epochCount: Int, step: Int, stepCount: Int, loss: Double, secondsLeft: Double) {
        self.epoch = epoch
        self.epochCount = epochCount
        self.step = step
        self.stepCount = stepCount
        self.loss = loss
        self.secondsLeft = secondsLeft
    }

    /// Letters between the brackets, at most and at least.
    static let widths = (most: 30, least: 5)

    /// `epoch 3/30 [=====>    ] 234/469  loss: 0.1234  42 s left`, or as much of it as `width` letters hold: first the
    /// bar gets shorter, then it goes, then the time and the loss.
    package func text(width: Int) -> String {
        let (start, end) = ("epoch \(epoch)/\(epochCount) ", "\(step)/\(stepCount)")
        let loss = "  loss: \(figureText(loss))"
        let left = "  \(Progress.duration(secondsLeft)) left"
        let room = width - (start + "[] " + end + loss + left).count
        if room >= Self.widths.least { return start + "[\(bar(min(room, Self.widths.most)))] " + end + loss + left }
        let shorter = [start + end + loss + left, start + end + loss, start + end, end]
        return shorter.first { $0.count <= width } ?? String(end.prefix(max(width, 0)))
    }

    private func bar(_ width: Int) -> String {
        let filled = width * step / max(stepCount, 1)
        let tip = filled < width ? ">" : ""
        return String(repeating: "=", count: filled) + tip
            + String(repeating: " ", count: max(0, width - filled - tip.count))
    }
}
