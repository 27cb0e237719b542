import ApusPictures
import ApusTrain
import Foundation

extension FuzzTarget {
    /// A run's history, with the axes that its curves are drawn over.
    package static let history = FuzzTarget("history", longestInput: 1_024) { bytes in
        let history = try History(jsonLines: Data(bytes), path: "FILE")
        for name in history.epochs.first?.columns.map(\.name) ?? [] {
            // What a chart leaves out beforehand.
            let values = history[name].filter { abs($0) <= 1e300 }
            for scale in [AxisScale.linear, .logarithmic] {
                let shown = scale == .linear ? values : values.filter { $0 >= 1e-300 }
                let axis = Axis(label: name, range: Axis.range(of: shown, margin: 0.05, scale: scale), scale: scale)
                precondition(axis.ticks(atMost: 8).count <= 30)
            }
        }
        let text = history.epochs.map(\.jsonLine).joined(separator: "\n")
        precondition(text.isEmpty == history.epochs.isEmpty)
    }
}
