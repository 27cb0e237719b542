import ApusGraph
import ApusTestSupport
import Testing

@Suite("Schedules")
struct ScheduleTests {
    /// Worked out by hand from each formula, at the steps named.
    @Test(
        arguments: [
            (Schedule.constant(0.1), [0: 0.1, 99: 0.1]),
            (.inverseTime(initial: 1, decay: 0.5), [0: 1, 2: 0.5, 6: 0.25]),
            (.step(initial: 1, factor: 0.5, every: 10), [0: 1, 9: 1, 10: 0.5, 29: 0.25]),
            (.exponential(initial: 1, factor: 0.25, every: 2), [0: 1, 1: 0.5, 2: 0.25, 4: 0.0625]),
            // Half a cosine: half-way at the middle, (2 + sqrt 2) / 4 at a quarter.
            (.cosine(peak: 1, total: 8), [0: 1, 2: 0.8535533905932737, 4: 0.5, 8: 0, 100: 0]),
            (.cosine(peak: 1, warmUp: 4, total: 8, final: 0.5), [0: 0, 1: 0.25, 4: 1, 6: 0.75, 8: 0.5, 9: 0.5]),
            (.polynomial(initial: 1, total: 4), [0: 1, 1: 0.75, 4: 0, 5: 0]),
            (.polynomial(initial: 3, final: 1, total: 4, power: 2), [0: 3, 2: 1.5, 4: 1, 9: 1]),
            (.piecewise(boundaries: [2, 5], values: [1, 0.5, 0.25]), [0: 1, 1: 1, 2: 0.5, 4: 0.5, 5: 0.25, 9: 0.25]),
            (.piecewise(boundaries: [], values: [7]), [0: 7, 9: 7]),
            (.biasCorrection(decay: 0.5), [0: 0.5, 1: 0.75, 2: 0.875]),
            (.biasCorrection(decay: 0), [0: 1, 5: 1]),
        ] as [(Schedule, [Int: Double])])
    func knownValues(_ schedule: Schedule, _ expected: [Int: Double]) {
        #expect(schedule.problem == nil)
        for (step, value) in expected {
            #expect(closeness(schedule.value(at: step), to: value, within: Tolerance(absolute: 1e-15)) == .passed)
        }
    }

    /// 1 - 0.999 = 0.001 keeps its digits.
    @Test func biasCorrectionIsExactNearZero() {
        #expect(
            closeness(Schedule.biasCorrection(decay: 0.999).value(at: 0), to: 0.001, within: Tolerance(relative: 1e-13))
                == .passed)
    }

    @Test(arguments: [
        (Schedule.step(initial: 1, factor: 0.5, every: 0), "'every' must be above 0"),
        (.exponential(initial: 1, factor: 0.5, every: -1), "'every' must be above 0"),
        (.cosine(peak: 1, warmUp: 8, total: 8), "cosine needs 0 <= warmUp < total"),
        (.cosine(peak: 1, warmUp: -1, total: 8), "cosine needs 0 <= warmUp < total"),
        (.polynomial(initial: 1, total: 0), "'total' must be above 0"),
        (.piecewise(boundaries: [1], values: [1]), "piecewise needs one value more than boundaries"),
        (.piecewise(boundaries: [], values: []), "piecewise needs one value more than boundaries"),
        (.piecewise(boundaries: [3, 2], values: [1, 2, 3]), "piecewise boundaries must rise"),
        (.biasCorrection(decay: 1), "the decay must be in 0..<1"),
        (.biasCorrection(decay: -0.5), "the decay must be in 0..<1"),
    ])
    func problemsAreNamed(_ schedule: Schedule, _ problem: String) {
        #expect(schedule.problem == problem)
    }

    @Test func numbersAreSchedules() {
        #expect((0.5 as Schedule) == .constant(0.5))
        #expect((2 as Schedule) == .constant(2))
    }
}
