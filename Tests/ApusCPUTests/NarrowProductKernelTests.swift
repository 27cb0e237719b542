import CApusKernels
import Testing

extension KernelTests.Matmul {
    /// Outputs of small layers: rows, columns and terms around the borders of the loops of ours.
    @Test(arguments: [
        (32, 1, 24), (32, 1, 23), (31, 1, 24), (33, 2, 50), (35, 3, 72), (34, 4, 97), (37, 5, 120), (64, 6, 144),
        (40, 7, 301), (38, 8, 192), (36, 9, 224),
        (128, 10, 784), (39, 11, 265), (39, 11, 263), (64, 12, 288), (64, 13, 400),
        (33, 2, 2048), (33, 2, 2049), (37, 10, 1000), (45, 11, 1703), (33, 12, 2048),
    ])
    func narrowProducts(m: Int, n: Int, k: Int) throws {
        for right in [false, true] {
            for scale in [nil, -0.375] as [Float?] {
                try Case(m: m, n: n, k: k, transposes: (false, right), accumulates: true, scale: scale).verify()
            }
            for activation in [APUS_ACTIVATION_NONE, APUS_ACTIVATION_SIGMOID, APUS_ACTIVATION_TANH] {
                try Case(m: m, n: n, k: k, transposes: (false, right), hasBias: true, activation: activation).verify()
            }
            // Bias and sum come before the function.
            for alpha in [0, 0.25] as [Float] {
                try Case(
                    m: m, n: n, k: k, transposes: (false, right), hasBias: true, accumulates: true,
                    activation: APUS_ACTIVATION_RELU, alpha: alpha
                ).verify()
            }
        }
        // Matrices that are one, all their rows together; and one product for each of three outputs.
        try Case(batch: 3, m: m, n: n, k: k, shared: (false, true)).verify()
        try Case(batch: 3, m: m, n: n, k: k, accumulates: true, shared: (true, true)).verify()
    }

    /// Who computes what, where the processor has AVX-512.
    @Test func loopsOfOursAreForNarrowProductsOnly() throws {
        func isOurs(_ change: (inout apus_matmul_description) -> Void = { _ in }) throws -> Bool {
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (1, 32, 10, 240)
            change(&description)
            description.left_batch_stride = description.rows * description.inner
            description.right_batch_stride = description.columns * description.inner
            return try implementation(of: description) == "narrow:avx512"
        }
        #expect(try isOurs() == Self.areOurs)
        #expect(try isOurs { ($0.transposes_right, $0.has_bias) = (true, true) } == Self.areOurs)
        #expect(try isOurs { ($0.columns, $0.inner) = (12, 288) } == Self.areOurs)
        #expect(try isOurs { ($0.columns, $0.inner) = (1, 24) } == Self.areOurs)
        for change: (inout apus_matmul_description) -> Void in [
            { $0.transposes_left = true }, { $0.rows = 31 }, { ($0.columns, $0.inner) = (13, 400) },
            { $0.inner = 239 }, { $0.inner = 2049 }, { $0.activation = APUS_ACTIVATION_GELU }, { $0.batch = 2 },
        ] {
            #expect(try !isOurs(change))
        }
    }

    /// oneDNN's own may change.
    @Test(.enabled(if: areOurs)) func threadsDoNotChangeNarrowProducts() throws {
        for (m, n, k) in [(128, 10, 300), (1001, 3, 300), (128, 10, 784), (77, 12, 2048)] {
            let results = try withThreadCounts {
                try Case(m: m, n: n, k: k, hasBias: true, activation: APUS_ACTIVATION_SIGMOID).run(
                    left: sampleValues(k * m, seed: 1), right: sampleValues(k * n, seed: 2),
                    bias: sampleValues(n, seed: 3), output: sampleValues(m * n, seed: 4))
            }
            #expect(bits(results.one) == bits(results.two))
        }
    }

    /// Each thread packs 10 columns of 240 terms; a row's sums take a vector.
    @Test(.enabled(if: areOurs)) func narrowProductsTellTheirMemory() throws {
        var description = apus_matmul_description()
        (description.batch, description.rows, description.columns, description.inner) = (1, 32, 10, 240)
        var (engine, matmul): (OpaquePointer?, OpaquePointer?)
        try check(apus_engine_create(&engine))
        defer { apus_engine_destroy(engine) }
        try check(apus_matmul_create(engine, &description, &matmul))
        defer { apus_matmul_destroy(matmul) }
        #expect(apus_matmul_workspace(matmul) == Int64(apus_thread_count()) * 10 * 240 * 4 + 32 * 64)
    }

    /// A sum that is not finite is its row's and its column's alone, and columns do not see their neighbours' numbers.
    @Test(arguments: [false, true]) func whatIsNotFiniteStaysInItsRowAndColumn(transposesRight: Bool) throws {
        let (m, n, k) = (37, 7, 181)
        var left = [Float](repeating: 1, count: m * k)
        var right = [Float](repeating: 1, count: k * n)
        left[3 * k + 180] = .infinity
        left[36 * k] = .nan
        right[transposesRight ? 6 * k + 180 : 180 * n + 6] = -.infinity
        for activation in [APUS_ACTIVATION_NONE, APUS_ACTIVATION_RELU] {
            let output = try Case(m: m, n: n, k: k, transposes: (false, transposesRight), activation: activation).run(
                left: left, right: right, bias: [], output: [Float](repeating: 0, count: m * n))
            let least: Float = activation == APUS_ACTIVATION_NONE ? -.infinity : 0
            for row in 0..<m {
                for column in 0..<n {
                    let (place, sum) = ("row \(row), column \(column)", output[row * n + column])
                    switch (row, column) {
                    case (36, _): #expect(sum.isNaN || !Self.areOurs, "\(place)")  // oneDNN's ReLU makes it 0
                    case (_, 6): #expect(sum == least, "\(place)")
                    case (3, _): #expect(sum == .infinity, "\(place)")
                    default: #expect(sum == 181, "\(place)")
                    }
                }
            }
        }
    }

    /// 1,703 terms of 11 columns make four chunks of 27 vectors at most, 432 terms: one number in each.
    @Test func whatIsNotFiniteInOneOfSeveralChunks() throws {
        let (m, n, k) = (35, 11, 1703)
        var left = [Float](repeating: 1, count: m * k)
        (left[2 * k], left[7 * k + 500], left[7 * k + 1702], left[34 * k + 900]) = (
            .infinity, .infinity, -.infinity, .nan
        )
        let output = try Case(m: m, n: n, k: k).run(
            left: left, right: [Float](repeating: 1, count: k * n), bias: [],
            output: [Float](repeating: 0, count: m * n))
        for row in 0..<m {
            for sum in output[row * n..<(row + 1) * n] {
                switch row {
                case 2: #expect(sum == .infinity)
                case 7, 34: #expect(sum.isNaN)
                default: #expect(sum == 1703)
                }
            }
        }
    }

    /// More rows than the sums of which are kept at once: 4,096.
    @Test func manyRows() throws {
        try Case(m: 4096 + 45, n: 10, k: 784, hasBias: true, activation: APUS_ACTIVATION_SIGMOID).verify()
        try Case(m: 2 * 4096 + 1, n: 3, k: 80, accumulates: true, scale: -0.375).verify()
    }
}
