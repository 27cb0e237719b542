import Foundation

/// How numbers become distances along an axis.
public enum AxisScale: Hashable, Sendable {
    case linear
    /// Equal distances for equal ratios; numbers that are not above 0 have no place.
    case logarithmic
}

/// One side of a plot: what it measures, from where to where, and its marks.
package struct Axis {
    var label: String
    var range: ClosedRange<Double>
    var scale: AxisScale
    var wholeNumbers: Bool

    package init(
        label: String, range: ClosedRange<Double>, scale: AxisScale = .linear, wholeNumbers: Bool = false
    ) {
        self.label = label
        self.range = range
        self.scale = scale
        self.wholeNumbers = wholeNumbers
    }

    /// Where `value` lies: 0 at the lower end, 1 at the upper.
    package func fraction(of value: Double) -> Double {
        let (low, high) = (range.lowerBound, range.upperBound)
        return switch scale {
        case .linear: (value - low) / (high - low)
        case .logarithmic: log(value / low) / log(high / low)
        }
    }

    package func ticks(atMost limit: Int) -> [Tick] {
        switch scale {
        case .linear: Ticks.linear(in: range, atMost: limit, wholeNumbers: wholeNumbers)
        case .logarithmic: Ticks.logarithmic(in: range, atMost: limit)
        }
    }

    /// From the least to the greatest of `values` and `margin` of that span on either side.
    ///
    /// Numbers that are all the same get room around them, and none at all give 0...1.
    package static func range(of values: [Double], margin: Double, scale: AxisScale = .linear) -> ClosedRange<Double> {
        guard let low = values.min(), let high = values.max() else { return scale == .linear ? 0...1 : 0.1...1 }
        if scale == .logarithmic {
            let ratio = max(pow(high / low, margin), 1.05)
            return max(low / ratio, 1e-300)...min(high * ratio, 1e300)
        }
        // Below a millionth of the numbers themselves, ticks would need more digits than anyone reads.
        let magnitude = max(abs(low), abs(high))
        let span = high - low
        let room = span > magnitude * 1e-6 ? span * margin : magnitude > 0 ? magnitude * 0.1 : 0.5
        return (low - room)...(high + room)
    }
}
