import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels
import Testing

/// Where the executor multiplies pairs of bfloat16 numbers in convolutions.
@Suite struct PairsConvolutionChoiceTests {
    enum Way: String, Sendable { case pairs, oneDNNPairs, winograd, winogradPairs, spread, float32 }

    /// Forward, the image's gradient, the kernel's gradient; of `relu`'s result, so that all three are computed.
    private func ways(
        image: Shape, kernel: Shape, strides: [Int] = [1, 1], precision: Precision = .bfloat16,
        roundsFactors: Bool = true
    ) throws -> [Way] {
        let inputs = [Tensor.placeholder(image, name: "image"), Tensor.placeholder(kernel, name: "kernel")]
        let result = convolution(inputs[0], kernel: inputs[1], strides: strides)
        let gradients = try gradient(of: square(result).sum(), withRespectTo: inputs)
        let trace = try Trace(
            inputs: inputs, outputs: [result] + gradients, updates: [], mode: .training, batchSize: 1)
        let plan = Plan(trace.graph, precision: precision, roundsFactors: roundsFactors)
        let executable = try Device.cpu.compile(plan, trace.variables)
        func way(_ isWanted: (Operation) -> Bool) -> Way? {
            plan.steps.indices.first { index in
                switch plan.steps[index].kernel {
                case .operation(let operation): isWanted(operation)
                case .convolution(let convolution, _, _): isWanted(.convolution(convolution))
                default: false
                }
            }.flatMap { executable.implementation(ofStep: $0) }.map { name in
                switch name {
                case "pairs": .pairs
                case "spread": .spread
                case let name where name.hasPrefix("winograd") && name.hasSuffix("pairs"): .winogradPairs
                case let name where name.hasPrefix("winograd"): .winograd
                case let name where name.contains("bf16"): .oneDNNPairs
                default: .float32
                }
            }
        }
        return [
            way { if case .convolution = $0 { true } else { false } },
            way { if case .convolutionInputGradient = $0 { true } else { false } },
            way { if case .convolutionKernelGradient = $0 { true } else { false } },
        ].compactMap { $0 }
    }

    /// The convolutions of the benchmarks' networks, and the bounds of the rule.
    private static let cases: [(image: Shape, kernel: Shape, strides: [Int], ways: [Way])] = [
        ([128, 28, 28, 1], [5, 5, 1, 24], [1, 1], [.pairs, .pairs, .pairs]),
        ([128, 12, 12, 24], [5, 5, 24, 48], [1, 1], [.winogradPairs, .winogradPairs, .winogradPairs]),
        ([128, 12, 12, 20], [5, 5, 20, 48], [1, 1], [.oneDNNPairs, .pairs, .pairs]),
        ([128, 8, 8, 128], [1, 1, 128, 10], [1, 1], [.oneDNNPairs, .oneDNNPairs, .oneDNNPairs]),
        ([64, 8, 8, 16], [3, 3, 16, 16], [1, 1], [.winogradPairs, .winogradPairs, .winogradPairs]),
        ([64, 8, 8, 12], [3, 3, 12, 12], [1, 1], [.oneDNNPairs, .oneDNNPairs, .pairs]),
        ([64, 9, 9, 32], [3, 3, 32, 32], [2, 2], [.oneDNNPairs, .oneDNNPairs, .pairs]),
        ([15, 9, 9, 32], [3, 3, 32, 32], [2, 2], [.oneDNNPairs, .oneDNNPairs, .float32]),
        ([16, 9, 9, 256], [3, 3, 256, 512], [2, 2], [.oneDNNPairs, .oneDNNPairs, .float32]),
        ([16, 9, 9, 3], [5, 5, 3, 24], [1, 1], [.pairs, .pairs, .pairs]),
        ([16, 9, 9, 3], [5, 5, 3, 23], [1, 1], [.pairs, .float32, .pairs]),
        ([64, 8, 8, 3], [1, 1, 3, 16], [1, 1], [.float32, .float32, .float32]),
    ]

    @Test(.enabled(if: apus_has_bfloat16_pairs()), arguments: cases.indices)
    func theFasterWayIsTaken(_ index: Int) throws {
        let row = Self.cases[index]
        #expect(try ways(image: row.image, kernel: row.kernel, strides: row.strides) == row.ways, "\(row)")
    }

    @Test func otherPrecisionsAndDevices() throws {
        let (image, kernel): (Shape, Shape) = ([16, 9, 9, 3], [5, 5, 3, 24])
        for precision in [Precision.float32, .float32Fast] {
            #expect(try ways(image: image, kernel: kernel, precision: precision) == [.float32, .float32, .float32])
        }
        let filtered = try ways(image: [64, 8, 8, 16], kernel: [3, 3, 16, 16], precision: .float32)
        #expect(filtered == [.winograd, .winograd, .winograd])
        let wide = try ways(image: [16, 12, 12, 16], kernel: [5, 5, 16, 24], precision: .float32)
        #expect(wide == [.winograd, .winograd, .winograd])
        #expect(try ways(image: image, kernel: kernel, roundsFactors: false) == [.float32, .float32, .float32])
    }
}
