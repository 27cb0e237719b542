import ApusCore
import CApusKernels
import Testing

extension KernelTests {
    /// Recurrences whose products are taken by pairs, against those that multiply the same rounded factors as float32.
    @Suite struct RecurrencePairTests {
        struct Size: CustomTestStringConvertible {
            var batch: Int
            var steps: Int
            var units: Int
            /// Of the inputs; 0 where they come projected.
            var features: Int
            var testDescription: String { "\(batch) x \(steps) x \(features), \(units) units" }
        }

        enum Way { case float32, rounded, pairs }

        static let cells = [APUS_CELL_SIMPLE, APUS_CELL_GRU, APUS_CELL_LSTM]

        /// Odd and even numbers of terms and rows, parts of vectors, panels and tiles, several blocks of rows.
        static let sizes = [
            (1, 1, 1), (1, 16, 5), (5, 17, 28), (13, 33, 7), (200, 20, 0), (195, 64, 3), (7, 130, 31), (2, 48, 0),
            (12, 31, 66),
        ]

        private static let hasPairs = apus_has_bfloat16_pairs()

        @Test(.enabled(if: hasPairs), arguments: cells, sizes)
        func oneStepIsTheSame(_ cell: apus_cell, _ size: (batch: Int, units: Int, features: Int)) throws {
            let run = RecurrenceRun(
                cell, Size(batch: size.batch, steps: 1, units: size.units, features: size.features))
            let (forward, other) = (try run.forward(.pairs), try run.forward(.rounded))
            // Nothing is rounded that another order of sums has touched. The floor is below the sums of magnitudes.
            for (name, expected) in other {
                #expect(relativeError(forward[name, default: []], expected.map(Double.init)) <= 1e-5, "\(name)")
            }
            #expect(differing(forward, other, ["previousFactors"]) == [])
            let (backward, expected) = (try run.backward(.pairs, other), try run.backward(.rounded, other))
            for (name, expected) in expected {
                #expect(relativeError(backward[name, default: []], expected.map(Double.init)) <= 1e-5, "\(name)")
            }
            #expect(differing(backward, expected, ["projected", "products"]) == [])
        }

        /// Where the last bits of two sums differ, a rounding now and then goes another way: what counts is that both
        /// are far closer to each other than to float32.
        @Test(.enabled(if: hasPairs), arguments: cells, [false, true])
        func moreStepsAreClose(_ cell: apus_cell, isReversed: Bool) throws {
            for size in [
                Size(batch: 19, steps: 4, units: 33, features: 7), Size(batch: 33, steps: 5, units: 16, features: 28),
                Size(batch: 200, steps: 3, units: 20, features: 5), Size(batch: 35, steps: 4, units: 50, features: 0),
            ] {
                let run = RecurrenceRun(cell, size, isReversed: isReversed)
                let kept = try [Way.pairs, .rounded, .float32].map { try run.forward($0) }
                let slopes = try zip([Way.pairs, .rounded, .float32], kept).map { try run.backward($0, $1) }
                for results in [kept, slopes] {
                    for (name, values) in results[0] {
                        let near = distance(values, results[1][name, default: []])
                        let far = distance(values, results[2][name, default: []])
                        #expect(near <= 0.1 * far, "\(size), \(name): \(near) and \(far)")
                    }
                }
            }
        }

        /// Sums are added up thread by thread; all else has the same bits whatever the number of threads.
        @Test(.enabled(if: hasPairs), arguments: cells) func runsRepeat(_ cell: apus_cell) throws {
            let run = RecurrenceRun(cell, Size(batch: 101, steps: 3, units: 65, features: 9))
            let count = apus_thread_count()
            defer { apus_set_thread_count(count) }
            let results = try [1, 2, 3].map { threads in
                apus_set_thread_count(Int32(threads))
                let twice = try (0..<2).map { _ in
                    let kept = try run.forward(.pairs)
                    return try kept.merging(run.backward(.pairs, kept)) { old, _ in old }
                }
                #expect(differing(twice[0], twice[1], Array(twice[0].keys)) == [])
                return twice[0]
            }
            let sums = results[0].keys.filter { $0.hasPrefix("sum") }
            for other in results[1...] {
                #expect(differing(other, results[0], results[0].keys.filter { !sums.contains($0) }) == [])
                for name in sums {
                    let expected = results[0][name, default: []].map(Double.init)
                    #expect(relativeError(other[name, default: []], expected) <= 1e-5, "\(name)")
                }
            }
        }

        @Test func pairsTakeRoundedFactorsAndAProcessor() {
            for rounds in [false, true] {
                var description = apus_recurrence_description()
                (description.cell, description.batch, description.steps, description.units) = (APUS_CELL_LSTM, 2, 2, 2)
                (description.rounds_factors, description.multiplies_pairs) = (rounds, true)
                let expected = Int32(rounds && Self.hasPairs ? APUS_SUCCESS : APUS_UNSUPPORTED)
                var recurrence: OpaquePointer?
                #expect(apus_recurrence_create(&description, &recurrence) == expected)
                #expect((recurrence != nil) == (expected == APUS_SUCCESS))
                apus_recurrence_destroy(recurrence)
                var gradient: OpaquePointer?
                #expect(apus_recurrence_gradient_create(&description, nil, 0, &gradient) == expected)
                #expect((gradient != nil) == (expected == APUS_SUCCESS))
                apus_recurrence_gradient_destroy(gradient)
            }
        }

        /// The names of those that have not the same bits.
        private func differing(_ a: [String: [Float]], _ b: [String: [Float]], _ names: [String]) -> [String] {
            names.filter { bits(a[$0, default: []]) != bits(b[$0, default: []]) }
        }

        private func distance(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
        }
    }
}

/// Fixed inputs, with initial states and a mask; results by name.
private struct RecurrenceRun {
    typealias Way = KernelTests.RecurrencePairTests.Way

    private let cell: apus_cell
    private let size: KernelTests.RecurrencePairTests.Size
    private let isReversed: Bool
    private let columns: Int
    private let storedCount: Int
    private var rows: Int { size.batch * size.steps }

    init(_ cell: apus_cell, _ size: KernelTests.RecurrencePairTests.Size, isReversed: Bool = false) {
        (self.cell, self.size, self.isReversed) = (cell, size, isReversed)
        columns = size.units * (cell == APUS_CELL_LSTM ? 4 : cell == APUS_CELL_GRU ? 3 : 1)
        storedCount = cell == APUS_CELL_SIMPLE ? 1 : 4
    }

    private func description(_ way: Way) -> apus_recurrence_description {
        var description = apus_recurrence_description()
        description.cell = cell
        (description.batch, description.steps) = (Int64(size.batch), Int64(size.steps))
        (description.units, description.features) = (Int64(size.units), Int64(size.features))
        (description.activation, description.gate_activation) = (APUS_CELL_TANH, APUS_CELL_SIGMOID)
        description.is_reversed = isReversed
        (description.rounds_factors, description.multiplies_pairs) = (way != .float32, way == .pairs)
        // As plans have them, and as they are shaped.
        description.keeps_by_step = size.batch % 2 == 0
        return description
    }

    /// Fixed numbers, rounded for products that take them so.
    private func numbers(_ count: Int, seed: UInt64, scale: Float = 1, _ way: Way) -> FloatMemory {
        let values = sampleValues(count, seed: seed, scale: scale)
        return FloatMemory(way == .float32 ? values : values.map(\.roundedToBfloat16))
    }

    private func plain(_ count: Int, seed: UInt64, scale: Float = 1) -> FloatMemory {
        FloatMemory(sampleValues(count, seed: seed, scale: scale))
    }

    private func kernel(_ way: Way) -> FloatMemory {
        numbers(size.units * columns, seed: 2, scale: 1 / Float(size.units).squareRoot(), way)
    }

    /// 0 at every third step.
    private var mask: FloatMemory { FloatMemory((0..<rows).map { $0 % 3 == 1 ? 0 : 1 }) }

    func forward(_ way: Way) throws -> [String: [Float]] {
        var description = description(way), recurrence: OpaquePointer?
        try check(apus_recurrence_create(&description, &recurrence))
        defer { apus_recurrence_destroy(recurrence) }
        let (inputs, inputKernel) = (
            numbers(rows * size.features, seed: 3, way), numbers(size.features * columns, seed: 4, scale: 0.3, way)
        )
        let projected = plain(rows * columns, seed: 5), bias = plain(columns, seed: 6)
        let recurrentBias = plain(columns, seed: 7), kernel = kernel(way), mask = mask
        let states = (plain(size.batch * size.units, seed: 8), plain(size.batch * size.units, seed: 9))
        let each = rows * size.units, last = size.batch * size.units
        var arrays = apus_recurrence_arrays(), results = Results()
        if size.features > 0 {
            (arrays.inputs, arrays.input_kernel, arrays.bias) = (inputs.values, inputKernel.values, bias.values)
        } else {
            arrays.projected = projected.values
        }
        arrays.kernel = kernel.values
        if cell == APUS_CELL_GRU { arrays.recurrent_bias = recurrentBias.values }
        (arrays.initial_hidden, arrays.initial_cells, arrays.mask) = (states.0.values, states.1.values, mask.values)
        arrays.hidden = results.add("hidden", each)
        arrays.last_hidden = results.add("lastHidden", last)
        arrays.previous_hidden = results.add("previousHidden", each)
        arrays.previous_factors = results.add("previousFactors", each)
        arrays.gates = results.add("gates", each * storedCount)
        if cell == APUS_CELL_LSTM {
            arrays.previous_cells = results.add("previousCells", each)
            arrays.last_cells = results.add("lastCells", last)
        }
        withExtendedLifetime((inputs, inputKernel, projected, bias, recurrentBias, kernel, mask, states)) {
            apus_recurrence_run(recurrence, &arrays)
        }
        return results.numbers
    }

    /// - Parameter kept: what `forward` gave.
    func backward(_ way: Way, _ kept: [String: [Float]]) throws -> [String: [Float]] {
        var description = description(way), gradient: OpaquePointer?
        // Sums of both gradients, over factors of an odd number, and over none.
        let sums = [
            apus_recurrence_sum(width: Int64(size.units), is_of_products: true),
            apus_recurrence_sum(width: 3, is_of_products: false),
            apus_recurrence_sum(width: 0, is_of_products: false), apus_recurrence_sum(width: 0, is_of_products: true),
        ]
        try check(apus_recurrence_gradient_create(&description, sums, Int32(sums.count), &gradient))
        defer { apus_recurrence_gradient_destroy(gradient) }
        func given(_ name: String) -> FloatMemory { FloatMemory(kept[name, default: []]) }
        let gates = given("gates"), previous = given(cell == APUS_CELL_LSTM ? "previousCells" : "previousHidden")
        let kernel = kernel(way), mask = mask, upstream = plain(rows * size.units, seed: 10)
        let (hidden, factors) = (given("previousFactors"), numbers(rows * 3, seed: 11, way))
        var arrays = apus_recurrence_gradient_arrays(), results = Results()
        (arrays.gates, arrays.kernel, arrays.mask) = (gates.values, kernel.values, mask.values)
        (arrays.previous, arrays.hidden) = (previous.values, upstream.values)
        arrays.projected = results.add("projected", rows * columns)
        arrays.products = results.add("products", rows * columns)
        arrays.initial_hidden = results.add("initialHidden", size.batch * size.units)
        if cell == APUS_CELL_LSTM { arrays.initial_cells = results.add("initialCells", size.batch * size.units) }
        for (index, values) in [hidden.values, factors.values, nil, nil].enumerated() {
            let count = max(Int(sums[index].width), 1) * columns
            apus_recurrence_set_sum(&arrays, Int32(index), values, results.add("sum \(index)", count))
        }
        withExtendedLifetime((gates, previous, kernel, mask, upstream, hidden, factors)) {
            apus_recurrence_gradient_run(gradient, &arrays)
        }
        return results.numbers
    }
}

/// Arrays to be written, by name.
private struct Results {
    private var arrays: [String: FloatMemory] = [:]

    mutating func add(_ name: String, _ count: Int) -> UnsafeMutablePointer<Float> {
        let memory = FloatMemory(count: count)
        arrays[name] = memory
        return memory.start
    }

    var numbers: [String: [Float]] { arrays.mapValues(\.numbers) }
}
