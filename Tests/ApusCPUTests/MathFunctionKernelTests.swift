import CApusKernels
import Foundation
import Testing

extension KernelTests {
    /// The vectorised functions against the C library's in double.
    @Suite struct MathFunctions {
        struct Row: CustomTestStringConvertible, Sendable {
            var operation: apus_operation
            var range: ClosedRange<Double>
            var tolerance: Double  // units in the last place
            var function: @Sendable (Double) -> Double
            var testDescription: String { "\(operation.rawValue) on \(range)" }
        }

        static let rows: [Row] = [
            .init(operation: APUS_EXP, range: -103...88.72, tolerance: 2, function: { exp($0) }),
            .init(operation: APUS_EXP_MINUS_ONE, range: -30...88.72, tolerance: 3, function: { expm1($0) }),
            .init(operation: APUS_EXP_MINUS_ONE, range: -1...1, tolerance: 3, function: { expm1($0) }),
            .init(operation: APUS_LOG, range: 1e-44...100, tolerance: 2, function: { log($0) }),
            .init(operation: APUS_LOG, range: 0.5...2, tolerance: 2, function: { log($0) }),
            .init(operation: APUS_LOG_ONE_PLUS, range: -0.999...1, tolerance: 3, function: { log1p($0) }),
            .init(operation: APUS_LOG_ONE_PLUS, range: -0.9...1e30, tolerance: 3, function: { log1p($0) }),
            .init(operation: APUS_SIGMOID, range: -100...100, tolerance: 4, function: { 1 / (1 + exp(-$0)) }),
            .init(operation: APUS_TANH, range: -12...12, tolerance: 4, function: { tanh($0) }),
            .init(operation: APUS_TANH, range: -0.5...0.5, tolerance: 4, function: { tanh($0) }),
            .init(operation: APUS_ERF, range: -5...5, tolerance: 4, function: { erf($0) }),
            .init(operation: APUS_ERF, range: -1...1, tolerance: 4, function: { erf($0) }),
            .init(operation: APUS_SIN, range: -100...100, tolerance: 2, function: { sin($0) }),
            .init(operation: APUS_SIN, range: -2e6...2e6, tolerance: 2, function: { sin($0) }),
            .init(operation: APUS_COS, range: -100...100, tolerance: 2, function: { cos($0) }),
            .init(operation: APUS_COS, range: -2e6...2e6, tolerance: 2, function: { cos($0) }),
            .init(
                operation: APUS_SOFTPLUS, range: -80...80, tolerance: 4, function: { max($0, 0) + log1p(exp(-abs($0))) }
            ),
            .init(operation: APUS_SQUARE_ROOT, range: 0...1e6, tolerance: 0.5, function: { $0.squareRoot() }),
            .init(
                operation: APUS_RECIPROCAL_SQUARE_ROOT, range: 1e-6...1e6, tolerance: 2,
                function: { 1 / $0.squareRoot() }),
        ]

        @Test(arguments: rows) func accuracy(row: Row) throws {
            let count = 200_003
            let width = row.range.upperBound - row.range.lowerBound
            var x = (0..<count).map { Float(row.range.lowerBound + width * Double($0) / Double(count - 1)) }
            // And the same number again, crowded towards 0.
            x += x.map { $0 * $0 * $0 / Float(width * width) }
                .filter { row.range.contains(Double($0)) }
            let y = try apply(row.operation, x)
            var (worst, place) = (0.0, Float(0))
            for (x, y) in zip(x, y) {
                let expected = row.function(Double(x))
                // Subnormal results are held to the spacing of the smallest normal ones.
                let unit = max(Double(Float(expected).ulp), Double(Float.leastNormalMagnitude.ulp))
                let error = abs(Double(y) - expected) / unit
                if !(error <= worst) { (worst, place) = (error, x) }
            }
            #expect(worst <= row.tolerance, "at \(place)")
        }

        @Test func edges() throws {
            let infinity = Float.infinity
            func same(_ operation: apus_operation, _ x: [Float], _ expected: [Float]) throws {
                #expect(bits(try apply(operation, x)) == bits(expected), "operation \(operation.rawValue)")
            }
            try same(APUS_EXP, [0, -infinity, infinity, -200, 200, -0.0], [1, 0, infinity, 0, infinity, 1])
            try same(APUS_EXP_MINUS_ONE, [0, -infinity, infinity, -0.0, 1e-20], [0, -1, infinity, -0.0, 1e-20])
            try same(APUS_LOG, [1, 0, -0.0, infinity], [0, -infinity, -infinity, infinity])
            try same(APUS_LOG_ONE_PLUS, [0, -1, infinity, 1e-20, -0.0], [0, -infinity, infinity, 1e-20, -0.0])
            try same(APUS_SIGMOID, [0, -infinity, infinity], [0.5, 0, 1])
            try same(APUS_TANH, [0, -0.0, -infinity, infinity, 1e-20], [0, -0.0, -1, 1, 1e-20])
            try same(APUS_ERF, [0, -0.0, -infinity, infinity], [0, -0.0, -1, 1])
            try same(APUS_SOFTPLUS, [-infinity, infinity], [0, infinity])
            try same(APUS_SIGN, [-3, 0, 5, -infinity], [-1, 0, 1, -1])
            try same(APUS_FLOOR, [-1.5, 1.5, -0.0, infinity], [-2, 1, -0.0, infinity])
            try same(APUS_RELU, [-1, 2, -infinity, infinity], [0, 2, 0, infinity])
            try same(APUS_IS_FINITE, [1, infinity, -infinity, .nan], [1, 0, 0, 0])
            try same(APUS_ABSOLUTE, [-1, -0.0, 2], [1, 0, 2])
            for operation in APUS_IDENTITY.rawValue..<APUS_IS_FINITE.rawValue {
                #expect(try apply(apus_operation(rawValue: operation), [.nan])[0].isNaN, "operation \(operation)")
            }
            for operation in [APUS_LOG, APUS_SQUARE_ROOT] { #expect(try apply(operation, [-1])[0].isNaN) }
            #expect(try apply(APUS_LOG_ONE_PLUS, [-1.5])[0].isNaN)
            #expect(try apply(APUS_SIN, [infinity])[0].isNaN)
        }

        /// Neither the place in a vector nor the neighbours matter.
        @Test func sameWhereverAnElementLies() throws {
            let x = sampleValues(53, seed: 9, scale: 3) + [2e6, -3e7]
            for raw in APUS_IDENTITY.rawValue...APUS_IS_FINITE.rawValue {
                let operation = apus_operation(rawValue: raw)
                let all = try apply(operation, x)
                let alone = try x.map { try apply(operation, [$0])[0] }
                #expect(bits(all) == bits(alone), "operation \(raw)")
            }
        }
    }
}
