import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Testing

/// Where the executor spreads the gradient of an image, and that it is right there.
@Suite struct SpreadGradientChoiceTests {
    private static func operation(image: Shape, kernel: Shape) -> Operation {
        let result = convolution(.placeholder(image), kernel: .placeholder(kernel))
        guard case .convolution(let rule) = result.node.operation else { return result.node.operation }
        return .convolutionInputGradient(
            ConvolutionInputGradient(motion: rule.motion, groups: 1, sizes: image.spatialSizes))
    }

    private static func upstream(image: Shape, kernel: Shape) -> Shape {
        convolution(.placeholder(image), kernel: .placeholder(kernel)).shape
    }

    private func implementation(image: Shape, kernel: Shape) throws -> String? {
        let inputs = [
            Tensor.placeholder(Self.upstream(image: image, kernel: kernel), name: "upstream"),
            Tensor.placeholder(kernel, name: "kernel"),
        ]
        let result = Tensor(Self.operation(image: image, kernel: kernel), inputs)
        let trace = try Trace(inputs: inputs, outputs: [result], updates: [], mode: .training, batchSize: 1)
        return try Device.cpu.compile(Plan(trace.graph), trace.variables).implementation(ofStep: 0)
    }

    /// Each bound of the rule, one beyond it.
    @Test func fewChannelsAndManyFilters() throws {
        let isWide = String(cString: apus_instruction_set()) == "AVX-512"
        #expect((try implementation(image: [16, 3, 4, 3], kernel: [2, 2, 3, 48]) == "spread") == isWide)
        #expect((try implementation(image: [16, 8, 8, 120], kernel: [4, 4, 120, 64]) == "spread") == isWide)
        let others: [(Shape, Shape)] = [
            ([15, 3, 4, 3], [2, 2, 3, 48]), ([16, 3, 4, 16], [2, 2, 16, 48]), ([16, 3, 4, 3], [2, 2, 3, 47]),
            ([16, 3, 4, 3], [2, 1, 3, 48]), ([16, 8, 8, 136], [4, 4, 136, 64]),
            ([16, 8, 8, 72], [5, 5, 72, 64]),  // filtered
        ]
        for (image, kernel) in others {
            #expect(try implementation(image: image, kernel: kernel) != "spread", "\(image), \(kernel)")
        }
    }

    @Test func agreesWithTheReference() {
        let (image, kernel): (Shape, Shape) = ([16, 3, 4, 3], [2, 2, 3, 48])
        let row = OperationRow(
            OperationKind(.convolutionInputGradient), "spread",
            cases: [
                [
                    RowInput(Self.upstream(image: image, kernel: kernel), .range(-1...1)),
                    RowInput(kernel, .range(-1...1)),
                ]
            ], isDifferentiable: [true, true]
        ) { Tensor(Self.operation(image: image, kernel: kernel), $0) }
        #expect(checkExecutor([row], run: runOnCPU) == [])
    }
}
