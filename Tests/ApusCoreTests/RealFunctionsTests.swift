import ApusCore
import Testing

@Suite struct RealFunctionsTests {
    /// Values at 0.5 from Abramowitz and Stegun's tables: exp, log, tanh, sin, cos, erf.
    @Test func tabulatedValues() {
        let expected = [
            1.648721270700128, -0.693147180559945, 0.462117157260010, 0.479425538604203, 0.877582561890373,
            0.520499877813047,
        ]
        let doubles = [
            Double.exp(0.5), Double.log(0.5), Double.tanh(0.5), Double.sin(0.5), Double.cos(0.5), Double.erf(0.5),
        ]
        let floats = [Float.exp(0.5), Float.log(0.5), Float.tanh(0.5), Float.sin(0.5), Float.cos(0.5), Float.erf(0.5)]
        for index in expected.indices {
            #expect(abs(doubles[index] - expected[index]) < 1e-14)
            #expect(abs(Double(floats[index]) - expected[index]) < 2e-7)
        }
        #expect(Double.pow(2, 0.5) == 2.0.squareRoot() && Float.pow(2, 3) == 8)
    }

    @Test func smallArgumentsKeepTheirDigits() {
        // expm1(x) = x + x^2 / 2 + ..., log1p(x) = x - x^2 / 2 + ...
        #expect(Double.expMinusOne(1e-20) == 1e-20 && Double.logOnePlus(1e-20) == 1e-20)
        #expect(Float.expMinusOne(1e-20) == 1e-20 && Float.logOnePlus(1e-20) == 1e-20)
    }
}
