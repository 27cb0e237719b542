import Foundation

/// A place on an axis and what is written there.
package struct Tick: Hashable {
    package var value: Double
    package var label: String
}

/// Round numbers for an axis.
package enum Ticks {
    /// Multiples of 1, 2 or 5 times a power of ten within `range`, as many as there can be up to `limit`.
    ///
    /// - Parameter wholeNumbers: whether to keep to integers (epochs).
    package static func linear(in range: ClosedRange<Double>, atMost limit: Int, wholeNumbers: Bool = false) -> [Tick] {
        let span = range.upperBound - range.lowerBound
        // Below the least of normal numbers a step has no power of ten.
        guard span.isFinite, limit > 0, span / Double(limit) >= 1e-300 else { return [] }
        var exponent = Int(log10(span / Double(limit)).rounded(.down))
        if wholeNumbers { exponent = max(exponent, 0) }
        while true {
            for factor in [1.0, 2, 5] {
                let step = factor * pow(10, Double(exponent))
                // A bound that misses a multiple only by rounding has its tick.
                let first = (range.lowerBound / step - 1e-9).rounded(.up)
                let last = (range.upperBound / step + 1e-9).rounded(.down)
                guard last - first < Double(limit) else { continue }
                guard last >= first else { return [] }
                // Dividing by a whole number gives 0.3 where multiplying by 0.1 gives 0.30000000000000004.
                let values = (0...Int(last - first)).map { index in
                    let multiple = (first + Double(index)) * factor
                    return exponent < 0 ? multiple / pow(10, Double(-exponent)) : multiple * pow(10, Double(exponent))
                }
                return labelled(values, exponent: exponent)
            }
            exponent += 1
        }
    }

    /// Powers of ten within `range` (above 0), thinned out to `limit`; with their two- and fivefold where the range
    /// spans few, and linear ticks where even those are fewer than two.
    package static func logarithmic(in range: ClosedRange<Double>, atMost limit: Int) -> [Tick] {
        let first = Int((log10(range.lowerBound) - 1e-9).rounded(.up))
        let last = Int((log10(range.upperBound) + 1e-9).rounded(.down))
        if last - first >= 2 {
            let step = (last - first) / max(limit, 1) + 1
            return stride(from: first, through: last, by: step).map {
                let value = pow(10, Double($0))
                return Tick(value: value, label: label(of: value, decimals: max(0, -$0), significant: 0))
            }
        }
        let values = (first - 1...max(first, last) + 1).flatMap { exponent in
            [1.0, 2, 5].map { ($0 * pow(10, Double(exponent)), exponent) }
        }
        let within = values.filter { range.contains($0.0) }
        guard within.count >= 2, within.count <= max(limit, 2) else { return linear(in: range, atMost: limit) }
        return within.map { Tick(value: $0.0, label: label(of: $0.0, decimals: max(0, -$0.1), significant: 0)) }
    }

    /// Multiples of a power of ten with just the decimals that they need.
    private static func labelled(_ values: [Double], exponent: Int) -> [Tick] {
        let greatest = values.map(abs).max() ?? 0
        let top = greatest > 0 ? Int(log10(greatest).rounded(.down)) : 0
        let isPlain = (-4..<6).contains(top)
        return values.map { value in
            if value == 0 {
                return Tick(value: 0, label: isPlain && exponent < 0 ? label(of: 0, decimals: -exponent) : "0")
            }
            if isPlain { return Tick(value: value, label: label(of: value, decimals: max(0, -exponent))) }
            let own = Int(log10(abs(value)).rounded(.down))
            return Tick(value: value, label: scientific(value, decimals: max(0, own - exponent)))
        }
    }

    /// A number with `decimals`; where it is below 0.0001 or at least a million, as in `2e−5` with `significant`
    /// digits after the first.
    private static func label(of value: Double, decimals: Int, significant: Int? = nil) -> String {
        if let significant, !(1e-4..<1e6).contains(abs(value)) { return scientific(value, decimals: significant) }
        return withMinus(String(format: "%.\(min(decimals, 20))f", value))
    }

    private static func scientific(_ value: Double, decimals: Int) -> String {
        let parts = String(format: "%.\(min(decimals, 15))e", value).split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
        return withMinus("\(parts[0])e\(exponent)")
    }

    /// A true minus sign is as wide as the digits; a hyphen is easily missed.
    private static func withMinus(_ text: String) -> String { text.replacingOccurrences(of: "-", with: "\u{2212}") }
}
