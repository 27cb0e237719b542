import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct ActivationFunctionTests {
    private static let points: [Double] = [-3, -0.4, 0, 0.4, 2]

    /// Values at `points`. The smooth ones were worked out from the formulas in Python's `math`, in double precision;
    /// the others by hand.
    private static let values: [(ActivationFunction, [Double])] = [
        (.celu, [-0.950212932, -0.329679954, 0, 0.4, 2]),
        (.celu(alpha: 2), [-1.55373968, -0.362538494, 0, 0.4, 2]),
        (.elu, [-0.950212932, -0.329679954, 0, 0.4, 2]),
        (.elu(alpha: 2), [-1.900425863, -0.659359908, 0, 0.4, 2]),
        (.exponential, [0.049787068, 0.670320046, 1, 1.491824698, 7.389056099]),
        (.gelu, [-0.004049694, -0.137831303, 0, 0.262168697, 1.954499736]),
        (.gelu(approximate: true), [-0.003637392, -0.137838831, 0, 0.262161169, 1.954597694]),
        (.hardShrink, [-3, 0, 0, 0, 2]),
        (.hardShrink(threshold: 0.1), [-3, -0.4, 0, 0.4, 2]),
        (.hardSigmoid, [0, 13.0 / 30, 0.5, 17.0 / 30, 5.0 / 6]),
        (.hardSigmoid(slope: 0.2), [0, 0.42, 0.5, 0.58, 0.9]),
        (.hardSiLU, [0, -0.4 * 13 / 30, 0, 0.4 * 17 / 30, 10.0 / 6]),
        (.hardSwish, [0, -0.4 * 13 / 30, 0, 0.4 * 17 / 30, 10.0 / 6]),
        (.hardTanh, [-1, -0.4, 0, 0.4, 1]),
        (.leakyReLU, [-0.6, -0.08, 0, 0.4, 2]),
        (.leakyReLU(negativeSlope: 0.5), [-1.5, -0.2, 0, 0.4, 2]),
        (.linear, [-3, -0.4, 0, 0.4, 2]),
        (.logSigmoid, [-3.048587352, -0.913015252, -0.693147181, -0.513015252, -0.126928011]),
        (.mish, [-0.145647461, -0.188916482, 0, 0.289030534, 1.94395896]),
        (.relu, [0, 0, 0, 0.4, 2]),
        (.relu(maxValue: 1), [0, 0, 0, 0.4, 1]),
        (.relu(negativeSlope: 0.5, threshold: 1), [-2, -0.7, -0.5, -0.3, 2]),
        (.relu(maxValue: 1.5, negativeSlope: 0.1, threshold: 0.4), [-0.34, -0.08, -0.04, 0, 1.5]),
        (.relu6, [0, 0, 0, 0.4, 2]),
        (.selu, [-1.670568715, -0.579610105, 0, 0.420280392, 2.10140196]),
        (.sigmoid, [0.047425873, 0.40131234, 0.5, 0.59868766, 0.880797078]),
        (.silu, [-0.14227762, -0.160524936, 0, 0.239475064, 1.761594156]),
        (.swish, [-0.14227762, -0.160524936, 0, 0.239475064, 1.761594156]),
        (.softShrink, [-2.5, 0, 0, 0, 1.5]),
        (.softShrink(threshold: 0.1), [-2.9, -0.3, 0, 0.3, 1.9]),
        (.softplus, [0.048587352, 0.513015252, 0.693147181, 0.913015252, 2.126928011]),
        (.softsign, [-0.75, -0.4 / 1.4, 0, 0.4 / 1.4, 2.0 / 3]),
        (.sparsePlus, [0, 0.09, 0.25, 0.49, 2]),
        (.sparseSigmoid, [0, 0.3, 0.5, 0.7, 1]),
        (.squareplus, [0.302775638, 0.819803903, 1, 1.219803903, 2.414213562]),
        (.squareplus(b: 1), [0.08113883, 0.338516481, 0.5, 0.738516481, 2.118033989]),
        (.tanh, [-0.995054754, -0.379948962, 0, 0.379948962, 0.96402758]),
        (.tanhShrink, [-2.004945246, -0.020051038, 0, 0.020051038, 1.03597242]),
        (.threshold(0, value: 7), [7, 7, 7, 0.4, 2]),
    ]

    private static let alongAxis: [ActivationFunction] = [.glu, .logSoftmax, .softmax, .sparsemax]

    @Test(arguments: values.indices) func elementwise(_ row: Int) throws {
        let (function, expected) = Self.values[row]
        let x = Tensor.input([5])
        let found = try evaluate(function(x), at: x, Self.points)
        // Constants such as 1/6 are rounded to float32.
        #expect(isClose(found, expected, tolerance: 3e-7), "\(function): \(found)")
    }

    /// softmax([1, 2, 3]), worked out in Python; glu: 3 sigmoid(1) and -4 sigmoid(-1).
    @Test func alongTheLastAxis() throws {
        func values(_ function: ActivationFunction, _ x: [Double]) throws -> [Double] {
            let input = Tensor.input([x.count])
            return try evaluate(function(input), at: input, x)
        }
        #expect(isClose(try values(.softmax, [1, 2, 3]), [0.090030573, 0.244728471, 0.665240956], tolerance: 1e-9))
        #expect(
            isClose(try values(.logSoftmax, [1, 2, 3]), [-2.407605964, -1.407605964, -0.407605964], tolerance: 1e-9))
        #expect(isClose(try values(.glu, [3, -4, 1, -1]), [2.193175736, -1.075765685], tolerance: 1e-9))
    }

    /// By hand: of [0.5, 0.2, -1] the first two are in the support, t = (0.7 - 1) / 2 = -0.15. Of [2, 0, 0] only the
    /// first is. Equal elements share.
    @Test func sparsemax() throws {
        let x = Tensor.input([2, 3])
        let rows: [Double] = [0.5, 0.2, -1, 2, 0, 0, 1, 1, 1, 1001, 1001, -1000]
        let found = try evaluate(ActivationFunction.sparsemax(x), at: x, rows, batchSize: 2)
        #expect(isClose(found, [0.65, 0.35, 0, 1, 0, 0, 1.0 / 3, 1.0 / 3, 1.0 / 3, 0.5, 0.5, 0], tolerance: 1e-12))
    }

    /// Central differences with a cotangent of different numbers, away from kinks.
    @Test(arguments: values.map(\.0) + alongAxis) func gradients(_ function: ActivationFunction) throws {
        let points: [Double] = [-7, -3.7, -1.3, -0.7, -0.2, 0.3, 0.9, 1.6, 2.1, 4.4]
        let x = Tensor.input([10])
        let y = function(x)
        let weights = (0..<y.shape[-1]).map { Float($0 % 3) - 0.75 + 0.25 * Float($0) }
        let loss = (y * .constant(NDArray(weights))).sum()
        let slope = try gradient(of: loss, withRespectTo: [x])[0]
        let found = try evaluate(slope, at: x, points)
        let step = 1e-5
        let expected = try points.indices.map { index in
            func value(_ change: Double) throws -> Double {
                var moved = points
                moved[index] += change
                return try evaluate(loss, at: x, moved)[0]
            }
            return (try value(step) - value(-step)) / (2 * step)
        }
        let isRight = zip(found, expected).allSatisfy { ($0 - $1).magnitude < 1e-6 * max(1, $1.magnitude) }
        #expect(isRight && found.count == 10, "\(function): \(found), expected \(expected)")
    }

    /// The gradients where one formula takes over from another, as Keras and PyTorch have them: that of the lower side
    /// at 0, and 0 where a function is held. (At the bounds of hardTanh TensorFlow has 1, PyTorch 0.)
    @Test func gradientsAtKinks() throws {
        func slope(_ function: ActivationFunction, at point: Double) throws -> Double {
            let x = Tensor.input([1])
            return try evaluate(gradient(of: function(x).sum(), withRespectTo: [x])[0], at: x, [point])[0]
        }
        #expect(try slope(.elu, at: 0) == 1)
        #expect(try slope(.elu(alpha: 3), at: 0) == 3)
        #expect(try slope(.celu(alpha: 3), at: 0) == 1)
        #expect(try slope(.relu, at: 0) == 0)
        #expect(isClose([try slope(.leakyReLU, at: 0)], [0.2]))
        #expect(try slope(.sparsePlus, at: 1) == 1)
        #expect(try slope(.squareplus, at: 0) == 0.5)
        let held: [(ActivationFunction, [Double])] = [
            (.relu6, [0, 6]), (.hardTanh, [-1, 1]), (.hardSigmoid(slope: 0.25), [-2, 2]), (.sparseSigmoid, [-1, 1]),
            (.relu(maxValue: 2), [0, 2]),
        ]
        for (function, corners) in held {
            #expect(try corners.map { try slope(function, at: $0) } == [0, 0], "\(function)")
        }
        // x times what is held: 0 of 0, and 1 at the other end.
        #expect(try [-3, 3].map { try slope(.hardSiLU, at: $0) } == [0, 1])
        #expect(try [-0.5, 0.5].map { try slope(.softShrink, at: $0) } == [0, 0])
        #expect(try [-0.5, 0.5].map { try slope(.hardShrink, at: $0) } == [0, 0])
    }

    /// What is no number stays none.
    @Test(arguments: [ActivationFunction.relu6, .hardTanh, .hardSigmoid, .hardSiLU, .sparseSigmoid])
    func heldFunctionsOfNaN(_ function: ActivationFunction) throws {
        let x = Tensor.input([1])
        #expect(try evaluate(function(x), at: x, [Double.nan])[0].isNaN)
    }

    /// Neither values nor gradients overflow or become NaN far out, in single precision.
    @Test(arguments: values.map(\.0) + alongAxis) func farOut(_ function: ActivationFunction) throws {
        let x = Tensor.input([4])
        let y = function(x)
        let slope = try gradient(of: y.sum(), withRespectTo: [x])[0]
        let isExponential = function == .exponential
        let points: [Float] = isExponential ? [-1e4, -90, 80, 88] : [-1e4, -90, 90, 1e4]
        let results = try evaluate([y, slope], inputs: [(x, points)])
        #expect(results.allSatisfy { $0.values.allSatisfy(\.isFinite) }, "\(function): \(results.map(\.values))")
    }

    /// b / 2 / (sqrt(x^2 + b) - x) = 1e-4 to four digits, where the plain formula gives 0 in single precision.
    @Test func squareplusDoesNotCancel() throws {
        let x = Tensor.input([1])
        let value = try evaluate(ActivationFunction.squareplus(x), at: x, [-1e4] as [Float])[0]
        #expect((value - 1e-4).magnitude < 1e-8)
    }

    @Test func layer() throws {
        let x = Tensor.input([3])
        #expect(try Activation(.glu)(.input([6])).shape == [-1, 3])
        #expect(
            message { _ = try Activation(.glu)(x, line: 7) }
                == "Activation: glu (ActivationFunctionTests.swift:7): expected a last axis of even size, "
                + "received [batch, 3]. Cure: give the layer before it twice as many units.")
        #expect(
            message { _ = try Activation(.relu(maxValue: -1))(x) }
                == "Activation: the activation's maxValue is -1.0; it must be at least the threshold, 0.0.")
    }
}
