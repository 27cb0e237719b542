import ApusCore
import CApusKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Matmul {
        /// What is multiplied; operands packed unless a batch stride is 0.
        struct Case: CustomTestStringConvertible {
            var batch = 1
            var m: Int, n: Int, k: Int
            var transposes = (left: false, right: false)
            var hasBias = false
            var accumulates = false
            var shared = (left: false, right: false)
            var activation = APUS_ACTIVATION_NONE
            var alpha: Float = 0
            var scale: Float?
            /// Whether oneDNN is told that the operands are bfloat16 numbers.
            var hasRoundedFactors = false
            /// Whether the product rounds its operands to bfloat16 itself.
            var multipliesPairs = false
            var testDescription: String {
                "\(batch)x\(m)x\(n)x\(k) \(transposes) bias \(hasBias) sum \(accumulates) shared \(shared) "
                    + "activation \(activation.rawValue) scale \(scale.map { "\($0)" } ?? "none")"
            }

            func run(left: [Float], right: [Float], bias: [Float], output: [Float]) throws -> [Float] {
                var engine: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                if hasRoundedFactors { apus_engine_set_rounded_factors(engine) }
                if multipliesPairs { apus_engine_set_pair_products(engine) }
                var description = apus_matmul_description()
                (description.batch, description.rows) = (Int64(batch), Int64(m))
                (description.columns, description.inner) = (Int64(n), Int64(k))
                description.left_batch_stride = shared.left ? 0 : Int64(m * k)
                description.right_batch_stride = shared.right ? 0 : Int64(k * n)
                (description.transposes_left, description.transposes_right) = transposes
                (description.has_bias, description.accumulates) = (hasBias, accumulates)
                (description.activation, description.activation_alpha) = (activation, alpha)
                description.has_scale = scale != nil
                var matmul: OpaquePointer?
                try check(apus_matmul_create(engine, &description, &matmul))
                defer { apus_matmul_destroy(matmul) }
                var output = output
                // Twice, to see that a run leaves nothing behind in the object.
                let before = output
                try check(apus_matmul_run(matmul, left, right, bias, scale ?? 7, &output))
                let first = output
                output = before
                try check(apus_matmul_run(matmul, left, right, bias, scale ?? 7, &output))
                #expect(bits(first) == bits(output))
                return output
            }

            func expected(left: [Float], right: [Float], bias: [Float], output: [Float]) -> [Double] {
                var result: [Double] = []
                for b in 0..<batch {
                    let (l, r) = (shared.left ? 0 : b * m * k, shared.right ? 0 : b * k * n)
                    for i in 0..<m {
                        for j in 0..<n {
                            var sum = hasBias ? Double(bias[j]) : 0
                            if accumulates { sum += Double(output[result.count]) }
                            let factor = Double(scale ?? 1)
                            for x in 0..<k {
                                sum +=
                                    factor * Double(left[l + (transposes.left ? x * m + i : i * k + x)])
                                    * Double(right[r + (transposes.right ? j * k + x : x * n + j)])
                            }
                            result.append(activated(sum))
                        }
                    }
                }
                return result
            }

            private func activated(_ x: Double) -> Double {
                let a = Double(alpha)
                return switch activation {
                case APUS_ACTIVATION_RELU: x > 0 ? x : a * x
                case APUS_ACTIVATION_SIGMOID: 1 / (1 + exp(-x))
                case APUS_ACTIVATION_TANH: tanh(x)
                case APUS_ACTIVATION_GELU: x * (1 + erf(x / 2.0.squareRoot())) / 2
                case APUS_ACTIVATION_GELU_TANH: x / 2 * (1 + tanh((2 / .pi).squareRoot() * (x + 0.044715 * x * x * x)))
                case APUS_ACTIVATION_ELU: x > 0 ? x : a * expm1(x)
                case APUS_ACTIVATION_SWISH: x / (1 + exp(-a * x))
                case APUS_ACTIVATION_SOFTPLUS: log1p(exp(x))
                case APUS_ACTIVATION_EXP: exp(x)
                case APUS_ACTIVATION_SQUARE: x * x
                case APUS_ACTIVATION_ABSOLUTE: abs(x)
                case APUS_ACTIVATION_SQUARE_ROOT: x.squareRoot()
                default: x
                }
            }

            /// Runs on fixed numbers and compares.
            func verify() throws {
                let left = sampleValues((shared.left ? 1 : batch) * m * k, seed: 1, scale: 0.5)
                let right = sampleValues((shared.right ? 1 : batch) * k * n, seed: 2, scale: 0.5)
                let (bias, output) = (sampleValues(n, seed: 3), sampleValues(batch * m * n, seed: 4))
                let result = try run(left: left, right: right, bias: bias, output: output)
                let expected = expected(left: left, right: right, bias: bias, output: output)
                #expect(relativeError(result, expected, floor: 1) < 2e-5)
            }
        }

        @Test func byHand() throws {
            // [1 2; 3 4] [5 6; 7 8] = [19 22; 43 50]; with the left transposed [1 3; 2 4] [5 6; 7 8] = [26 30; 38 44].
            let (left, right): ([Float], [Float]) = ([1, 2, 3, 4], [5, 6, 7, 8])
            let zeros = [Float](repeating: 0, count: 4)
            let plain = try Case(m: 2, n: 2, k: 2).run(left: left, right: right, bias: [], output: zeros)
            #expect(plain == [19, 22, 43, 50])
            let transposed = try Case(m: 2, n: 2, k: 2, transposes: (true, false))
                .run(left: left, right: right, bias: [], output: zeros)
            #expect(transposed == [26, 30, 38, 44])
            // Bias -20, -60, on top of 1s: [0 -37; 24 -9], then relu.
            let full = try Case(m: 2, n: 2, k: 2, hasBias: true, accumulates: true, activation: APUS_ACTIVATION_RELU)
                .run(left: left, right: right, bias: [-20, -60], output: [1, 1, 1, 1])
            #expect(full == [0, 0, 24, 0])
            // A quarter of it taken from 10, exactly.
            let less = try Case(m: 2, n: 2, k: 2, accumulates: true, scale: -0.25)
                .run(left: left, right: right, bias: [], output: [10, 10, 10, 10])
            let product = try Case(m: 2, n: 2, k: 2).run(left: left, right: right, bias: [], output: [0, 0, 0, 0])
            #expect(less == product.map { 10 - $0 / 4 })
        }

        @Test(arguments: [
            (1, 1, 1), (1, 5, 3), (3, 1, 7), (5, 2, 1), (7, 10, 33), (17, 2, 64), (33, 65, 2), (64, 48, 31),
            (128, 10, 784),
        ])
        func shapes(m: Int, n: Int, k: Int) throws {
            for left in [false, true] {
                for right in [false, true] {
                    try Case(m: m, n: n, k: k, transposes: (left, right)).verify()
                    try Case(m: m, n: n, k: k, transposes: (left, right), hasBias: true, accumulates: true).verify()
                    try Case(m: m, n: n, k: k, transposes: (left, right), accumulates: true, scale: -0.375).verify()
                }
            }
        }

        // Large enough for loops of their own (65,536 numbers), with rows left over, a short last vector, few terms.
        @Test(arguments: [(274, 256, 33), (256, 271, 3)]) func stepsOfGradientDescent(m: Int, n: Int, k: Int) throws {
            try Case(m: m, n: n, k: k, transposes: (true, false), accumulates: true, scale: -0.375).verify()
        }

        /// A plain product has no such loops, nor has what is too small, has too many terms or does not fill vectors.
        @Test(.enabled(if: apus_has_fast_bfloat16_pairs())) func stepsAreChosen() throws {
            for (m, n, k, isPlain, pairs, name) in [
                (256, 256, 256, false, false, "tiles:avx512"), (256, 256, 257, false, false, nil),
                (256, 255, 256, false, false, nil), (63, 2048, 8, false, false, nil),
                (700, 100, 128, false, false, nil), (256, 256, 256, true, false, nil),
                (64, 17, 256, false, true, "tiles:avx512_bf16"), (64, 17, 257, false, true, "pairs:avx512_bf16"),
                (63, 17, 256, false, true, "pairs:avx512_bf16"), (64, 17, 256, true, true, "pairs:avx512_bf16"),
            ] as [(Int, Int, Int, Bool, Bool, String?)] {
                var engine: OpaquePointer?, matmul: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                if pairs { apus_engine_set_pair_products(engine) }
                var description = apus_matmul_description()
                (description.batch, description.inner) = (1, Int64(k))
                (description.rows, description.columns) = (Int64(m), Int64(n))
                (description.transposes_left, description.has_scale) = (true, true)
                description.accumulates = !isPlain
                try check(apus_matmul_create(engine, &description, &matmul))
                defer { apus_matmul_destroy(matmul) }
                let actual = String(cString: apus_matmul_implementation(matmul))
                #expect(name.map { $0 == actual } ?? !actual.hasPrefix("tiles"), "\(m) x \(n) x \(k): \(actual)")
            }
        }

        /// With AMX it is computed there, without it as ever. The products are exact in both: only sums round.
        @Test(arguments: [(33, 65, 31), (128, 10, 784)]) func roundedFactors(m: Int, n: Int, k: Int) throws {
            let left = sampleValues(m * k, seed: 1, scale: 0.5).map(\.roundedToBfloat16)
            let right = sampleValues(k * n, seed: 2, scale: 0.5).map(\.roundedToBfloat16)
            let (bias, output) = (sampleValues(n, seed: 3), sampleValues(m * n, seed: 4))
            for product in [
                Case(m: m, n: n, k: k, hasBias: true, activation: APUS_ACTIVATION_TANH, hasRoundedFactors: true),
                Case(
                    m: m, n: n, k: k, transposes: (true, true), accumulates: true, scale: -0.5, hasRoundedFactors: true),
            ] {
                let result = try product.run(left: left, right: right, bias: bias, output: output)
                let expected = product.expected(left: left, right: right, bias: bias, output: output)
                #expect(relativeError(result, expected, floor: 1) < 2e-5)
            }
        }

        @Test func batches() throws {
            for shared in [(false, false), (true, false), (false, true), (true, true)] {
                for transposes in [(false, false), (true, false), (false, true), (true, true)] {
                    for hasBias in [false, true] {
                        try Case(
                            batch: 3, m: 4, n: 5, k: 6, transposes: transposes, hasBias: hasBias, accumulates: hasBias,
                            shared: shared
                        ).verify()
                    }
                }
            }
        }

        @Test func activations() throws {
            for raw in 0...APUS_ACTIVATION_SQUARE_ROOT.rawValue where raw != APUS_ACTIVATION_SQUARE_ROOT.rawValue {
                try Case(
                    m: 9, n: 17, k: 5, hasBias: true, activation: apus_activation(rawValue: raw),
                    alpha: raw == APUS_ACTIVATION_RELU.rawValue ? 0.1 : 1
                ).verify()
            }
            let root = try Case(m: 1, n: 2, k: 1, activation: APUS_ACTIVATION_SQUARE_ROOT)
                .run(left: [1], right: [4, 9], bias: [], output: [0, 0])
            #expect(root == [2, 3])
        }

        @Test func emptyAxes() throws {
            #expect(try Case(m: 0, n: 3, k: 2).run(left: [], right: [1, 1, 1, 1, 1, 1], bias: [], output: []) == [])
            let sums = try Case(
                batch: 2, m: 2, n: 1, k: 0, hasBias: true, accumulates: true, activation: APUS_ACTIVATION_RELU
            )
            .run(left: [], right: [], bias: [-2], output: [1, 2, 3, 4])
            #expect(sums == [0, 0, 1, 2])
            #expect(try Case(m: 1, n: 2, k: 0).run(left: [], right: [], bias: [], output: [7, 7]) == [0, 0])
        }

        @Test func repeatsItself() throws {
            let (one, two) = try withThreadCounts {
                let run = {
                    try Case(m: 128, n: 512, k: 256).run(
                        left: sampleValues(128 * 256, seed: 1), right: sampleValues(512 * 256, seed: 2), bias: [],
                        output: [Float](repeating: 0, count: 128 * 512))
                }
                return (try run(), try run())
            }
            #expect(bits(one.0) == bits(one.1))
            #expect(bits(two.0) == bits(two.1))
        }

        /// Without AVX-512 oneDNN multiplies with a scale in a plain loop; see `ONEDNN_MAX_CPU_ISA` in determinism.md.
        @Test func noProductIsAPlainLoop() throws {
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (1, 784, 512, 128)
            (description.transposes_left, description.accumulates, description.has_scale) = (true, true, true)
            var (engine, matmul): (OpaquePointer?, OpaquePointer?)
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            try check(apus_matmul_create(engine, &description, &matmul))
            defer { apus_matmul_destroy(matmul) }
            #expect(!String(cString: apus_matmul_implementation(matmul)).hasPrefix("ref"))
        }

        @Test func refusesNonsense() throws {
            #expect(throws: KernelFailure.self) {
                try Case(m: -1, n: 3, k: 2).run(left: [], right: [], bias: [], output: [])
            }
        }
    }
}
