import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Sources: random numbers, steps, variables; modes")
struct SourcesTests {
    private let context = RunContext(seed: 5, step: 9)

    @Test func randomNumbersAreThoseOfPhilox() throws {
        let philox = Philox(seed: 5, stream: 0, step: 9)
        #expect(try evaluate(.randomUniform([2, 3]), context: context) == (0..<6).map { Double(philox.uniform($0)) })
        #expect(try evaluate(.randomNormal([5]), context: context) == (0..<5).map { Double(philox.normal($0)) })
        let coins = (0..<8).map { Double(philox.bernoulli($0, probability: 0.3)) }
        #expect(try evaluate(.randomBernoulli([8], probability: 0.3), context: context) == coins)
    }

    @Test func probabilityEndsAreCertain() throws {
        #expect(try evaluate(.randomBernoulli([9], probability: 0)).allSatisfy { $0 == 0 })
        #expect(try evaluate(.randomBernoulli([9], probability: 1)).allSatisfy { $0 == 1 })
    }

    @Test func seedStepAndStreamMatter() throws {
        let pair: [Tensor] = [.randomUniform([4]), .randomUniform([4])]
        let first = try evaluate(pair, context: context)
        #expect(first[0] != first[1])
        #expect(try evaluate(pair, context: context) == first)
        #expect(try evaluate(pair, context: RunContext(seed: 6, step: 9))[0] != first[0])
        #expect(try evaluate(pair, context: RunContext(seed: 5, step: 10))[0] != first[0])
    }

    @Test func randomNumbersFollowBatchSize() throws {
        let x = Tensor.input([2])
        #expect(Tensor.randomNormal(like: x).shape == [-1, 2])
        let result = try evaluate(.randomNormal(like: x) + 0 * x, given: [(x, [0, 0, 0, 0, 0, 0])], batchSize: 3)
        #expect(result == (0..<6).map { Double(Philox(seed: 0).normal($0)) })
    }

    /// 1 / (1 + 0.5 * 2).
    @Test func stepValueFollowsStep() throws {
        let rate = Schedule.inverseTime(initial: 1, decay: 0.5).tensor
        #expect(try evaluate(rate) == [1])
        #expect(try evaluate(rate, context: RunContext(step: 2)) == [0.5])
    }

    @Test func variablesAreRead() throws {
        let variable = Variable("v", value: NDArray([1, 2] as [Float]))
        #expect(try evaluate(variable.tensor * 2) == [2, 4])
        try variable.assign(NDArray([3, 4] as [Float]))
        #expect(try evaluate(variable.tensor * 2) == [6, 8])
    }

    @Test func phasePicksBranch() throws {
        let x = Tensor.vector(1, 2)
        let y = Tensor.phase(training: 2 * x, inference: -x)
        #expect(try evaluate(y, mode: .training) == [2, 4])
        #expect(try evaluate(y, mode: .inference) == [-1, -2])
        let slope = try gradient(of: y.sum(), withRespectTo: [x])[0]
        #expect(try evaluate(slope, mode: .training) == [2, 2])
        #expect(try evaluate(slope, mode: .inference) == [-1, -1])
    }

    /// d/dx (x stop(x)) = stop(x).
    @Test func stoppedGradientIsLeftOut() throws {
        let x = Tensor.vector(3)
        #expect(try evaluate(gradient(of: (x * stopGradient(x)).sum(), withRespectTo: [x])[0]) == [3])
        #expect(try evaluate(gradient(of: stopGradient(x).sum(), withRespectTo: [x])[0]) == [0])
    }
}
