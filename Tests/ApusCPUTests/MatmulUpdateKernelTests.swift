import CApusKernels
import Testing

extension KernelTests {
    @Suite struct MatmulUpdate {
        struct Case: CustomTestStringConvertible {
            var rows: Int, columns: Int, inner: Int
            var rule = APUS_UPDATE_ADAM
            var epsilon: Float = 1e-7
            var multipliesPairs = false
            var testDescription: String { "\(rows)x\(columns)x\(inner) rule \(rule.rawValue)" }

            var description: apus_matmul_update_description {
                var description = apus_matmul_update_description()
                (description.rows, description.columns) = (Int64(rows), Int64(columns))
                (description.inner, description.rule) = (Int64(inner), rule)
                (description.decay, description.epsilon) = (0.9, epsilon)
                (description.momentum_share, description.velocity_share) = (0.1, 0.001)
                description.multiplies_pairs = multipliesPairs
                return description
            }

            /// The arrays after a step, in place: parameter, momentum, velocity.
            func run(_ left: [Float], _ right: [Float], _ old: [[Float]], rate: Float) throws -> [[Float]] {
                var description = description, engine: OpaquePointer?, update: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                try check(apus_matmul_update_create(engine, &description, &update))
                defer { apus_matmul_update_destroy(update) }
                var (parameter, momentum, velocity) = (old[0], old[1], old[2])
                parameter.withUnsafeMutableBufferPointer { parameter in
                    momentum.withUnsafeMutableBufferPointer { momentum in
                        velocity.withUnsafeMutableBufferPointer { velocity in
                            let (w, m, v) = (parameter.baseAddress, momentum.baseAddress, velocity.baseAddress)
                            var arrays = apus_update_arrays(
                                parameter: w, momentum: m, velocity: v, new_parameter: w, new_momentum: m,
                                new_velocity: v, rate: rate)
                            apus_matmul_update_run(update, left, right, &arrays)
                        }
                    }
                }
                return [parameter, momentum, velocity]
            }

            func expected(_ left: [Float], _ right: [Float], _ old: [[Float]], rate: Float) -> [[Double]] {
                var new = old.map { $0.map(Double.init) }
                let rate = Double(rate)
                for i in 0..<rows {
                    for j in 0..<columns {
                        let place = i * columns + j
                        let g = (0..<inner).reduce(0.0) {
                            $0 + Double(left[$1 * rows + i]) * Double(right[$1 * columns + j])
                        }
                        if rule == APUS_UPDATE_DESCENT {
                            new[0][place] -= rate * g
                        } else if rule == APUS_UPDATE_NESTEROV {
                            new[1][place] = 0.9 * new[1][place] - rate * g
                            new[0][place] -= rate * g - 0.9 * new[1][place]
                        } else {
                            new[1][place] += (g - new[1][place]) * 0.1
                            new[2][place] += (g * g - new[2][place]) * 0.001
                            new[0][place] -= rate * new[1][place] / (new[2][place].squareRoot() + Double(epsilon))
                        }
                    }
                }
                return new
            }
        }

        /// Whether pairs are multiplied: that, too, where the processor can.
        private static let ways = apus_has_bfloat16_pairs() ? [false, true] : [false]

        // By hand, one number, g = 2 * 3 = 6. Gradient descent: w' = 10 - 0.5 * 6 = 7. Nesterov:
        // m' = 0.9 * 10 - 0.5 * 6 = 6, w' = 1 - (3 - 5.4) = 3.4. Adam:
        // m' = 10 + (6 - 10) * 0.1 = 9.6, v' = 4 + (36 - 4) * 0.001 = 4.032, w' = 1 - 0.5 * 9.6 / sqrt(4.032).
        @Test func oneNumber() throws {
            let old: [[Float]] = [[1], [10], [4]]
            let descent = try Case(rows: 1, columns: 1, inner: 1, rule: APUS_UPDATE_DESCENT)
                .run([2], [3], [[10], [5], [5]], rate: 0.5)
            #expect(descent == [[7], [5], [5]])
            let nesterov = try Case(rows: 1, columns: 1, inner: 1, rule: APUS_UPDATE_NESTEROV)
                .run([2], [3], old, rate: 0.5)
            #expect(relativeError(nesterov[0], [3.4]) < 2e-7 && nesterov[1] == [6] && nesterov[2] == [4])
            let adam = try Case(rows: 1, columns: 1, inner: 1).run([2], [3], old, rate: 0.5)
            #expect(relativeError(adam[0], [1 - 4.8 / 4.032.squareRoot()]) < 2e-7)
            #expect(relativeError(adam[1], [9.6]) < 2e-7 && relativeError(adam[2], [4.032]) < 2e-7)
        }

        #if arch(x86_64)
            // A hundredth of the smallest normal number, 1.2e-38: as 0, it gives no gradient of 1.2e-10.
            @Test func denormalsAreZeros() throws {
                let tiny = Float.leastNormalMagnitude / 100, large: Float = 1e30
                for pairs in Self.ways {
                    let new = try Case(
                        rows: 1, columns: 1, inner: 1, rule: APUS_UPDATE_NESTEROV, multipliesPairs: pairs
                    ).run([tiny], [large], [[1], [0], [0]], rate: 1)
                    #expect(new[0] == [1] && new[1] == [0])
                }
                // Outside the kernel this thread multiplies as before.
                #expect(multiplied(tiny, large) > 1e-10)
            }
        #endif

        // Whole tiles and panels, parts of both, terms enough to use a tile while the next is multiplied and not, more
        // columns than one block holds with so many terms, no terms.
        @Test(
            arguments: [
                (6, 64, 16), (12, 128, 128), (7, 65, 3), (1, 17, 9), (23, 15, 130), (3, 100, 1), (97, 33, 12),
                (2, 500, 1000), (5, 20, 0), (25, 130, 128), (19, 272, 200), (13, 64, 5),
            ].flatMap { size in
                [APUS_UPDATE_DESCENT, APUS_UPDATE_NESTEROV, APUS_UPDATE_ADAM].map {
                    Case(rows: size.0, columns: size.1, inner: size.2, rule: $0)
                }
            })
        func agreesWithTheFormula(_ example: Case) throws {
            let left = sampleValues(example.inner * example.rows, seed: 1)
            let right = sampleValues(example.inner * example.columns, seed: 2)
            let count = example.rows * example.columns
            let old = [
                sampleValues(count, seed: 3), sampleValues(count, seed: 4),
                sampleValues(count, seed: 5).map { $0 * $0 },
            ]
            let (one, two) = try withThreadCounts { try example.run(left, right, old, rate: 0.01) }
            #expect(one.map(bits) == two.map(bits))
            for (actual, expected) in zip(one, example.expected(left, right, old, rate: 0.01)) {
                #expect(relativeError(actual, expected) < 1e-5)
            }
        }

        // With a velocity of 0, of the smallest number, just below and above the normal ones, and so large that its root
        // is 1e18: m' = g, as all else is 0. The epsilons are the usual one and the least.
        @Test(
            arguments: [
                0, .leastNonzeroMagnitude, .leastNormalMagnitude.nextDown, .leastNormalMagnitude.nextUp, 1e36,
            ] as [Float], [1e-7, 1e-12] as [Float])
        func rootsAtTheirLimits(_ velocity: Float, _ epsilon: Float) throws {
            let gradient: Float = 0x1p-80  // 8.3e-25
            for multipliesPairs in Self.ways {
                let adam = try Case(rows: 1, columns: 1, inner: 1, epsilon: epsilon, multipliesPairs: multipliesPairs)
                    .run([gradient], [1], [[0], [gradient], [velocity]], rate: 1e15)
                let expected = -1e15 * Double(gradient) / (Double(adam[2][0]).squareRoot() + Double(epsilon))
                #expect(relativeError(adam[0], [expected], floor: 1e-30) < 1e-6, "pairs: \(multipliesPairs)")
            }
        }

        // The sums of the most terms, all positive: one after the other, they may be off by some units of 2^-24. From
        // nothing and with a rate of 1, the momentum is the gradient's negative.
        @Test func theMostTerms() throws {
            let example = Case(rows: 7, columns: 70, inner: Int(APUS_UPDATE_MOST_TERMS), rule: APUS_UPDATE_NESTEROV)
            let left = sampleValues(example.inner * example.rows, seed: 1).map(\.magnitude)
            let right = sampleValues(example.inner * example.columns, seed: 2).map(\.magnitude)
            let none = [Float](repeating: 0, count: example.rows * example.columns), old = [none, none, none]
            let new = try example.run(left, right, old, rate: 1)
            #expect(relativeError(new[1], example.expected(left, right, old, rate: 1)[1]) < 5e-6)
        }

        // A panel of the most terms, and a tile of 6 x 64, for each thread.
        @Test func memory() throws {
            func byteCount(_ columns: Int, _ inner: Int, pairs: Bool = false) throws -> Int {
                var description = Case(rows: 1, columns: columns, inner: inner, multipliesPairs: pairs).description
                var engine: OpaquePointer?, update: OpaquePointer?
                try check(apus_engine_create(&engine))
                defer { apus_engine_destroy(engine) }
                try check(apus_matmul_update_create(engine, &description, &update))
                defer { apus_matmul_update_destroy(update) }
                return Int(apus_engine_workspace(engine)) / Int(apus_thread_count())
            }
            #expect(try byteCount(10_000, 2048) == 4 * (64 * 2048 + 6 * 64))
            for inner in [1, 100, 1023, 1024, 2047] {
                #expect(try byteCount(1_000_000, inner) <= 514 << 10, "\(inner) terms")
            }
            guard apus_has_bfloat16_pairs() else { return }
            // And 96 rows of the left side, in half as many 32-bit places as there are terms.
            for inner in [1, 2, 100, 1023, 1024, 2047, 2048] {
                #expect(try byteCount(1_000_000, inner, pairs: true) <= 642 << 10, "\(inner) terms")
            }
        }

        // As the formula has it: an infinite velocity stops the parameter, a gradient that is no number spoils all.
        @Test func notFinite() throws {
            for pairs in Self.ways {
                let one = Case(rows: 1, columns: 1, inner: 1, multipliesPairs: pairs)
                let infinite = try one.run([1e30], [1], [[1], [0], [0]], rate: 1)
                #expect(infinite[0] == [1] && infinite[2] == [.infinity])
                let none = try one.run([.nan], [1], [[1], [0], [0]], rate: 1)
                #expect(none.joined().filter { !$0.isNaN }.isEmpty)
            }
        }

        @Test func senselessDescriptionsAreRefused() throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            func status(_ example: Case) -> Int32 {
                var description = example.description, update: OpaquePointer?
                let status = apus_matmul_update_create(engine, &description, &update)
                #expect(update == nil)
                return status
            }
            #expect(status(Case(rows: -1, columns: 1, inner: 1)) == APUS_INVALID_DESCRIPTION)
            #expect(status(Case(rows: 1, columns: 1, inner: 1, epsilon: 9.9e-13)) == APUS_INVALID_DESCRIPTION)
            #expect(status(Case(rows: 1, columns: 1, inner: 1, epsilon: .nan)) == APUS_INVALID_DESCRIPTION)
            #expect(status(Case(rows: 1, columns: 1, inner: 2049)) == APUS_LIMIT_EXCEEDED)
        }
    }
}

/// As the processor multiplies now, whatever a compiler knows of the numbers.
@inline(never) @_optimize(none) private func multiplied(_ x: Float, _ y: Float) -> Float { x * y }
