import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTrain
import Testing

/// Each rule: a first step by hand, then a series against the formula written again in plain Double loops.
///
/// The first step starts from w = [1, -2, 0.5] with the gradient [0.75, -1.5, 6].
@Suite struct OptimizerTests {
    private func firstStep(_ optimizer: any Optimizer) throws -> [Double] {
        try OptimizerRun.series(optimizer, count: 1)[0][0]
    }

    private func expectSeries(
        _ optimizer: any Optimizer, state: [Double] = [],
        rule: (Int, Double, Double, inout [Double]) -> Double, location: SourceLocation = #_sourceLocation
    ) throws {
        let received = try OptimizerRun.series(optimizer, count: 12).map { $0[0] }
        let expected = OptimizerRun.series(state: state, count: 12, rule: rule)
        for step in expected.indices {
            #expect(
                isClose(received[step], expected[step], tolerance: 5e-7),
                "step \(step + 1): \(received[step]) is not \(expected[step])", sourceLocation: location)
        }
        #expect(received[11] != received[0], sourceLocation: location)
    }

    @Test func plainDescent() throws {
        // w - 0.5 g.
        #expect(try firstStep(SGD(learningRate: 0.5)) == [0.625, -1.25, -2.5])
        try expectSeries(SGD(learningRate: 0.1)) { _, w, g, _ in w - 0.1 * g }
    }

    @Test func momentum() throws {
        // The first step is a plain one; the second adds half of the first. Curvature 1, goal 0.25 for w[0]:
        // 1 - 0.25 * 0.75 = 0.8125; then m = -0.5 * 0.1875 - 0.25 * 0.5625 = -0.234375.
        let steps = try OptimizerRun.series(SGD(learningRate: 0.25, momentum: 0.5), count: 2)
        #expect(steps[0][0][0] == 0.8125)
        #expect(steps[1][0][0] == 0.578125)
        try expectSeries(SGD(learningRate: 0.05, momentum: 0.9), state: [0]) { _, w, g, state in
            state[0] = 0.9 * state[0] - 0.05 * g
            return w + state[0]
        }
    }

    @Test func nesterov() throws {
        // m = -0.25 g, w + 0.5 m - 0.25 g = w - 0.375 g.
        #expect(try firstStep(SGD(learningRate: 0.25, momentum: 0.5, nesterov: true)) == [0.71875, -1.4375, -1.75])
        try expectSeries(SGD(learningRate: 0.05, momentum: 0.9, nesterov: true), state: [0]) { _, w, g, state in
            state[0] = 0.9 * state[0] - 0.05 * g
            return w + 0.9 * state[0] - 0.05 * g
        }
    }

    /// A gradient of 10 all the time, rho 0.5: after 24 steps the mean square is 100 (1 - 2^-24), one step of Float below
    /// 100, while the mean, 10 (1 - 2^-24), is rounded to 10. Their difference, -2^-17, is no variance: it counts as
    /// 0, and the step is 1e-4 * 10 / sqrt(1e-6) = 1.
    @Test func centeredRMSpropWhereRoundingMakesAVarianceNegative() throws {
        let variable = Variable("w", value: NDArray([Float(0)]))
        let optimizer = RMSprop(learningRate: 1e-4, rho: 0.5, epsilon: 1e-6, centered: true)
        let loss = (10 * variable.tensor).sum()
        let step = try Function(
            inputs: [], outputs: [loss], updates: optimizer.updates(minimizing: loss, over: [variable]), device: .cpu)
        var values: [Double] = [0]
        for _ in 0..<24 {
            _ = try step()
            values.append(variable.value.doubles[0])
        }
        #expect(isClose([values[23] - values[24]], [1], tolerance: 1e-5))
    }

    @Test func rmsprop() throws {
        // v = 0.25 g^2, so every element moves by rate * 2 in its gradient's direction (epsilon apart).
        #expect(isClose(try firstStep(RMSprop(learningRate: 0.25, rho: 0.75)), [0.5, -1.5, 0]))
        try expectSeries(RMSprop(learningRate: 0.01), state: [0]) { _, w, g, state in
            state[0] = 0.9 * state[0] + 0.1 * g * g
            return w - 0.01 * g / (state[0] + 1e-7).squareRoot()
        }
        try expectSeries(RMSprop(learningRate: 0.01, rho: 0.8, momentum: 0.5), state: [0, 0]) { _, w, g, state in
            state[0] = 0.8 * state[0] + 0.2 * g * g
            state[1] = 0.5 * state[1] + 0.01 * g / (state[0] + 1e-7).squareRoot()
            return w - state[1]
        }
        let centered = RMSprop(learningRate: 0.01, momentum: 0.5, epsilon: 1e-3, centered: true)
        try expectSeries(centered, state: [0, 0, 0]) { _, w, g, state in
            state[0] = 0.9 * state[0] + 0.1 * g * g
            state[2] = 0.9 * state[2] + 0.1 * g
            state[1] = 0.5 * state[1] + 0.01 * g / (state[0] - state[2] * state[2] + 1e-3).squareRoot()
            return w - state[1]
        }
    }

    @Test func adagrad() throws {
        // With the accumulator at 0 the first step is the rate in the gradient's direction.
        #expect(isClose(try firstStep(Adagrad(learningRate: 0.5, initialAccumulator: 0)), [0.5, -1.5, 0]))
        try expectSeries(Adagrad(learningRate: 0.1), state: [0.1]) { _, w, g, state in
            state[0] += g * g
            return w - 0.1 * g / (state[0] + 1e-7).squareRoot()
        }
    }

    @Test func adadelta() throws {
        // With rho = 0.75 and epsilon = 1: d = g / sqrt(0.25 g^2 + 1). For g = 0.75: 0.75 / sqrt(1.140625) = 0.70225.
        let first = try firstStep(Adadelta(learningRate: 1, rho: 0.75, epsilon: 1))
        #expect(isClose([first[0]], [1 - 0.75 / 1.140625.squareRoot()]))
        try expectSeries(Adadelta(learningRate: 0.5, epsilon: 1e-2), state: [0, 0]) { _, w, g, state in
            state[0] = 0.95 * state[0] + 0.05 * g * g
            let change = -((state[1] + 1e-2).squareRoot() / (state[0] + 1e-2).squareRoot()) * g
            state[1] = 0.95 * state[1] + 0.05 * change * change
            return w + 0.5 * change
        }
    }

    @Test func adam() throws {
        // The corrections undo the start at zero: the first step is the rate in the gradient's direction.
        #expect(isClose(try firstStep(Adam(learningRate: 0.5)), [0.5, -1.5, 0], tolerance: 5e-6))
        try expectSeries(Adam(learningRate: 0.05), state: [0, 0], rule: adamRule(rate: 0.05))
    }

    /// Adam as in the paper's algorithm 1, epsilon scaled so that it stands beside the uncorrected root as in Keras.
    private func adamRule(rate: Double, decay: Double = 0) -> (Int, Double, Double, inout [Double]) -> Double {
        { step, w, g, state in
            state[0] = 0.9 * state[0] + 0.1 * g
            state[1] = 0.999 * state[1] + 0.001 * g * g
            let correction1 = 1 - Double.pow(0.9, Double(step))
            let correction2 = 1 - Double.pow(0.999, Double(step))
            let (mean, root) = (state[0] / correction1, (state[1] / correction2).squareRoot())
            return w - rate * decay * w - rate * mean / (root + 1e-7 / correction2.squareRoot())
        }
    }

    @Test func amsgradKeepsTheLargestSquare() throws {
        let optimizer = Adam(learningRate: 0.1, beta1: 0.5, beta2: 0.75, amsgrad: true)
        try expectSeries(optimizer, state: [0, 0, 0]) { step, w, g, state in
            state[0] = 0.5 * state[0] + 0.5 * g
            state[1] = 0.75 * state[1] + 0.25 * g * g
            state[2] = max(state[2], state[1])
            let rate =
                0.1 * (1 - Double.pow(0.75, Double(step))).squareRoot() / (1 - Double.pow(0.5, Double(step)))
            return w - rate * state[0] / (state[2].squareRoot() + 1e-7)
        }
    }

    @Test func adamWithDecoupledDecay() throws {
        #expect(AdamW().weightDecay == 0.004)
        try expectSeries(
            AdamW(learningRate: 0.05, weightDecay: 0.1), state: [0, 0], rule: adamRule(rate: 0.05, decay: 0.1))
    }

    @Test func adamax() throws {
        // m = (1 - beta1) g, u = |g|: the rate in the gradient's direction.
        #expect(isClose(try firstStep(Adamax(learningRate: 0.5)), [0.5, -1.5, 0]))
        try expectSeries(Adamax(learningRate: 0.05, beta2: 0.75), state: [0, 0]) { step, w, g, state in
            state[0] = 0.9 * state[0] + 0.1 * g
            state[1] = max(0.75 * state[1], abs(g))
            return w - 0.05 / (1 - Double.pow(0.9, Double(step))) * state[0] / (state[1] + 1e-7)
        }
    }

    @Test func nadam() throws {
        // u1 = 0.5 * 0.52 = 0.26 and u2 = 0.5 * (1 - 0.4608) = 0.2696 for beta1 = 0.5. m = g / 2 and v-hat = g^2, so
        // the step over the rate is 0.2696 * 0.5 / (1 - 0.26 * 0.2696) + 0.74 / 0.74 = 1.144961 for every g > 0.
        let step = 0.25 * (0.1348 / (1 - 0.070096) + 1)
        #expect(
            isClose(
                try firstStep(Nadam(learningRate: 0.25, beta1: 0.5)), [1 - step, -2 + step, 0.5 - step],
                tolerance: 5e-6))
        try expectSeries(Nadam(learningRate: 0.02), state: [0, 0, 1]) { step, w, g, state in
            func u(_ t: Int) -> Double { 0.9 * (1 - 0.5 * Double.pow(0.96, Double(t))) }
            state[0] = 0.9 * state[0] + 0.1 * g
            state[1] = 0.999 * state[1] + 0.001 * g * g
            state[2] *= u(step)
            let mean =
                u(step + 1) * state[0] / (1 - state[2] * u(step + 1)) + (1 - u(step)) * g / (1 - state[2])
            let root = (state[1] / (1 - Double.pow(0.999, Double(step)))).squareRoot()
            return w - 0.02 * mean / (root + 1e-7)
        }
    }

    @Test func lion() throws {
        // The first step is the rate in the gradient's direction, exactly.
        #expect(try firstStep(Lion(learningRate: 0.5)) == [0.5, -1.5, 0])
        try expectSeries(Lion(learningRate: 0.125), state: [0]) { _, w, g, state in
            let direction = 0.9 * state[0] + 0.1 * g
            state[0] = 0.99 * state[0] + 0.01 * g
            return w - 0.125 * (direction > 0 ? 1 : direction < 0 ? -1 : 0)
        }
    }

    @Test func defaultsAreThoseOfKeras() {
        #expect(SGD() == SGD(learningRate: 0.01, momentum: 0, nesterov: false))
        #expect(RMSprop() == RMSprop(learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false))
        #expect(Adagrad() == Adagrad(learningRate: 0.001, initialAccumulator: 0.1, epsilon: 1e-7))
        #expect(Adadelta() == Adadelta(learningRate: 0.001, rho: 0.95, epsilon: 1e-7))
        #expect(Adam() == Adam(learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, amsgrad: false))
        #expect(Adamax() == Adamax(learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7))
        #expect(Nadam() == Nadam(learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7))
        #expect(Lion() == Lion(learningRate: 0.001, beta1: 0.9, beta2: 0.99))
    }
}
