import ApusCore

/// How far a number may be from the expected one: within any one of the three is close.
package struct Tolerance: Hashable, Sendable {
    /// The largest difference.
    package var absolute: Double
    /// The largest difference as a part of the expected number's magnitude.
    package var relative: Double
    /// The largest difference in units in the last place of the expected number, in the type that is compared.
    package var ulps: Double

    package init(absolute: Double = 0, relative: Double = 0, ulps: Double = 0) {
        self.absolute = absolute
        self.relative = relative
        self.ulps = ulps
    }

    package static let exact = Tolerance()

    /// What makes this no tolerance; `nil` where it is one.
    fileprivate var problem: String? {
        [("absolute", absolute), ("relative", relative), ("ulps", ulps)]
            .first { !($0.1 >= 0 && $0.1.isFinite) }
            .map { "the \($0.0) tolerance is \($0.1); it must be finite and not negative" }
    }
}

/// The outcome of a check; tests expect `.passed`, so that a failure shows its reason.
package enum Verdict: Hashable, Sendable {
    case passed
    case failed(String)
}

/// Whether `actual` is as good as `expected`. NaN is close to nothing, unless both are NaN and `nanMatchesNaN`.
package func closeness<Number: BinaryFloatingPoint>(
    _ actual: Number, to expected: Number, within tolerance: Tolerance, nanMatchesNaN: Bool = false
) -> Verdict {
    closeness([actual], to: [expected], within: tolerance, nanMatchesNaN: nanMatchesNaN)
}

/// Whether both have one length and every number is as good as the expected one.
package func closeness<Number: BinaryFloatingPoint>(
    _ actual: [Number], to expected: [Number], within tolerance: Tolerance, nanMatchesNaN: Bool = false
) -> Verdict {
    if let problem = tolerance.problem { return .failed(problem) }
    guard actual.count == expected.count else {
        return .failed("\(actual.count) numbers, expected \(expected.count)")
    }
    for (index, (mine, theirs)) in zip(actual, expected).enumerated() {
        if nanMatchesNaN, mine.isNaN, theirs.isNaN { continue }
        // The difference of equal infinities is NaN.
        if mine == theirs { continue }
        let difference = Double((mine - theirs).magnitude)
        let unit = theirs.isFinite ? Double(theirs.ulp) : 0
        let magnitude = theirs.isFinite ? Double(theirs.magnitude) : 0
        let allowed = max(tolerance.absolute, tolerance.relative * magnitude, tolerance.ulps * unit)
        guard difference <= allowed else {
            return .failed("number \(index) is \(mine), expected \(theirs) (apart \(difference), allowed \(allowed))")
        }
    }
    return .passed
}

/// Whether both have one shape and element type, and every number is as good as the expected one.
package func closeness(
    _ actual: NDArray, to expected: NDArray, within tolerance: Tolerance, nanMatchesNaN: Bool = false
) -> Verdict {
    guard actual.shape == expected.shape else { return .failed("shape \(actual.shape), expected \(expected.shape)") }
    guard actual.elementType == expected.elementType else {
        return .failed("\(actual.elementType.rawValue) elements, expected \(expected.elementType.rawValue)")
    }
    // Units in the last place are those of the arrays' own type.
    return actual.elementType == .float32
        ? closeness(actual.floats, to: expected.floats, within: tolerance, nanMatchesNaN: nanMatchesNaN)
        : closeness(actual.doubles, to: expected.doubles, within: tolerance, nanMatchesNaN: nanMatchesNaN)
}
