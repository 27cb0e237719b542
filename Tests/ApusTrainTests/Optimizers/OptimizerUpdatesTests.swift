import ApusCore
import ApusGraph
import ApusNN
import ApusTrain
import Foundation
import Testing

/// What is common to all optimizers: decay, clipping, schedules, order, names, settings, coding.
@Suite struct OptimizerUpdatesTests {
    static let all: [any Optimizer] = [
        SGD(momentum: 0.5), RMSprop(), Adagrad(), Adadelta(), Adam(), AdamW(), Adamax(), Nadam(), Lion(),
    ]

    @Test func weightDecayIsTakenOffBeforeTheStep() throws {
        // w - 0.5 * 0.25 w - 0.5 g with w = [1, -2, 0.5], g = [0.75, -1.5, 6].
        let steps = try OptimizerRun.series(SGD(learningRate: 0.5, weightDecay: 0.25), count: 1)
        #expect(steps[0][0] == [0.5, -1, -2.5625])
    }

    @Test func clippingByValue() throws {
        // [0.75, -1.5, 6] becomes [0.75, -1, 1].
        let steps = try OptimizerRun.series(SGD(learningRate: 1, clipping: .value(1)), count: 1)
        #expect(steps[0][0] == [0.25, -1, -0.5])
    }

    private let two = [
        OptimizerRun.Problem(start: [3, 4], curvature: [1, 1], goal: [0, 0]),
        OptimizerRun.Problem(start: [12], curvature: [1], goal: [0]),
    ]

    @Test func clippingByNormIsForEachParameter() throws {
        // Norms 5 and 12: both are scaled to 1. With a limit of 10 the first is left alone.
        let steps = try OptimizerRun.series(SGD(learningRate: 1, clipping: .norm(1)), two, count: 1)
        #expect(isClose(steps[0][0], [2.4, 3.2]) && isClose(steps[0][1], [11]))
        let wide = try OptimizerRun.series(SGD(learningRate: 1, clipping: .norm(10)), two, count: 1)
        #expect(wide[0] == [[0, 0], [2]])
    }

    @Test func clippingByGlobalNormScalesAllTogether() throws {
        // The norm of (3, 4, 12) is 13.
        let steps = try OptimizerRun.series(SGD(learningRate: 1, clipping: .globalNorm(6.5)), two, count: 1)
        #expect(isClose(steps[0][0], [1.5, 2]) && isClose(steps[0][1], [6]))
        let wide = try OptimizerRun.series(SGD(learningRate: 1, clipping: .globalNorm(20)), two, count: 1)
        #expect(wide[0] == [[0, 0], [0]])
    }

    @Test func aGradientOfZeroIsLeftAloneByClipping() throws {
        let still = [OptimizerRun.Problem(start: [1], curvature: [1], goal: [1])]
        for clipping in [GradientClipping.value(1), .norm(1), .globalNorm(1)] {
            #expect(try OptimizerRun.series(SGD(clipping: clipping), still, count: 1)[0] == [[1]])
        }
    }

    /// Gradients w - goal: infinite, of either sign, no number, and 2, which is held.
    @Test func clippingByValueHidesNothing() throws {
        let broken = OptimizerRun.Problem(
            start: [1, 1, 1, 3], curvature: [1, 1, 1, 1], goal: [-.infinity, .infinity, .nan, 1])
        let values = try OptimizerRun.series(SGD(learningRate: 1, clipping: .value(1)), [broken], count: 1)[0][0]
        #expect(values.map(\.isFinite) == [false, false, false, true] && values[3] == 2)
    }

    /// A norm that is not finite spoils whatever is scaled by it: a parameter's own gradient, or all of them.
    @Test(arguments: [-Double.infinity, .infinity, .nan]) func clippingByNormsHidesNothing(goal: Double) throws {
        // Gradients w - goal: one that is not finite and 2; and 12 of the other parameter, which by itself becomes 1.
        let problems = [
            OptimizerRun.Problem(start: [1, 3], curvature: [1, 1], goal: [goal, 1]),
            OptimizerRun.Problem(start: [12], curvature: [1], goal: [0]),
        ]
        let own = try OptimizerRun.series(SGD(learningRate: 1, clipping: .norm(1)), problems, count: 1)[0]
        #expect(own[0].allSatisfy { !$0.isFinite } && isClose(own[1], [11]))
        let all = try OptimizerRun.series(SGD(learningRate: 1, clipping: .globalNorm(1)), problems, count: 1)[0]
        #expect(all.joined().allSatisfy { !$0.isFinite })
    }

    @Test func theRateFollowsItsSchedule() throws {
        // Rates 1/2 and 1/4: w = 1 with gradient w: 1/2, then 3/8.
        let plain = [OptimizerRun.Problem(start: [1], curvature: [1], goal: [0])]
        let rate = Schedule.piecewise(boundaries: [1], values: [0.5, 0.25])
        #expect(try OptimizerRun.series(SGD(learningRate: rate), plain, count: 2) == [[[0.5]], [[0.375]]])
    }

    @Test func updatesComeLastParameterFirst() throws {
        let (kernel, bias) = (Variable("kernel", shape: [2]), Variable("bias", shape: [1]))
        let frozen = Variable("frozen", shape: [1], isTrainable: false)
        let loss = (square(kernel.tensor) + bias.tensor + frozen.tensor).sum()
        let parameters = [("dense/kernel", kernel), ("dense/bias", bias), ("dense/kernel", kernel), ("frozen", frozen)]
        let state = try Adam().state(for: parameters.map { NamedVariable(path: $0.0, variable: $0.1) })
        let updates = try Adam().updates(minimizing: loss, state: state)
        #expect(updates.map(\.variable.name) == ["momentum", "velocity", "bias", "momentum", "velocity", "kernel"])
        #expect(
            state.variables.map(\.path) == [
                "dense/kernel/momentum", "dense/kernel/velocity", "dense/bias/momentum", "dense/bias/velocity",
                "learningRateFactor",
            ])
        #expect(state.variables.map(\.variable.shape) == [[2], [2], [1], [1], .scalar])
        #expect(state.learningRateFactor.value.floats == [1])
        #expect(updates[1].variable === state.variables[3].variable)
    }

    @Test(arguments: all.indices) func aFactorOfZeroHoldsTheParameters(index: Int) throws {
        let variable = Variable("w", value: NDArray([Float(1), 2]))
        let loss = square(variable.tensor).sum()
        let state = try Self.all[index].state(for: [NamedVariable(path: "w", variable: variable)])
        try state.learningRateFactor.assign(NDArray(scalar: Float(0)))
        let updates = try Self.all[index].updates(minimizing: loss, state: state)
        let trace = try Trace(inputs: [], outputs: [loss], updates: updates, mode: .training, batchSize: 1)
        let updated = ReferenceExecutor<Double>(trace.graph).run(
            inputs: [], variables: trace.variables.map { ReferenceArray($0.value) }
        ).updated
        let place = updates.firstIndex { $0.variable === variable } ?? -1
        #expect(updated[place].values == [1, 2])
        #expect(updates.count == 1 + Self.all[index].slots.count + Self.all[index].sharedSlots.count)
    }

    @Test(arguments: all.indices) func settingsSurviveCoding(index: Int) throws {
        func roundTrip<Rule: Optimizer>(_ optimizer: Rule) throws -> String {
            String(describing: try JSONDecoder().decode(Rule.self, from: JSONEncoder().encode(optimizer)))
        }
        #expect(try roundTrip(Self.all[index]) == String(describing: Self.all[index]))
    }

    /// A rate is a literal, a number of any floating-point type, or a schedule.
    @Test func learningRatesOfAllKinds() {
        let (rate, single): (Double, Float) = (0.25, 0.5)
        let constants: [(any Optimizer, Double)] = [
            (SGD(learningRate: rate), 0.25), (SGD(learningRate: single, momentum: 0.5), 0.5),
            (SGD(learningRate: 1), 1), (SGD(learningRate: 0.125), 0.125), (SGD(learningRate: rate / 2), 0.125),
            (SGD(learningRate: .constant(rate)), 0.25), (SGD(), 0.01),
            (Adam(learningRate: rate, beta1: 0.5), 0.25), (AdamW(learningRate: rate), 0.25),
            (Adamax(learningRate: rate), 0.25), (Adadelta(learningRate: rate), 0.25),
            (Adagrad(learningRate: rate), 0.25), (Lion(learningRate: rate), 0.25),
            (Nadam(learningRate: rate), 0.25), (RMSprop(learningRate: rate), 0.25),
        ]
        for (optimizer, expected) in constants { #expect(optimizer.learningRate == .constant(expected)) }
        #expect(Adam(learningRate: rate, beta1: 0.5).beta1 == 0.5)
        #expect(AdamW(learningRate: rate, weightDecay: 0.5, beta2: 0.75).adam.beta2 == 0.75)
        #expect(AdamW(learningRate: rate, weightDecay: 0.5).weightDecay == 0.5)
        #expect(RMSprop(learningRate: rate, centered: true) == RMSprop(learningRate: 0.25, centered: true))
    }

    struct BadSetting: Sendable {
        let optimizer: any Optimizer
        let text: String
        init(_ optimizer: any Optimizer, _ text: String) { (self.optimizer, self.text) = (optimizer, text) }
    }

    static let badSettings = [
        BadSetting(
            SGD(learningRate: -0.1),
            "SGD: learningRate is -0.1; it must be a finite number, 0 or more."),
        BadSetting(SGD(learningRate: -1), "SGD: learningRate is -1.0; it must be a finite number, 0 or more."),
        BadSetting(
            SGD(learningRate: .inverseTime(initial: -1, decay: 0)),
            "SGD: learningRate is inverseTime(initial: -1.0, decay: 0.0); it must be a schedule that makes sense: "
                + "its numbers must be finite, 0 or more."),
        BadSetting(
            Adam(learningRate: .cosine(peak: 1, warmUp: 5, total: 5)),
            "Adam: learningRate is cosine(peak: 1.0, warmUp: 5, total: 5, final: 0.0); it must be a schedule that "
                + "makes sense: cosine needs 0 <= warmUp < total."),
        BadSetting(SGD(momentum: 1), "SGD: momentum is 1.0; it must be from 0 up to, not including, 1."),
        BadSetting(SGD(momentum: -0.1), "SGD: momentum is -0.1; it must be from 0 up to, not including, 1."),
        BadSetting(SGD(momentum: .nan), "SGD: momentum is nan; it must be from 0 up to, not including, 1."),
        BadSetting(SGD(weightDecay: -1), "SGD: weightDecay is -1.0; it must be a finite number, 0 or more."),
        BadSetting(SGD(clipping: .norm(0)), "SGD: clipping is 0.0; it must be a finite number above 0."),
        BadSetting(RMSprop(rho: 1), "RMSprop: rho is 1.0; it must be from 0 up to, not including, 1."),
        BadSetting(RMSprop(momentum: 2), "RMSprop: momentum is 2.0; it must be from 0 up to, not including, 1."),
        BadSetting(
            Adagrad(initialAccumulator: -1),
            "Adagrad: initialAccumulator is -1.0; it must be a finite number, 0 or more."),
        BadSetting(Adadelta(epsilon: 0), "Adadelta: epsilon is 0.0; it must be a finite number above 0."),
        BadSetting(Adam(beta1: 1), "Adam: beta1 is 1.0; it must be from 0 up to, not including, 1."),
        BadSetting(Adam(beta2: -0.5), "Adam: beta2 is -0.5; it must be from 0 up to, not including, 1."),
        BadSetting(Adamax(epsilon: -1), "Adamax: epsilon is -1.0; it must be a finite number above 0."),
        BadSetting(Nadam(beta2: 1), "Nadam: beta2 is 1.0; it must be from 0 up to, not including, 1."),
        BadSetting(Lion(beta1: 0), "Lion: beta1 is 0.0; it must be above 0 and below 1."),
    ]

    @Test(arguments: badSettings) func badSettingsAreRejected(row: BadSetting) {
        let variable = Variable("w", shape: [1])
        let text = errorText { _ = try row.optimizer.updates(minimizing: variable.tensor.sum(), over: [variable]) }
        #expect(text == row.text)
    }
}
