import ApusCore
import ApusTestSupport
import Testing

@Suite("Closeness")
struct ClosenessTests {
    @Test func equalNumbersAreClose() {
        #expect(closeness([1.0, -0.0, .infinity], to: [1, 0, .infinity], within: .exact) == .passed)
        #expect(closeness([Double](), to: [], within: .exact) == .passed)
    }

    @Test func wrongNumberIsFound() {
        #expect(
            closeness([1.0, 2.5], to: [1, 2], within: Tolerance(absolute: 0.25))
                == .failed("number 1 is 2.5, expected 2.0 (apart 0.5, allowed 0.25)"))
    }

    @Test func absoluteAndRelativeAreAlternatives() {
        #expect(closeness(1000.5, to: 1000, within: Tolerance(relative: 0.001)) == .passed)
        #expect(closeness(1001.5, to: 1000, within: Tolerance(relative: 0.001)) != .passed)
        #expect(closeness(0.0005, to: 0, within: Tolerance(relative: 0.001)) != .passed)
        #expect(closeness(0.0005, to: 0, within: Tolerance(absolute: 0.001)) == .passed)
    }

    /// The numbers after 1 are 2^-23 apart in Float and 2^-52 in Double.
    @Test func unitsInTheLastPlaceAreThoseOfTheType() {
        let two = Tolerance(ulps: 2)
        #expect(closeness(Float(1 + 2 * 0x1p-23), to: 1, within: two) == .passed)
        #expect(closeness(Float(1 + 3 * 0x1p-23), to: 1, within: two) != .passed)
        #expect(closeness(1 + 2 * 0x1p-52, to: 1, within: two) == .passed)
        #expect(closeness(1 + 0x1p-23, to: 1, within: two) != .passed)
        #expect(closeness(NDArray([Float(1 + 0x1p-23)]), to: NDArray([Float(1)]), within: two) == .passed)
    }

    @Test func lengthsMustAgree() {
        let loose = Tolerance(absolute: 100)
        #expect(closeness([1.0], to: [1, 2], within: loose) == .failed("1 numbers, expected 2"))
        #expect(closeness([1.0, 2], to: [1], within: loose) == .failed("2 numbers, expected 1"))
        #expect(closeness([Double](), to: [1], within: loose) != .passed)
    }

    @Test func nanIsCloseToNothing() {
        let loose = Tolerance(absolute: 1e30, relative: 1e30)
        #expect(closeness(Double.nan, to: 1, within: loose) != .passed)
        #expect(closeness(1, to: Double.nan, within: loose) != .passed)
        #expect(closeness(Double.nan, to: .nan, within: loose) != .passed)
        #expect(closeness(Double.nan, to: .nan, within: loose, nanMatchesNaN: true) == .passed)
        #expect(closeness(Double.nan, to: 1, within: loose, nanMatchesNaN: true) != .passed)
        #expect(closeness(1, to: Double.nan, within: loose, nanMatchesNaN: true) != .passed)
    }

    @Test func infinityIsCloseToItselfOnly() {
        let loose = Tolerance(absolute: 1e300, relative: 1e300, ulps: 1e300)
        #expect(closeness(Double.infinity, to: .infinity, within: .exact) == .passed)
        #expect(closeness(-Double.infinity, to: .infinity, within: loose) != .passed)
        #expect(closeness(Double.greatestFiniteMagnitude, to: .infinity, within: loose) != .passed)
        #expect(closeness(Double.infinity, to: 1, within: loose) != .passed)
    }

    @Test(arguments: [
        (Tolerance(absolute: -1), "the absolute tolerance is -1.0; it must be finite and not negative"),
        (Tolerance(relative: -1e-9), "the relative tolerance is -1e-09; it must be finite and not negative"),
        (Tolerance(ulps: -2), "the ulps tolerance is -2.0; it must be finite and not negative"),
        (Tolerance(absolute: .nan), "the absolute tolerance is nan; it must be finite and not negative"),
        (
            Tolerance(absolute: 1, relative: .infinity),
            "the relative tolerance is inf; it must be finite and not negative"
        ),
    ])
    func impossibleToleranceIsRefused(_ tolerance: Tolerance, _ reason: String) {
        #expect(closeness([1.0], to: [1], within: tolerance) == .failed(reason))
    }

    @Test func arraysAgreeInShapeAndElementType() throws {
        let row = NDArray([Float(1), 2])
        #expect(closeness(row, to: row, within: .exact) == .passed)
        #expect(
            closeness(try row.reshaped(to: [2, 1]), to: row, within: .exact) == .failed("shape [2, 1], expected [2]"))
        #expect(
            closeness(row.converted(to: .int32), to: row, within: .exact)
                == .failed("int32 elements, expected float32"))
        #expect(closeness(NDArray([Float(1), .nan]), to: row, within: Tolerance(absolute: 9)) != .passed)
    }
}
