import CApusKernels
import Testing

extension KernelTests.Matmul {
    /// Gradients of small layers' kernels: rows, columns and terms around the borders of the loops of ours.
    @Test(arguments: [
        (1, 100, 5), (2, 512, 128), (16, 97, 7), (17, 97, 7), (100, 1, 5), (784, 10, 128), (97, 16, 7), (97, 17, 7),
        (16, 16, 33), (5, 5, 1), (63, 11, 512), (63, 11, 513), (3, 130, 511),
    ])
    func thinProducts(m: Int, n: Int, k: Int) throws {
        for accumulates in [false, true] {
            for scale in [nil, -0.375] as [Float?] {
                try Case(m: m, n: n, k: k, transposes: (true, false), accumulates: accumulates, scale: scale).verify()
            }
        }
        // The same matrix for each of three right sides.
        try Case(
            batch: 3, m: m, n: n, k: k, transposes: (true, false), accumulates: true, shared: (true, true)
        ).verify()
    }

    /// Who computes what, where the processor has AVX-512.
    @Test func loopsOfOursAreForThinGradientsOnly() throws {
        func implementation(_ change: (inout apus_matmul_description) -> Void) throws -> String {
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (1, 784, 10, 128)
            description.transposes_left = true
            change(&description)
            description.left_batch_stride = description.rows * description.inner
            description.right_batch_stride = description.columns * description.inner
            return try self.implementation(of: description)
        }
        let ours = Self.areOurs
        #expect((try implementation { _ in } == "thin:avx512") == ours)
        #expect((try implementation { ($0.rows, $0.columns) = (2, 512) } == "thin:avx512") == ours)
        for change: (inout apus_matmul_description) -> Void in [
            { $0.transposes_left = false }, { $0.transposes_right = true }, { $0.has_bias = true },
            { $0.activation = APUS_ACTIVATION_RELU }, { $0.columns = 17 }, { $0.inner = 513 }, { $0.batch = 2 },
        ] {
            #expect(try implementation(change) != "thin:avx512")
        }
    }

    /// What computes a product.
    func implementation(of description: apus_matmul_description) throws -> String {
        var (engine, matmul, description): (OpaquePointer?, OpaquePointer?, _) = (nil, nil, description)
        try check(apus_engine_create(&engine))
        defer { apus_engine_destroy(engine) }
        try check(apus_matmul_create(engine, &description, &matmul))
        defer { apus_matmul_destroy(matmul) }
        return String(cString: apus_matmul_implementation(matmul))
    }

    static var areOurs: Bool { String(cString: apus_instruction_set()).hasPrefix("AVX-512") }

    /// oneDNN's own may change.
    @Test(.enabled(if: areOurs)) func threadsDoNotChangeThinProducts() throws {
        for (m, n) in [(784, 10), (2, 5000)] {
            let results = try withThreadCounts {
                try Case(m: m, n: n, k: 128, transposes: (true, false), accumulates: true, scale: 0.3).run(
                    left: sampleValues(128 * m, seed: 1), right: sampleValues(128 * n, seed: 2), bias: [],
                    output: sampleValues(m * n, seed: 3))
            }
            let areEqual = bits(results.one) == bits(results.two)
            #expect(areEqual, "\(m) x \(n)")
        }
    }
}
