import ApusCore
import CApusKernels
import Testing

extension KernelTests.Matmul {
    /// Left sides that are bytes of rows in any order, against the numbers that these stand for.
    @Suite struct ByteRows {
        private static let scale: Float = 1 / 255

        /// `isThin`: a gradient of a kernel, whose terms are the rows; else a small layer's output.
        private func verify(m: Int, n: Int, k: Int, isThin: Bool, hasScale: Bool, accumulates: Bool) throws {
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (
                1, Int64(m), Int64(n), Int64(k)
            )
            (description.transposes_left, description.has_scale, description.accumulates) = (
                isThin, hasScale, accumulates
            )
            (description.left_batch_stride, description.right_batch_stride) = (Int64(m * k), Int64(k * n))
            description.has_bias = !isThin && !hasScale
            description.activation = isThin ? APUS_ACTIVATION_NONE : APUS_ACTIVATION_SIGMOID
            var (engine, matmul): (OpaquePointer?, OpaquePointer?)
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            try check(apus_matmul_create(engine, &description, &matmul))
            defer { apus_matmul_destroy(matmul) }
            try #require(apus_matmul_reads_byte_rows(matmul))

            // Twice as many rows as are read, these from the last to the first of every second one.
            let (count, size) = isThin ? (k, m) : (m, k)
            let random = Philox(seed: 5)
            let bytes = (0..<2 * count * size).map { UInt8(truncatingIfNeeded: random.word($0)) }
            let indices = (0..<count).map { Int32(2 * (count - 1 - $0) + 1) }
            let floats = indices.flatMap { index in
                bytes[Int(index) * size..<(Int(index) + 1) * size].map { Float($0) * Self.scale }
            }
            let (right, bias) = (sampleValues(k * n, seed: 2), sampleValues(n, seed: 3))
            let before = sampleValues(m * n, seed: 4)
            var (expected, result) = (before, before)
            try check(apus_matmul_run(matmul, floats, right, bias, -0.375, &expected))
            try bytes.withUnsafeBufferPointer { bytes in
                try indices.withUnsafeBufferPointer { indices in
                    var rows = apus_byte_rows(
                        bytes: bytes.baseAddress, indices: indices.baseAddress, scale: Self.scale)
                    try check(apus_matmul_run_byte_rows(matmul, &rows, right, bias, -0.375, &result))
                }
            }
            #expect(bits(result) == bits(expected), "\(m)x\(n)x\(k)")
        }

        @Test(
            .enabled(if: areOurs),
            arguments: [
                (32, 1, 24), (33, 2, 50), (35, 3, 72), (34, 4, 97), (37, 5, 120), (64, 6, 144), (40, 7, 301),
                (38, 8, 192), (36, 9, 224), (128, 10, 784), (39, 11, 265), (64, 12, 288), (33, 2, 2048),
                (45, 11, 1703), (33, 12, 2048),
            ])
        func outputsOfSmallLayers(m: Int, n: Int, k: Int) throws {
            for (hasScale, accumulates) in [(false, false), (true, false), (false, true), (true, true)] {
                try verify(m: m, n: n, k: k, isThin: false, hasScale: hasScale, accumulates: accumulates)
            }
        }

        @Test(
            .enabled(if: areOurs),
            arguments: [
                (100, 1, 5), (784, 10, 128), (97, 16, 7), (33, 15, 33), (17, 16, 33), (6, 5, 1), (63, 11, 512),
                (64, 2, 9), (130, 3, 511), (95, 14, 64), (1000, 12, 100),
            ])
        func gradientsOfSmallLayers(m: Int, n: Int, k: Int) throws {
            for (hasScale, accumulates) in [(false, false), (true, true)] {
                try verify(m: m, n: n, k: k, isThin: true, hasScale: hasScale, accumulates: accumulates)
            }
        }

        @Test(.enabled(if: areOurs)) func anyNumberOfThreads() throws {
            _ = try withThreadCounts {
                try verify(m: 100, n: 10, k: 784, isThin: false, hasScale: false, accumulates: false)
                try verify(m: 781, n: 10, k: 128, isThin: true, hasScale: true, accumulates: true)
            }
        }

        /// By hand: rows (3, 4) and (1, 2) of bytes, halved, are (1.5, 2) and (0.5, 1). The product needs 32 rows and
        /// 24 terms a column: all others are 0.
        @Test(.enabled(if: areOurs)) func byHand() throws {
            var description = apus_matmul_description()
            (description.batch, description.rows, description.columns, description.inner) = (1, 32, 1, 24)
            (description.left_batch_stride, description.right_batch_stride) = (32 * 24, 24)
            var (engine, matmul): (OpaquePointer?, OpaquePointer?)
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            try check(apus_matmul_create(engine, &description, &matmul))
            defer { apus_matmul_destroy(matmul) }
            var bytes = [UInt8](repeating: 0, count: 3 * 24)
            (bytes[0], bytes[23], bytes[24], bytes[47]) = (1, 2, 3, 4)
            var indices = [Int32](repeating: 2, count: 32)
            (indices[0], indices[31]) = (1, 0)
            var right = [Float](repeating: 0, count: 24)
            (right[0], right[23]) = (10, 100)
            var output = [Float](repeating: 7, count: 32)
            try bytes.withUnsafeBufferPointer { bytes in
                try indices.withUnsafeBufferPointer { indices in
                    var rows = apus_byte_rows(bytes: bytes.baseAddress, indices: indices.baseAddress, scale: 0.5)
                    try check(apus_matmul_run_byte_rows(matmul, &rows, right, nil, 1, &output))
                }
            }
            #expect(output == [215] + [Float](repeating: 0, count: 30) + [105])
        }

        /// oneDNN's products read numbers only, and so do the others of ours.
        @Test func otherProductsReadNoBytes() throws {
            for (m, n, k, isThin) in [(128, 64, 784, false), (10, 784, 128, true)] {
                var description = apus_matmul_description()
                (description.batch, description.rows, description.columns, description.inner) = (
                    1, Int64(m), Int64(n), Int64(k)
                )
                (description.left_batch_stride, description.right_batch_stride) = (Int64(m * k), Int64(k * n))
                description.transposes_left = isThin
                var (engine, matmul): (OpaquePointer?, OpaquePointer?)
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                try check(apus_matmul_create(engine, &description, &matmul))
                defer { apus_matmul_destroy(matmul) }
                #expect(!apus_matmul_reads_byte_rows(matmul))
                var rows = apus_byte_rows(bytes: nil, indices: nil, scale: 1)
                var output: [Float] = [0]
                #expect(
                    apus_matmul_run_byte_rows(matmul, &rows, [0], nil, 1, &output) == Int32(APUS_UNSUPPORTED))
            }
        }
    }
}
