import ApusCore
import CApusKernels
import Testing

/// Products that round their factors to bfloat16 and multiply pairs.
extension KernelTests.Matmul {
    @Suite(.enabled(if: apus_has_bfloat16_pairs())) struct Pairs {
        /// As `Case.verify`, with operands that rounding changes: what is expected is of the rounded ones.
        private func verify(_ product: Case) throws {
            var product = product
            product.multipliesPairs = true
            let (m, n, k) = (product.m, product.n, product.k)
            let left = sampleValues((product.shared.left ? 1 : product.batch) * m * k, seed: 1, scale: 0.5)
            let right = sampleValues((product.shared.right ? 1 : product.batch) * k * n, seed: 2, scale: 0.5)
            let (bias, output) = (sampleValues(n, seed: 3), sampleValues(product.batch * m * n, seed: 4))
            let result = try product.run(left: left, right: right, bias: bias, output: output)
            let (roundedLeft, roundedRight) = (left.map(\.roundedToBfloat16), right.map(\.roundedToBfloat16))
            let expected = product.expected(left: roundedLeft, right: roundedRight, bias: bias, output: output)
            #expect(relativeError(result, expected, floor: 1) < 2e-5, "\(product)")
            // Rounding once more changes nothing.
            let again = try product.run(left: roundedLeft, right: roundedRight, bias: bias, output: output)
            #expect(bits(again) == bits(result), "\(product)")
            #expect(k == 0 || left != roundedLeft)
        }

        // By hand: 1 + 2^-8 becomes 1 and 1 + 3 * 2^-8 becomes 1 + 2^-6, both halfway, to even: 1 * 3 + 1.015625 * 5 +
        // 2 * 7 = 22.078125, an odd number of terms. With a scale of -2 and on top of 1: -43.15625.
        @Test func aProductByHand() throws {
            let (left, right): ([Float], [Float]) = ([1.00390625, 1.01171875, 2], [3, 5, 7])
            let product = try Case(m: 1, n: 1, k: 3, multipliesPairs: true)
                .run(left: left, right: right, bias: [], output: [0])
            #expect(product == [22.078125])
            let scaled = try Case(m: 1, n: 1, k: 3, accumulates: true, scale: -2, multipliesPairs: true)
                .run(left: left, right: right, bias: [], output: [1])
            #expect(scaled == [-43.15625])
        }

        // Around the borders of tiles (6 rows, 64 columns), vectors (16), pairs, and blocks (384 rows).
        @Test(arguments: [
            (1, 1, 1), (1, 17, 2), (5, 64, 3), (6, 65, 31), (7, 15, 32), (13, 128, 33), (2, 48, 63), (128, 10, 65),
            (385, 20, 5), (770, 3, 17), (12, 150, 129), (73, 200, 256), (3, 5, 0),
            // The thin ones: 12 at most of the short axis, in tiles of 5 and 6; vectors of the long one, in panels of 4,
            // and of the terms; with more than four columns 32 rows and 24 terms a column.
            (130, 2, 70), (2, 130, 70), (33, 1, 1), (1, 16, 31), (4, 17, 32), (17, 4, 33), (70, 3, 131), (4, 4, 64),
            (32, 5, 120), (36, 6, 145), (39, 10, 271), (33, 11, 264), (64, 12, 288), (7, 97, 21), (12, 200, 19),
            (200, 11, 19), (12, 12, 12), (97, 7, 3), (81, 13, 400),
        ])
        func sizesAndTranspositions(m: Int, n: Int, k: Int) throws {
            for transposes in [(false, false), (true, false), (false, true), (true, true)] {
                try verify(Case(m: m, n: n, k: k, transposes: transposes))
                try verify(Case(m: m, n: n, k: k, transposes: transposes, accumulates: true, scale: -0.375))
                try verify(Case(m: m, n: n, k: k, transposes: transposes, hasBias: true, accumulates: true))
            }
        }

        @Test(arguments: [APUS_ACTIVATION_RELU, APUS_ACTIVATION_SIGMOID, APUS_ACTIVATION_TANH])
        func functionsAfterIt(_ activation: apus_activation) throws {
            for alpha in activation == APUS_ACTIVATION_RELU ? [0, 0.25] : [0] as [Float] {
                for (m, n, k) in [(9, 70, 21), (9, 3, 21), (37, 9, 230)] {
                    try verify(Case(m: m, n: n, k: k, hasBias: true, activation: activation, alpha: alpha))
                }
            }
        }

        @Test func batches() throws {
            for shared in [(false, false), (true, false), (false, true)] {
                for batch in [2, 5] {
                    try verify(Case(batch: batch, m: 7, n: 33, k: 12, accumulates: true, shared: shared))
                    try verify(
                        Case(batch: batch, m: 7, n: 33, k: 12, transposes: (true, true), hasBias: true, shared: shared))
                }
            }
        }

        // By hand: 3.4e38 rounds to infinity; 2^-133 is below the smallest normal number and counts as 0, so that times
        // 2^120 it is 0; NaN and infinity stay, through ReLU too.
        @Test func numbersAtTheEnds() throws {
            func product(_ x: Float, _ y: Float, _ activation: apus_activation = APUS_ACTIVATION_NONE) throws -> Float {
                try Case(m: 1, n: 1, k: 1, activation: activation, multipliesPairs: true)
                    .run(left: [x], right: [y], bias: [], output: [0])[0]
            }
            #expect(try product(3.4e38, 1) == .infinity)
            #expect(try product(.leastNormalMagnitude / 128, 0x1p120) == 0)
            #expect(try product(-.infinity, 1) == -.infinity)
            #expect(try product(-.infinity, 1, APUS_ACTIVATION_RELU) == 0)
            #expect(try product(.nan, 1).isNaN && product(1, .nan, APUS_ACTIVATION_RELU).isNaN)
            #expect(try product(0, .infinity).isNaN)
        }

        /// A part is one thread's, and each number is added up in one order.
        @Test func threadsDoNotChangeThem() throws {
            // From the fourth on they are thin.
            for (m, n, batch, transposes) in [
                (128, 512, 1, (true, false)), (600, 40, 1, (true, false)), (20, 30, 8, (true, false)),
                (2000, 2, 1, (true, false)), (3, 2000, 1, (true, false)), (2000, 2, 1, (false, false)),
                (2000, 2, 1, (false, true)), (2000, 10, 1, (true, false)), (12, 2000, 1, (true, false)),
                (2000, 10, 1, (false, false)),
            ] {
                let results = try withThreadCounts {
                    try Case(batch: batch, m: m, n: n, k: 250, transposes: transposes, multipliesPairs: true).run(
                        left: sampleValues(batch * 250 * m, seed: 1), right: sampleValues(batch * 250 * n, seed: 2),
                        bias: [], output: sampleValues(batch * m * n, seed: 3))
                }
                let areEqual = bits(results.one) == bits(results.two)
                #expect(areEqual, "\(batch) of \(m) x \(n)")
            }
        }

        /// Few columns, or rows where the left side is transposed, go by loops of their own.
        @Test func thinOnesAreChosen() throws {
            for (m, n, k, transposes, hasBias, isThin) in [
                (128, 4, 512, (false, false), true, true), (128, 4, 512, (false, true), true, true),
                (32, 5, 120, (false, true), true, true), (128, 12, 288, (false, false), false, true),
                (31, 5, 120, (false, false), true, false), (32, 5, 119, (false, false), true, false),
                (128, 13, 512, (false, false), true, false), (4, 128, 512, (false, false), false, false),
                (4, 128, 512, (true, false), false, true), (128, 4, 512, (true, false), false, true),
                (12, 128, 512, (true, false), false, true), (128, 12, 512, (true, false), false, true),
                (13, 128, 512, (true, false), false, false), (4, 128, 512, (true, false), true, false),
                (4, 128, 512, (true, true), false, false), (128, 4, 512, (true, true), false, false),
                (128, 4, 4096, (false, false), false, true), (128, 4, 4097, (false, false), false, false),
            ] {
                var engine: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                apus_engine_set_pair_products(engine)
                var description = apus_matmul_description()
                (description.batch, description.inner) = (1, Int64(k))
                (description.rows, description.columns) = (Int64(m), Int64(n))
                (description.transposes_left, description.transposes_right) = transposes
                description.has_bias = hasBias
                var matmul: OpaquePointer?
                try check(apus_matmul_create(engine, &description, &matmul))
                defer { apus_matmul_destroy(matmul) }
                let name = String(cString: apus_matmul_implementation(matmul))
                #expect(name == (isThin ? "pairs:thin" : "pairs:avx512_bf16"), "\(m) x \(n) x \(k)")
                #expect(isThin ? apus_matmul_workspace(matmul) > 0 : apus_engine_workspace(engine) > 0)
            }
        }

        /// What is packed goes into memory of the engine, which a larger product moves.
        @Test func scratchMemoryMoves() throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            apus_engine_set_pair_products(engine)
            func product(_ rows: Int, _ columns: Int, _ inner: Int) throws -> OpaquePointer? {
                var description = apus_matmul_description(), matmul: OpaquePointer?
                (description.batch, description.rows) = (1, Int64(rows))
                (description.columns, description.inner) = (Int64(columns), Int64(inner))
                try check(apus_matmul_create(engine, &description, &matmul))
                return matmul
            }
            func ones(_ count: Int) -> [Float] { [Float](repeating: 1, count: count) }
            let small = try product(20, 40, 30)
            defer { apus_matmul_destroy(small) }
            var step = apus_matmul_update_description(), update: OpaquePointer?
            (step.rows, step.columns, step.inner) = (20, 40, 30)
            (step.rule, step.multiplies_pairs) = (APUS_UPDATE_DESCENT, true)
            try check(apus_matmul_update_create(engine, &step, &update))
            defer { apus_matmul_update_destroy(update) }
            let before = apus_engine_workspace(engine)
            let large = try product(200, 300, 700)
            defer { apus_matmul_destroy(large) }
            #expect(apus_engine_workspace(engine) > before)
            for _ in 0..<2 {
                var output = [Float](repeating: 0, count: 800)
                try check(apus_matmul_run(small, ones(600), ones(1200), nil, 1, &output))
                #expect(output == [Float](repeating: 30, count: 800))
                output.withUnsafeMutableBufferPointer { output in
                    var arrays = apus_update_arrays()
                    (arrays.parameter, arrays.new_parameter) = (UnsafePointer(output.baseAddress), output.baseAddress)
                    arrays.rate = 0.5
                    apus_matmul_update_run(update, ones(600), ones(1200), &arrays)
                }
                #expect(output == [Float](repeating: 15, count: 800))
                output = [Float](repeating: 0, count: 60_000)
                try check(apus_matmul_run(large, ones(140_000), ones(210_000), nil, 1, &output))
                #expect(output == [Float](repeating: 700, count: 60_000))
            }
        }

        /// Only what plans put after a product.
        @Test func otherFunctionsAreRefused() throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            apus_engine_set_pair_products(engine)
            #expect(apus_engine_has_pair_products(engine))
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (1, 2, 2, 2)
            description.activation = APUS_ACTIVATION_GELU
            var matmul: OpaquePointer?
            #expect(apus_matmul_create(engine, &description, &matmul) == Int32(APUS_UNSUPPORTED))
            #expect(matmul == nil)
        }

        // The gradient is of rounded factors: g = r(1.00390625) * 3 = 3, m' = 0.9 * 10 - 0.5 * 3 = 7.5,
        // w' = 1 - (1.5 - 0.9 * 7.5) = 6.25.
        @Test func anUpdateByHand() throws {
            let new = try KernelTests.MatmulUpdate.Case(
                rows: 1, columns: 1, inner: 1, rule: APUS_UPDATE_NESTEROV, multipliesPairs: true
            ).run([1.00390625], [3], [[1], [10], [4]], rate: 0.5)
            #expect(relativeError(new[0], [6.25]) < 2e-7 && new[1] == [7.5])
        }

        // Around the borders of tiles, panels and blocks (96 rows); more columns than a block holds with so many terms.
        @Test(arguments: [(1, 1, 1), (6, 64, 2), (97, 65, 33), (193, 17, 128), (13, 300, 2048), (5, 7, 0)])
        func updates(rows: Int, columns: Int, inner: Int) throws {
            for rule in [APUS_UPDATE_DESCENT, APUS_UPDATE_NESTEROV, APUS_UPDATE_ADAM] {
                let update = KernelTests.MatmulUpdate.Case(
                    rows: rows, columns: columns, inner: inner, rule: rule, multipliesPairs: true)
                let left = sampleValues(rows * inner, seed: 1), right = sampleValues(columns * inner, seed: 2)
                var old = (3...5).map { sampleValues(rows * columns, seed: $0) }
                old[2] = old[2].map { $0 * $0 + 0.1 }
                let new = try update.run(left, right, old, rate: 0.01)
                let expected = update.expected(
                    left.map(\.roundedToBfloat16), right.map(\.roundedToBfloat16), old, rate: 0.01)
                for (array, numbers) in zip(new, expected) { #expect(relativeError(array, numbers, floor: 1) < 2e-5) }
            }
        }
    }

    /// A processor without the instructions says so.
    @Test(.enabled(if: !apus_has_bfloat16_pairs())) func pairsAreRefused() throws {
        var engine: OpaquePointer?
        try check(apus_engine_create(&engine))
        defer { apus_engine_destroy(engine) }
        apus_engine_set_pair_products(engine)
        var description = apus_matmul_description()
        (description.batch, description.rows, description.columns, description.inner) = (1, 2, 2, 2)
        var matmul: OpaquePointer?
        #expect(apus_matmul_create(engine, &description, &matmul) == Int32(APUS_UNSUPPORTED))
        var update = KernelTests.MatmulUpdate.Case(rows: 2, columns: 2, inner: 2, multipliesPairs: true).description
        var kernel: OpaquePointer?
        #expect(apus_matmul_update_create(engine, &update, &kernel) == Int32(APUS_UNSUPPORTED))
    }
}
