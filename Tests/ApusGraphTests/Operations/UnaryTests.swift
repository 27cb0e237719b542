import ApusCore
import ApusGraph
import ApusTestSupport
import Foundation
import Testing

@Suite("Unary operations")
struct UnaryTests {
    private static let infinity = Double.infinity

    /// At -1, 0 and 2; e = 2.718281828459045, sin 1 = 0.8414709848078965, erf 1 = 0.8427007929497149 and the others
    /// from tables of the functions.
    private static let values: [(Unary.Function, [Double])] = [
        (.negate, [1, 0, -2]), (.absolute, [1, 0, 2]), (.sign, [-1, 0, 1]), (.floor, [-1, 0, 2]),
        (.square, [1, 0, 4]), (.reciprocal, [-1, infinity, 0.5]), (.squareRoot, [.nan, 0, 1.4142135623730951]),
        (.reciprocalSquareRoot, [.nan, infinity, 0.7071067811865476]),
        (.exp, [0.36787944117144233, 1, 7.38905609893065]), (.expMinusOne, [-0.6321205588285577, 0, 6.38905609893065]),
        (.log, [.nan, -infinity, 0.6931471805599453]), (.logOnePlus, [-infinity, 0, 1.0986122886681098]),
        (.sin, [-0.8414709848078965, 0, 0.9092974268256817]), (.cos, [0.5403023058681398, 1, -0.4161468365471424]),
        (.erf, [-0.8427007929497149, 0, 0.9953222650189527]), (.tanh, [-0.7615941559557649, 0, 0.9640275800758169]),
        (.sigmoid, [0.2689414213699951, 0.5, 0.8807970779778823]), (.relu, [0, 0, 2]),
        (.softplus, [0.31326168751822286, 0.6931471805599453, 2.1269280110429727]), (.roundToBfloat16, [-1, 0, 2]),
    ]

    @Test(arguments: values)
    func knownValues(_ function: Unary.Function, _ expected: [Double]) throws {
        let result = try evaluate(Tensor(.unary(Unary(function)), [.vector(-1, 0, 2)]))
        #expect(closeness(result, to: expected, within: Tolerance(ulps: 4), nanMatchesNaN: true) == .passed)
    }

    @Test func everyFunctionHasKnownValues() {
        #expect(Set(Self.values.map(\.0)) == Set(Unary.Function.allCases))
    }

    /// At minus infinity and infinity.
    @Test(arguments: [
        (Unary.Function.exp, 0, infinity), (.expMinusOne, -1, infinity), (.tanh, -1, 1), (.sigmoid, 0, 1),
        (.relu, 0, infinity), (.softplus, 0, infinity), (.erf, -1, 1), (.absolute, infinity, infinity), (.sign, -1, 1),
        (.log, .nan, infinity), (.reciprocal, 0, 0), (.roundToBfloat16, -infinity, infinity),
    ])
    func limits(_ function: Unary.Function, _ low: Double, _ high: Double) throws {
        let result = try evaluate(Tensor(.unary(Unary(function)), [.vector(-.infinity, .infinity)]))
        #expect(closeness(result, to: [low, high], within: .exact, nanMatchesNaN: true) == .passed)
    }

    @Test("NaN stays", arguments: Unary.Function.allCases)
    func nanStays(_ function: Unary.Function) throws {
        #expect(try evaluate(Tensor(.unary(Unary(function)), [.vector(.nan)]))[0].isNaN)
    }

    /// Beyond 1000, exp alone would overflow.
    @Test func largeMagnitudesStayFinite() throws {
        #expect(try evaluate(softplus(.vector(-2000, 2000))) == [0, 2000])
        #expect(try evaluate(sigmoid(.vector(-2000, 2000))) == [0, 1])
    }

    /// 1 + 1e-20 is 1 in Double.
    @Test func smallNumbersKeepTheirDigits() throws {
        #expect(try evaluate(logOnePlus(.vector(0x1p-60))) == [0x1p-60])
        #expect(try evaluate(expMinusOne(.vector(0x1p-60))) == [0x1p-60])
    }

    @Test func floorGoesDown() throws {
        #expect(try evaluate(floor(.vector(-1.5, -0.5, 0.5, 1.5))) == [-2, -1, 0, 1])
    }

    /// The gradient of rounding is taken for 1, between two steps and where one is.
    @Test func roundingLetsGradientsThrough() throws {
        let x = Tensor.vector(1, 1.001, 1.00390625)
        let loss = (3 * square(roundedToBfloat16(x))).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [x])[0]) == [6, 6, 6])
    }

    /// The gradients at kinks are a convention: 0 for relu, |x| and sign.
    @Test(arguments: [
        (Unary.Function.relu, [0.0, 0, 3]), (.absolute, [-3, 0, 3]), (.sign, [0, 0, 0]), (.floor, [0, 0, 0]),
    ])
    func gradientsAtKinks(_ function: Unary.Function, _ expected: [Double]) throws {
        let x = Tensor.vector(-1, 0, 1)
        let loss = (3 * Tensor(.unary(Unary(function)), [x])).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [x])[0]) == expected)
    }

    /// The sigmoid's gradient y(1 - y) and relu's are exact where the function has flattened out.
    @Test func saturatedGradientsVanish() throws {
        let x = Tensor.vector(-2000, 2000)
        #expect(try evaluate(gradient(of: sigmoid(x).sum(), withRespectTo: [x])[0]) == [0, 0])
        #expect(try evaluate(gradient(of: tanh(x).sum(), withRespectTo: [x])[0]) == [0, 0])
        #expect(try evaluate(gradient(of: softplus(x).sum(), withRespectTo: [x])[0]) == [0, 1])
    }
}
