import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Softmax, its logarithm and cross-entropy")
struct SoftmaxTests {
    private let close = Tolerance(absolute: 1e-15, ulps: 8)

    /// 1 + 1/e + 1/e^2 = 1.5032147244080550; its reciprocal is 0.66524095577482183.
    @Test func oneTwoThree() throws {
        let expected = [0.09003057317038046, 0.24472847105479764, 0.6652409557748218]
        #expect(closeness(try evaluate(softmax(.vector(1, 2, 3))), to: expected, within: close) == .passed)
        let logarithms = [-2.4076059644443806, -1.4076059644443806, -0.40760596444438064]
        #expect(closeness(try evaluate(logSoftmax(.vector(1, 2, 3))), to: logarithms, within: close) == .passed)
    }

    @Test func rowsSumToOne() throws {
        var numbers = SeededNumbers(seed: 1)
        let x = Tensor.constant(numbers.array([5, 7], in: -30...30))
        #expect(
            closeness(try evaluate(softmax(x).sum(-1)), to: [1, 1, 1, 1, 1], within: Tolerance(ulps: 16)) == .passed)
    }

    /// The same for x + 1000, also in Float, where exp(1000) and 1e8 + log 2 have no value of their own.
    @Test(arguments: [1000, -1000, 1e8, 3e38] as [Float])
    func hugeInputs(_ size: Float) throws {
        let x = Tensor.vector(size, size)
        #expect(try evaluate(softmax(x)) == [0.5, 0.5])
        let trace = try Trace(inputs: [], outputs: [softmax(x), logSoftmax(x)], mode: .inference, batchSize: 1)
        let results = try referenceRun(Float.self)(trace, [], RunContext())
        #expect(closeness(results[0].floats, to: [0.5, 0.5], within: Tolerance(ulps: 1)) == .passed)
        #expect(results[1].floats == [-0.6931472, -0.6931472])
        #expect(try evaluate(softmax(.vector(-size, size))) == (size > 0 ? [0, 1] : [1, 0]))
        let loss = softmaxCrossEntropy(logits: .vector(0, size.magnitude), targets: .vector(1, 0))
        #expect(try evaluate(loss) == [Double(size.magnitude)])
    }

    @Test func minusInfinityHasNoShare() throws {
        let x = Tensor.vector(-.infinity, 0, 0)
        #expect(closeness(try evaluate(softmax(x)), to: [0, 0.5, 0.5], within: close) == .passed)
        let logarithms = [-Double.infinity, -0.6931471805599453, -0.6931471805599453]
        #expect(closeness(try evaluate(logSoftmax(x)), to: logarithms, within: close) == .passed)
        #expect(try evaluate(softmax(.vector(-.infinity))).allSatisfy(\.isNaN))
    }

    /// Rows whose quotient is undefined are NaN throughout, so that a loss shows it; other rows are not touched.
    @Test(
        arguments: [[0, .nan], [.nan, 0], [.infinity, 0], [.infinity, .infinity], [-.infinity, -.infinity]] as [[Float]]
    )
    func undefinedRowsAreNaN(_ row: [Float]) throws {
        let x = try Tensor.matrix(row, [0, 0])
        for result in try evaluate([softmax(x), logSoftmax(x)]) {
            #expect(result[0].isNaN && result[1].isNaN)
            #expect(result[2].isFinite && result[3].isFinite)
        }
        let losses = try evaluate(softmaxCrossEntropy(logits: x, targets: try .matrix([1, 0], [1, 0])))
        #expect(losses[0].isNaN)
        #expect(closeness(losses[1], to: 0.6931471805599453, within: close) == .passed)
    }

    @Test func emptyAndSingle() throws {
        #expect(try evaluate(softmax(.constant(NDArray(zeros: [0, 3])))) == [])
        #expect(try evaluate(softmax(.constant(NDArray(zeros: [3, 0])))) == [])
        #expect(try evaluate(softmax(try .matrix([5], [-7]))) == [1, 1])
        let loss = softmaxCrossEntropy(
            logits: .constant(NDArray(zeros: [2, 0])), targets: .constant(NDArray(zeros: [2, 0])))
        #expect(try evaluate(loss) == [0, 0])
    }

    /// Equal logits of three classes: log 3. Targets that sum to 2 give twice as much.
    @Test func crossEntropyByHand() throws {
        let logits = try Tensor.matrix([0, 0, 0], [4, 4, 4])
        let loss = softmaxCrossEntropy(logits: logits, targets: try .matrix([0, 1, 0], [1, 0.5, 0.5]))
        #expect(loss.shape == [2])
        #expect(closeness(try evaluate(loss), to: [1.0986122886681098, 2.1972245773362196], within: close) == .passed)
    }

    /// softmax * sum(targets) - targets: thirds less the targets, times the cotangents 1 and 10.
    @Test func crossEntropyGradientByHand() throws {
        let logits = try Tensor.matrix([0, 0, 0], [0, 0, 0])
        let targets = try Tensor.matrix([0, 1, 0], [1, 0.5, 0.5])
        let loss = (Tensor.vector(1, 10) * softmaxCrossEntropy(logits: logits, targets: targets)).sum()
        let third = 1.0 / 3
        let expected = [third, third - 1, third, 10 * (2 * third - 1), 10 * (2 * third - 0.5), 10 * (2 * third - 0.5)]
        let result = try evaluate(gradient(of: loss, withRespectTo: [logits])[0])
        #expect(closeness(result, to: expected, within: Tolerance(absolute: 1e-14)) == .passed)
    }

    /// 0 times infinity: the loss is NaN, as by its formula; the gradient with respect to the logits is not.
    @Test func impossibleClass() throws {
        let (logits, targets) = (Tensor.vector(-.infinity, 0, 0), Tensor.vector(0, 1, 0))
        let loss = softmaxCrossEntropy(logits: logits, targets: targets)
        #expect(try evaluate(loss)[0].isNaN)
        let result = try evaluate(gradient(of: loss, withRespectTo: [logits])[0])
        #expect(closeness(result, to: [0, -0.5, 0.5], within: close) == .passed)
        let hit = softmaxCrossEntropy(logits: .vector(-.infinity, 0), targets: .vector(1, 1))
        #expect(try evaluate(hit) == [.infinity])
    }
}
