import CApusKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Elementwise {
        @Test func operationsByHand() throws {
            let (a, b): ([Float], [Float]) = ([1, -2, 3, 0.5], [4, -2, 1, 2])
            #expect(try apply(APUS_ADD, a, b) == [5, -4, 4, 2.5])
            #expect(try apply(APUS_SUBTRACT, a, b) == [-3, 0, 2, -1.5])
            #expect(try apply(APUS_MULTIPLY, a, b) == [4, 4, 3, 1])
            #expect(try apply(APUS_DIVIDE, a, b) == [0.25, 1, 3, 0.25])
            #expect(try apply(APUS_MAXIMUM, a, b) == [4, -2, 3, 2])
            #expect(try apply(APUS_MINIMUM, a, b) == [1, -2, 1, 0.5])
            #expect(try apply(APUS_POWER, a, b) == [1, 0.25, 3, 0.25])
            #expect(try apply(APUS_GREATER, a, b) == [0, 0, 1, 0])
            #expect(try apply(APUS_GREATER_OR_EQUAL, a, b) == [0, 1, 1, 0])
            #expect(try apply(APUS_EQUAL, a, b) == [0, 1, 0, 0])
            #expect(try apply(APUS_SELECT, [1, 0, -0.0, .nan], a, b) == [1, -2, 1, 0.5])
            #expect(try apply(APUS_MULTIPLY_ADD, a, b, [1, 1, 1, 1]) == [5, 5, 4, 2])
            #expect(try apply(APUS_NEGATE, a) == [-1, 2, -3, -0.5])
            #expect(try apply(APUS_SQUARE, a) == [1, 4, 9, 0.25])
            #expect(try apply(APUS_RECIPROCAL, a) == [1, -0.5, 1 / 3, 2])
            #expect(try apply(APUS_IDENTITY, a) == a)
        }

        @Test func notANumber() throws {
            for operation in [APUS_MAXIMUM, APUS_MINIMUM] {
                #expect(try apply(operation, [.nan, 1, .nan], [1, .nan, .nan]).allSatisfy { $0.isNaN })
            }
            for operation in [APUS_GREATER, APUS_GREATER_OR_EQUAL, APUS_EQUAL] {
                #expect(try apply(operation, [.nan, 1, .nan], [1, .nan, .nan]) == [0, 0, 0])
            }
        }

        /// Broadcasts, transposes and reversals of three axes: sin-free arithmetic that Float does exactly as well.
        @Test(arguments: [
            [1, 1, 1], [1, 5, 1], [2, 3, 4], [3, 1, 7], [5, 16, 3], [4, 33, 17], [1, 1, 1000], [3, 700, 2],
            [2, 5, 513],
        ])
        func broadcasting(dimensions: [Int]) throws {
            let patterns: [[Bool]] = [
                [true, true, true], [false, false, false], [false, false, true], [false, true, false],
                [true, false, false], [true, false, true], [true, true, false],
            ]
            for first in patterns {
                for second in patterns {
                    let arrays = [first, second].enumerated().map { index, pattern in
                        let own = zip(dimensions, pattern).map { $1 ? $0 : 1 }
                        let strides = zip(packedStrides(own), pattern).map { $1 ? $0 : 0 }
                        return (values: sampleValues(own.reduce(1, *), seed: UInt64(index)), strides: strides)
                    }
                    let program = try KernelProgram(
                        dimensions, inputs: arrays.map { .init(strides: $0.strides) },
                        steps: [.init(operation: APUS_SUBTRACT, a: 0, b: 1)], outputs: [(2, APUS_FLOAT32)])
                    let expected = zip(
                        offsets(dimensions, arrays[0].strides), offsets(dimensions, arrays[1].strides)
                    ).map { arrays[0].values[$0] - arrays[1].values[$1] }
                    #expect(try program.run(arrays.map(\.values))[0] == expected, "\(first) \(second)")
                }
            }
        }

        @Test func transposedInput() throws {
            // [3, 2] read as its transpose: 0 2 4 / 1 3 5.
            let program = try KernelProgram(
                [2, 3], inputs: [.init(strides: [1, 2])], steps: [], outputs: [(0, APUS_FLOAT32)])
            #expect(try program.run([[0, 1, 2, 3, 4, 5]])[0] == [0, 2, 4, 1, 3, 5])
        }

        @Test func otherElementTypes() throws {
            let program = try KernelProgram(
                [2, 3],
                inputs: [
                    .init(type: APUS_INT32, strides: [3, 1]), .init(type: APUS_UINT8, strides: [0, 1]),
                    .init(type: APUS_INT32, strides: [0, 0]),
                ],
                steps: [.init(operation: APUS_ADD, a: 0, b: 1), .init(operation: APUS_DIVIDE, a: 3, b: 2)],
                outputs: [(4, APUS_FLOAT32), (4, APUS_INT32), (0, APUS_INT32)])
            let (integers, bytes, divisor): ([Int32], [UInt8], [Int32]) = ([1, -2, 3, 400, 5, -6], [255, 1, 2], [2])
            var (floats, truncated) = ([Float](repeating: 0, count: 6), [Int32](repeating: 0, count: 6))
            var copied = truncated
            try integers.withUnsafeBytes { integers in
                try bytes.withUnsafeBytes { bytes in
                    try divisor.withUnsafeBytes { divisor in
                        try floats.withUnsafeMutableBytes { floats in
                            try truncated.withUnsafeMutableBytes { truncated in
                                try copied.withUnsafeMutableBytes { copied in
                                    try program.run(
                                        [integers.baseAddress, bytes.baseAddress, divisor.baseAddress],
                                        [floats.baseAddress, truncated.baseAddress, copied.baseAddress])
                                }
                            }
                        }
                    }
                }
            }
            #expect(floats == [128, -0.5, 2.5, 327.5, 3, -2])
            #expect(truncated == [128, 0, 2, 327, 3, -2])
            #expect(copied == integers)
        }

        @Test func integersSaturate() throws {
            let values: [Float] = [1e20, -1e20, .nan, .infinity, -.infinity, 2_147_483_520, -2_147_483_648, -1.9]
            let program = try KernelProgram(
                [8], inputs: [.init(strides: [1])], steps: [], outputs: [(0, APUS_INT32)])
            var result = [Int32](repeating: 7, count: 8)
            try values.withUnsafeBytes { values in
                try result.withUnsafeMutableBytes { try program.run([values.baseAddress], [$0.baseAddress]) }
            }
            #expect(result == [.max, .min, 0, .max, .min, 2_147_483_520, .min, -1])
        }

        /// Momentum: v = 0.9 v - rate g, p = p + v, written over v and p; then both in the other order.
        @Test(arguments: [1, 5, 16, 511, 512, 513, 5000, 200_001]) func inPlace(count: Int) throws {
            let (p, v, g) = (sampleValues(count, seed: 1), sampleValues(count, seed: 2), sampleValues(count, seed: 3))
            let expectedV = zip(v, g).map { Double(0.9 as Float) * Double($0) - Double(0.1 as Float) * Double($1) }
            let expectedP = zip(p, expectedV).map { Double($0) + $1 }
            for outputs in [[0, 1], [1, 0]] {
                // Values: p v g rate | 0.9 | rate g, 0.9 v, difference, sum.
                let program = try KernelProgram(
                    [count],
                    inputs: [.init(strides: [1]), .init(strides: [1]), .init(strides: [1]), .init(strides: [0])],
                    constants: [0.9],
                    steps: [
                        .init(operation: APUS_MULTIPLY, a: 3, b: 2), .init(operation: APUS_MULTIPLY, a: 4, b: 1),
                        .init(operation: APUS_SUBTRACT, a: 6, b: 5), .init(operation: APUS_ADD, a: 0, b: 7),
                    ], outputs: outputs.map { ([8, 7][$0], APUS_FLOAT32) })
                var (newP, newV) = (p, v)
                let rate: [Float] = [0.1]
                try newP.withUnsafeMutableBytes { p in
                    try newV.withUnsafeMutableBytes { v in
                        try g.withUnsafeBytes { g in
                            try rate.withUnsafeBytes { rate in
                                let inputs = [p, v].map { UnsafeRawPointer($0.baseAddress) }
                                try program.run(
                                    inputs + [g.baseAddress, rate.baseAddress],
                                    outputs.map { [p, v][$0].baseAddress })
                            }
                        }
                    }
                }
                #expect(relativeError(newP, expectedP) < 1e-6)
                #expect(relativeError(newV, expectedV) < 1e-6)
            }
        }

        /// An output over an input that a later step still reads, and two arrays that change places.
        @Test(arguments: [3, 16, 600, 1024]) func outputOverInputStillNeeded(count: Int) throws {
            let (x, y) = (sampleValues(count, seed: 1), sampleValues(count, seed: 2))
            let program = try KernelProgram(
                [count], inputs: [.init(strides: [1]), .init(strides: [1])],
                steps: [.init(operation: APUS_NEGATE, a: 1), .init(operation: APUS_SUBTRACT, a: 0, b: 1)],
                outputs: [(2, APUS_FLOAT32), (3, APUS_FLOAT32)])
            var (first, second) = (x, y)
            try first.withUnsafeMutableBytes { x in
                try second.withUnsafeMutableBytes { y in
                    // -y over x, although x - y comes after; x - y over y.
                    try program.run(
                        [x.baseAddress, y.baseAddress].map { UnsafeRawPointer($0) }, [x.baseAddress, y.baseAddress])
                }
            }
            #expect(first == y.map { -$0 })
            #expect(second == zip(x, y).map { $0 - $1 })

            let swap = try KernelProgram(
                [count], inputs: [.init(strides: [1]), .init(strides: [1])], steps: [],
                outputs: [(1, APUS_FLOAT32), (0, APUS_FLOAT32)])
            (first, second) = (x, y)
            try first.withUnsafeMutableBytes { x in
                try second.withUnsafeMutableBytes { y in
                    try swap.run(
                        [x.baseAddress, y.baseAddress].map { UnsafeRawPointer($0) }, [x.baseAddress, y.baseAddress])
                }
            }
            #expect(first == y)
            #expect(second == x)
        }

        @Test func fusesAndRemoves() throws {
            // (x y) + z is one instruction, x - y is needed by nothing; the square is used twice and stays.
            let program = try KernelProgram(
                [4], inputs: Array(repeating: .init(strides: [1]), count: 3),
                steps: [
                    .init(operation: APUS_MULTIPLY, a: 0, b: 1), .init(operation: APUS_SUBTRACT, a: 0, b: 1),
                    .init(operation: APUS_ADD, a: 2, b: 3), .init(operation: APUS_MULTIPLY, a: 5, b: 5),
                    .init(operation: APUS_ADD, a: 6, b: 6),
                ], outputs: [(7, APUS_FLOAT32)])
            #expect(program.instructionCount == 3)
            #expect(try program.run([[1, 2, 3, 4], [1, 1, 2, 2], [1, 0, 0, -8]])[0] == [8, 8, 72, 0])
        }

        /// Random programs against the same steps in Swift, with 1 and 2 threads.
        @Test func randomPrograms() throws {
            let operations = [
                APUS_ADD, APUS_SUBTRACT, APUS_MULTIPLY, APUS_MAXIMUM, APUS_MINIMUM, APUS_GREATER, APUS_SELECT,
                APUS_NEGATE, APUS_ABSOLUTE, APUS_RELU, APUS_TANH,
            ]
            var generator = SmallGenerator(state: 42)
            for round in 0..<40 {
                let count = [1, 17, 512, 1000, 70_001][round % 5]
                let (inputCount, constants) = (1 + Int(generator.next() % 5), [Float(0.5), -1.25])
                let arrays = (0..<inputCount).map { sampleValues(count, seed: UInt64(100 + $0)) }
                var values = arrays.map { $0.map(Double.init) }
                values += constants.map { [Double](repeating: Double($0), count: count) }
                var steps: [KernelProgram.Step] = []
                for _ in 0..<(1 + Int(generator.next() % 30)) {
                    let pick = { Int(generator.next() % UInt64(values.count)) }
                    let (a, b, c) = (pick(), pick(), pick())
                    let operation = operations[Int(generator.next() % UInt64(operations.count))]
                    steps.append(.init(operation: operation, a: a, b: b, c: c))
                    values.append(
                        (0..<count).map { i in
                            let (x, y, z) = (values[a][i], values[b][i], values[c][i])
                            return switch operation {
                            case APUS_ADD: Double(Float(x + y))
                            case APUS_SUBTRACT: Double(Float(x - y))
                            case APUS_MULTIPLY: Double(Float(x * y))
                            case APUS_MAXIMUM: max(x, y)
                            case APUS_MINIMUM: min(x, y)
                            case APUS_GREATER: x > y ? 1 : 0
                            case APUS_SELECT: x != 0 ? y : z
                            case APUS_NEGATE: -x
                            case APUS_ABSOLUTE: abs(x)
                            case APUS_RELU: max(x, 0)
                            default: tanh(x)
                            }
                        })
                }
                // Rounding (a fused multiply-add) may turn a comparison of nearly equal numbers, which among many
                // elements happens: long programs are compared only without a comparison.
                if count >= 1000 && steps.contains(where: { $0.operation == APUS_GREATER }) { continue }
                let outputs = [values.count - 1, inputCount + 2 + steps.count / 2]
                let (one, two) = try withThreadCounts {
                    try KernelProgram(
                        [count], inputs: arrays.map { _ in .init(strides: [1]) }, constants: constants, steps: steps,
                        outputs: outputs.map { ($0, APUS_FLOAT32) }
                    ).run(arrays, outputCount: 2)
                }
                for (index, output) in outputs.enumerated() {
                    #expect(bits(one[index]) == bits(two[index]))
                    let scale = values.dropFirst(inputCount).joined().lazy.map(abs).max() ?? 1
                    #expect(relativeError(one[index], values[output], floor: max(scale, 1)) < 1e-5, "round \(round)")
                }
            }
        }

        @Test func manyInputsAndOutputs() throws {
            let arrays = (0..<64).map { [Float](repeating: Float($0), count: 20) }
            let program = try KernelProgram(
                [20], inputs: arrays.map { _ in .init(strides: [1]) },
                steps: (0..<256).map { .init(operation: APUS_ADD, a: $0 == 0 ? 0 : 63 + $0, b: $0 % 64) },
                outputs: (0..<32).map { (64 + 8 * $0 + 7, APUS_FLOAT32) })
            let result = try program.run(arrays, outputCount: 32)
            // The last output is four times 0 + 1 + ... + 63.
            #expect(result[31] == [Float](repeating: 4 * 2016, count: 20))
            #expect(result[0] == [Float](repeating: 28, count: 20))
        }

        @Test func refusals() throws {
            func status(_ make: () throws -> KernelProgram) -> Int32 {
                do { return try make().instructionCount >= 0 ? 0 : -1 } catch {
                    return (error as? KernelFailure)?.status ?? -1
                }
            }
            let input = KernelProgram.Input(strides: [1])
            let limit = Int32(APUS_LIMIT_EXCEEDED), invalid = Int32(APUS_INVALID_DESCRIPTION)
            #expect(
                status { try KernelProgram([2], inputs: Array(repeating: input, count: 65), steps: [], outputs: []) }
                    == limit)
            #expect(
                status {
                    try KernelProgram(
                        [2], inputs: [input], steps: (0..<257).map { _ in .init(operation: APUS_EXP, a: 0) },
                        outputs: [])
                } == limit)
            #expect(
                status {
                    try KernelProgram(
                        [2], inputs: [input], steps: [], outputs: (0..<33).map { _ in (0, APUS_FLOAT32) })
                } == limit)
            #expect(
                status {
                    try KernelProgram([2], inputs: [input], steps: [.init(operation: APUS_EXP, a: 1)], outputs: [])
                } == invalid)
            #expect(
                status { try KernelProgram([2], inputs: [input], steps: [], outputs: [(1, APUS_FLOAT32)]) } == invalid)
            #expect(status { try KernelProgram([-2], inputs: [input], steps: [], outputs: []) } == invalid)
            #expect(
                status {
                    try KernelProgram(
                        [2], inputs: [input], steps: [.init(operation: apus_operation(rawValue: 31), a: 0)], outputs: []
                    )
                } == invalid)
        }

        @Test func emptyDomain() throws {
            let program = try KernelProgram(
                [3, 0], inputs: [.init(strides: [0, 1])], steps: [.init(operation: APUS_EXP, a: 0)],
                outputs: [(1, APUS_FLOAT32)])
            #expect(try program.run([[]])[0] == [])
        }
    }
}

/// A small linear congruential generator, for choosing test programs.
struct SmallGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
}
