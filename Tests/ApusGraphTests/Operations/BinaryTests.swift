import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Binary operations, selection, casts")
struct BinaryTests {
    /// Of 6 and 2, of -3 and 2, of 2 and 2.
    private static let values: [(Binary.Function, [Double])] = [
        (.add, [8, -1, 4]), (.subtract, [4, -5, 0]), (.multiply, [12, -6, 4]), (.divide, [3, -1.5, 1]),
        (.maximum, [6, 2, 2]), (.minimum, [2, -3, 2]), (.power, [36, 9, 4]), (.greater, [1, 0, 0]),
        (.greaterOrEqual, [1, 0, 1]), (.equal, [0, 0, 1]),
    ]

    @Test(arguments: values)
    func knownValues(_ function: Binary.Function, _ expected: [Double]) throws {
        let operands: [Tensor] = [.vector(6, -3, 2), .vector(2, 2, 2)]
        #expect(try evaluate(Tensor(.binary(Binary(function)), operands)) == expected)
    }

    @Test func everyFunctionHasKnownValues() {
        #expect(Set(Self.values.map(\.0)) == Set(Binary.Function.allCases))
    }

    @Test func operatorsAndNumbers() throws {
        let x = Tensor.vector(1, 2)
        #expect(try evaluate(x + 1) == [2, 3])
        #expect(try evaluate(1 + x) == [2, 3])
        #expect(try evaluate(x - 1) == [0, 1])
        #expect(try evaluate(1 - x) == [0, -1])
        #expect(try evaluate(x * 3) == [3, 6])
        #expect(try evaluate(3 * x) == [3, 6])
        #expect(try evaluate(x / 2) == [0.5, 1])
        #expect(try evaluate(2 / x) == [2, 1])
        #expect(try evaluate(x .< 2) == [1, 0])
        #expect(try evaluate(x .<= 2) == [1, 1])
        #expect(try evaluate(x .> 1) == [0, 1])
        #expect(try evaluate(x .>= 1) == [1, 1])
        #expect(try evaluate(x .== 2) == [0, 1])
        #expect(try evaluate(pow(x, 3)) == [1, 8])
        #expect(try evaluate(clamp(.vector(-5, 0.5, 5), -1...1)) == [-1, 0.5, 1])
    }

    @Test func rowsAndColumnsStretch() throws {
        let column = try Tensor.matrix([10], [20])
        #expect(try evaluate(column + .vector(1, 2, 3)) == [11, 12, 13, 21, 22, 23])
    }

    /// A stretched operand's gradient is the sum over its copies: 1 + 2 + 3 for each of the column's, 10 + 20 for the row's.
    @Test func stretchedGradientsAddUp() throws {
        let (column, row) = (try Tensor.matrix([10], [20]), Tensor.vector(1, 2, 3))
        let gradients = try gradient(of: (column * row).sum(), withRespectTo: [column, row])
        #expect(gradients.map(\.shape) == [[2, 1], [3]])
        #expect(try evaluate(gradients) == [[6, 6], [30, 30, 30]])
    }

    @Test func nanWinsAndNeverCompares() throws {
        for pair in [(Tensor.vector(.nan), Tensor.vector(1)), (.vector(1), .vector(.nan))] {
            #expect(try evaluate(maximum(pair.0, pair.1))[0].isNaN)
            #expect(try evaluate(minimum(pair.0, pair.1))[0].isNaN)
            #expect(try evaluate(pair.0 .> pair.1) == [0])
            #expect(try evaluate(pair.0 .>= pair.1) == [0])
            #expect(try evaluate(pair.0 .== pair.1) == [0])
        }
    }

    /// With cotangents 2, 4 and 6: b is larger, both are equal, a is larger.
    @Test func tiesShareEvenly() throws {
        let (a, b) = (Tensor.vector(1, 5, 3), Tensor.vector(2, 5, 1))
        let larger = try gradient(of: (.vector(2, 4, 6) * maximum(a, b)).sum(), withRespectTo: [a, b])
        #expect(try evaluate(larger) == [[0, 2, 6], [2, 2, 0]])
        let smaller = try gradient(of: (.vector(2, 4, 6) * minimum(a, b)).sum(), withRespectTo: [a, b])
        #expect(try evaluate(smaller) == [[2, 2, 0], [0, 2, 6]])
    }

    /// The bounds are ties, which share with the (constant) bound.
    @Test func clampStopsGradientOutside() throws {
        let x = Tensor.vector(-5, -1, 0, 1, 5)
        #expect(try evaluate(gradient(of: clamp(x, -1...1).sum(), withRespectTo: [x])[0]) == [0, 0.5, 1, 0.5, 0])
    }

    /// At a = 0: 0^0 = 1 with slope 0, 0^1 with slope 1, 0^2 with slope 0, and an infinite one for b = 1/2.
    @Test func powerAtZero() throws {
        let (a, b) = (Tensor.vector(0, 0, 0, 0), Tensor.vector(0, 1, 2, 0.5))
        #expect(try evaluate(pow(a, b)) == [1, 0, 0, 0])
        let gradients = try gradient(of: pow(a, b).sum(), withRespectTo: [a, b])
        #expect(try evaluate(gradients) == [[0, 1, 0, .infinity], [0, 0, 0, 0]])
    }

    /// d/da a^b = b a^(b-1): for (-2)^3 it is 12, and -1/4 for (-2)^-1; a negative base has none with respect to b.
    @Test func powerOfNegative() throws {
        let (a, b) = (Tensor.vector(-2, -2), Tensor.vector(3, -1))
        #expect(try evaluate(pow(a, b)) == [-8, -0.5])
        #expect(try evaluate(gradient(of: pow(a, b).sum(), withRespectTo: [a, b])) == [[12, -0.25], [0, 0]])
    }

    /// The second derivative of x^2 at 0 is 2, that of x^1 is 0.
    @Test func powerTwiceAtZero() throws {
        let a = Tensor.vector(0, 0)
        let first = try gradient(of: pow(a, .vector(2, 1)).sum(), withRespectTo: [a])[0]
        #expect(try evaluate(gradient(of: first.sum(), withRespectTo: [a])[0]) == [2, 0])
    }

    @Test func selectTakesWhereNotZero() throws {
        let condition = Tensor.vector(0, 1, -2, .nan)
        #expect(try evaluate(select(condition, .vector(1, 2, 3, 4), 0)) == [0, 2, 3, 4])
        // The side that is not taken may be anything.
        #expect(try evaluate(select(condition, .vector(.nan, 2, 3, 4), 7)) == [7, 2, 3, 4])
        #expect(try evaluate(select(try Tensor.matrix([1], [0]), .vector(1, 2), .vector(3, 4))) == [1, 2, 3, 4])
    }

    @Test func selectSplitsGradient() throws {
        let (c, a, b) = (Tensor.vector(0, 1), Tensor.vector(1, 2), Tensor.vector(3, 4))
        let loss = (.vector(5, 7) * select(c, a, b)).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [c, a, b])) == [[0, 0], [0, 7], [5, 0]])
    }

    @Test func castCutsTowardsZero() throws {
        let x = Tensor.vector(-1.9, -0.5, 0.5, 1.9, 3e9, -.infinity, .nan)
        let integers = x.cast(to: .int32)
        #expect(integers.elementType == .int32)
        #expect(try evaluate(integers) == [-1, 0, 0, 1, 2_147_483_647, -2_147_483_648, 0])
        #expect(x.cast(to: .float32) == x)
    }
}
