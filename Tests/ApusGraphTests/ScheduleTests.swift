import ApusCore
import ApusGraph
import Testing

/// Values worked out by hand from the formulas.
@Suite struct ScheduleTests {
    private func values(_ schedule: Schedule, at steps: [Int]) -> [Double] { steps.map { schedule.value(at: $0) } }

    private func expectClose(_ received: [Double], _ expected: [Double], location: SourceLocation = #_sourceLocation) {
        #expect(received.count == expected.count, sourceLocation: location)
        for (a, b) in zip(received, expected) {
            #expect(abs(a - b) <= 1e-12 * max(1, abs(b)), "\(received) is not \(expected)", sourceLocation: location)
        }
    }

    @Test func constant() {
        #expect(values(0.25, at: [0, 1, 1_000_000]) == [0.25, 0.25, 0.25])
        #expect(values(1, at: [7]) == [1])
    }

    @Test func inverseTime() {
        // 1 / (1 + 0.5 * step).
        expectClose(values(.inverseTime(initial: 1, decay: 0.5), at: [0, 1, 2, 6]), [1, 1 / 1.5, 0.5, 0.25])
    }

    @Test func step() {
        // Halved before steps 3 and 6.
        expectClose(
            values(.step(initial: 8, factor: 0.5, every: 3), at: [0, 2, 3, 5, 6]), [8, 8, 4, 4, 2])
    }

    @Test func exponential() {
        // A quarter after 4 steps, a half after 2.
        expectClose(values(.exponential(initial: 8, factor: 0.25, every: 4), at: [0, 2, 4, 8]), [8, 4, 2, 0.5])
    }

    @Test func cosine() {
        // Up in steps of 1/4, then cos 0, cos(pi/2), cos(pi).
        let schedule = Schedule.cosine(peak: 1, warmUp: 4, total: 12, final: 0.5)
        expectClose(values(schedule, at: [0, 1, 3, 4, 8, 12, 100]), [0, 0.25, 0.75, 1, 0.75, 0.5, 0.5])
        // A third of the way down: (1 + cos(pi/3)) / 2 = 3/4.
        expectClose(values(.cosine(peak: 1, total: 3), at: [0, 1, 2, 3]), [1, 0.75, 0.25, 0])
    }

    @Test func polynomial() {
        // (1 - step/4)^2 of the way from 1 to 3.
        expectClose(
            values(.polynomial(initial: 3, final: 1, total: 4, power: 2), at: [0, 1, 2, 4, 5]),
            [3, 2 * 0.5625 + 1, 1.5, 1, 1])
        expectClose(values(.polynomial(initial: 2, total: 4), at: [1, 3]), [1.5, 0.5])
    }

    @Test func piecewise() {
        let schedule = Schedule.piecewise(boundaries: [2, 5], values: [1, 0.5, 0.1])
        #expect(values(schedule, at: [0, 1, 2, 4, 5, 50]) == [1, 1, 0.5, 0.5, 0.1, 0.1])
    }

    @Test func biasCorrection() {
        // 1 - 0.5^(step + 1).
        expectClose(values(.biasCorrection(decay: 0.5), at: [0, 1, 2]), [0.5, 0.75, 0.875])
        expectClose(values(.biasCorrection(decay: 0), at: [0, 5]), [1, 1])
        // 1 - 0.999 loses no digits: 0.001 to the last one.
        expectClose(values(.biasCorrection(decay: 0.999), at: [0]), [0.001])
    }

    @Test(arguments: [
        (Schedule.piecewise(boundaries: [1], values: [1]), "piecewise needs one value more than boundaries"),
        (.piecewise(boundaries: [3, 1], values: [1, 2, 3]), "piecewise boundaries must rise"),
        (.step(initial: 1, factor: 0.5, every: 0), "'every' must be above 0"),
        (.exponential(initial: 1, factor: 0.5, every: -1), "'every' must be above 0"),
        (.cosine(peak: 1, warmUp: 5, total: 5), "cosine needs 0 <= warmUp < total"),
        (.polynomial(initial: 1, total: 0), "'total' must be above 0"),
        (.biasCorrection(decay: 1), "the decay must be in 0..<1"),
        (.biasCorrection(decay: .nan), "the decay must be in 0..<1"),
        (.piecewise(boundaries: [], values: []), "piecewise needs one value more than boundaries"),
    ])
    func problems(schedule: Schedule, problem: String) { #expect(schedule.problem == problem) }

    @Test func goodSchedulesHaveNoProblem() {
        let schedules: [Schedule] = [
            0.1, .inverseTime(initial: 1, decay: 1), .step(initial: 1, factor: 0.1, every: 1),
            .exponential(initial: 1, factor: 0.1, every: 1), .cosine(peak: 1, total: 1),
            .polynomial(initial: 1, total: 1),
            .piecewise(boundaries: [], values: [1]), .biasCorrection(decay: 0),
        ]
        #expect(schedules.allSatisfy { $0.problem == nil })
    }

    @Test func theTensorFollowsTheStep() throws {
        let trace = try Trace(
            inputs: [], outputs: [Schedule.inverseTime(initial: 1, decay: 1).tensor], mode: .training, batchSize: 1)
        let values = [0, 1, 3].map { step in
            ReferenceExecutor<Double>(trace.graph).run(
                inputs: [], variables: [], context: RunContext(step: step)
            ).outputs[0].values
        }
        #expect(values == [[1], [0.5], [0.25]])
    }
}
