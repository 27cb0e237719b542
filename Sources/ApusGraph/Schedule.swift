import ApusCore

/// A number as a function of the count of steps taken (from 0), for learning rates and the like.
public indirect enum Schedule: Hashable, Sendable, Codable {
    case constant(Double)
    /// `initial / (1 + decay * step)`.
    case inverseTime(initial: Double, decay: Double)
    /// `initial * factor^floor(step / every)`.
    case step(initial: Double, factor: Double, every: Int)
    /// `initial * factor^(step / every)`.
    case exponential(initial: Double, factor: Double, every: Int)
    /// From 0 in a line to `peak` over `warmUp` steps, then down half a cosine to `final` at step `total`, where it
    /// stays. Source: Loshchilov and Hutter, SGDR, 2017, equation 5.
    case cosine(peak: Double, warmUp: Int = 0, total: Int, final: Double = 0)
    /// `(initial - final) * (1 - step / total)^power + final`; `final` after `total` steps.
    case polynomial(initial: Double, final: Double = 0, total: Int, power: Double = 1)
    /// `values[i]` until before step `boundaries[i]`; the last value after all of them.
    case piecewise(boundaries: [Int], values: [Double])
    /// `1 - decay^(step + 1)`: the bias correction of a running mean. Source: Kingma and Ba, Adam, 2015, algorithm 1.
    case biasCorrection(decay: Double)

    /// The value before the step that follows `step` steps.
    public func value(at step: Int) -> Double {
        let time = Double(step)
        switch self {
        case .constant(let value): return value
        case .inverseTime(let initial, let decay): return initial / (1 + decay * time)
        case .step(let initial, let factor, let every):
            return initial * Double.pow(factor, Double(step / Swift.max(every, 1)))
        case .exponential(let initial, let factor, let every):
            return initial * Double.pow(factor, time / Double(Swift.max(every, 1)))
        case .cosine(let peak, let warmUp, let total, let final):
            if step < warmUp { return peak * time / Double(warmUp) }
            if step >= total { return final }
            let progress = Double(step - warmUp) / Double(total - warmUp)
            return final + (peak - final) * (1 + Double.cos(.pi * progress)) / 2
        case .polynomial(let initial, let final, let total, let power):
            if step >= total { return final }
            return (initial - final) * Double.pow(1 - time / Double(total), power) + final
        case .piecewise(let boundaries, let values):
            if values.isEmpty { return .nan }
            return values[Swift.min(boundaries.prefix { step >= $0 }.count, values.count - 1)]
        case .biasCorrection(let decay): return -Double.expMinusOne(Double.log(decay) * (time + 1))
        }
    }

    /// The first setting that makes no sense, in words; `nil` where all do.
    package var problem: String? {
        switch self {
        case .piecewise(let boundaries, let values):
            if values.count != boundaries.count + 1 { return "piecewise needs one value more than boundaries" }
            return boundaries == boundaries.sorted() ? nil : "piecewise boundaries must rise"
        case .step(_, _, let every), .exponential(_, _, let every): return every > 0 ? nil : "'every' must be above 0"
        case .cosine(_, let warmUp, let total, _):
            return warmUp >= 0 && total > warmUp ? nil : "cosine needs 0 <= warmUp < total"
        case .polynomial(_, _, let total, _): return total > 0 ? nil : "'total' must be above 0"
        case .biasCorrection(let decay): return decay >= 0 && decay < 1 ? nil : "the decay must be in 0..<1"
        case .constant, .inverseTime: return nil
        }
    }
}

extension Schedule: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    public init(floatLiteral value: Double) { self = .constant(value) }
    public init(integerLiteral value: Int) { self = .constant(Double(value)) }
}
