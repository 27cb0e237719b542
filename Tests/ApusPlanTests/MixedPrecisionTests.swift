import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Foundation
import Testing

/// Where plans in bfloat16 round.
@Suite struct MixedPrecisionTests {
    private let x = Tensor.placeholder([4, 3], name: "x")
    private let kernel = Variable("kernel", shape: [3, 2])
    private let bias = Variable("bias", shape: [2])
    private let round = "elementwise[roundToBfloat16]"

    private func plan(
        _ inputs: [Tensor], _ outputs: [Tensor], _ updates: [VariableUpdate] = [], _ precision: Precision = .bfloat16
    ) throws -> Plan {
        try Plan(
            Trace(inputs: inputs, outputs: outputs, updates: updates, mode: .training, batchSize: 1).graph,
            precision: precision)
    }

    private func kernels(
        _ inputs: [Tensor], _ outputs: [Tensor], _ updates: [VariableUpdate] = [], _ precision: Precision = .bfloat16
    ) throws -> [String] {
        try plan(inputs, outputs, updates, precision).steps.map(\.kernel.description)
    }

    /// A dense layer, a squared loss and gradient descent, followed by hand: input and kernel are rounded once, the
    /// gradient towards the product in the pass that makes it, where the loss and the bias's gradient are summed of
    /// unrounded numbers. The product of two rounded ones is taken from the kernel as it is.
    @Test func aTrainingStep() throws {
        let target = Tensor.placeholder([4, 2], name: "t")
        let loss = square(sigmoid(matMul(x, kernel.tensor) + bias.tensor) - target).mean()
        let gradients = try gradient(of: loss, withRespectTo: [kernel.tensor, bias.tensor])
        let updates = zip([kernel, bias], gradients).map { VariableUpdate($0, to: $0.tensor - 0.5 * $1) }
        let plan = try plan([x, target], [loss], updates)
        #expect(
            plan.steps.map(\.kernel.description) == [
                round, round, "matMul+bias+sigmoid",
                "elementwise[subtract+square+multiply+multiply+subtract+multiply+multiply+roundToBfloat16+sum+sum]",
                "elementwise[divide]", "matMul(left transposed)+scale+subtract", "elementwise[multiply+subtract]",
            ])
        let (forward, pass, update) = (plan.steps[2], plan.steps[3], plan.steps[5])
        #expect(forward.inputs == [plan.steps[0].outputs[0], plan.steps[1].outputs[0], forward.inputs[2]])
        #expect(plan.values[forward.inputs[2]].location == .variable(1))
        #expect(update.inputs.prefix(2) == [plan.steps[0].outputs[0], pass.outputs[0]])
        #expect(plan.values[update.inputs[2]].location == .variable(0))
        #expect(plan.values[update.outputs[0]].location == .variable(0))
        guard case .elementwise(let program) = pass.kernel else {
            Issue.record("\(pass.kernel)")
            return
        }
        let rounding = program.instructions.count - 1
        let first = program.inputs.count + program.constants.count
        #expect(program.outputs.map(\.value) == [first + rounding])
        #expect(!program.sums.map(\.value).contains(first + rounding))
    }

    /// Where products round for themselves, passes that only round go, unless somebody else reads what they make.
    @Test func productsThatRoundTheirFactors() throws {
        func plan(_ inputs: [Tensor], _ outputs: [Tensor], _ precision: Precision = .bfloat16) throws -> Plan {
            try Plan(
                Trace(inputs: inputs, outputs: outputs, mode: .training, batchSize: 1).graph, precision: precision,
                roundsFactors: true)
        }
        let product = matMul(x, kernel.tensor)
        let slopes = try gradient(of: square(product).sum(), withRespectTo: [kernel.tensor])
        let own = try plan([x], [product] + slopes)
        #expect(own.roundsFactors)
        #expect(own.steps.map(\.kernel.description).filter { $0 == round }.isEmpty)
        #expect(own.steps[0].kernel.description == "matMul")
        #expect(own.steps[0].inputs.map { own.values[$0].location } == [.input(0), .variable(0)])
        // Asked for by the caller.
        let rounded = roundedToBfloat16(x)
        let asked = try plan([x], [rounded, matMul(rounded, kernel.tensor)])
        #expect(asked.steps.map(\.kernel.description) == [round, "matMul"])
        // A bias is no factor.
        let shifted = matMul(x, kernel.tensor) + roundedToBfloat16(bias.tensor)
        #expect(try plan([x], [shifted]).steps.map(\.kernel.description) == [round, "matMul+bias"])
        // A convolution reads it, too.
        let image = Tensor.placeholder([1, 4, 3]), filter = Variable("filter", shape: [1, 3, 2])
        let both = try plan(
            [image], [convolution(image, kernel: filter.tensor), matMul(image.reshaped(to: [4, 3]), kernel.tensor)])
        #expect(both.steps.map(\.kernel.description).filter { $0 == round }.count == 2)
        #expect(try !plan([x], [product], .float32).roundsFactors)
    }

    @Test func float32RoundsNothing() throws {
        #expect(try kernels([x], [matMul(x, kernel.tensor)], [], .float32) == ["matMul"])
    }

    /// What is written next is made with it, and a value that two products read is rounded once.
    @Test func activationsBetweenProducts() throws {
        let other = Variable("other", shape: [2, 2])
        let hidden = tanh(matMul(x, kernel.tensor) * 2)
        let outputs = [matMul(hidden, other.tensor), matMul(hidden.transposed(), hidden)]
        #expect(
            try kernels([x], outputs) == [
                round, round, "matMul", "elementwise[multiply+tanh+roundToBfloat16]", round, "matMul",
                "matMul(left transposed)",
            ])
    }

    /// Rounded before it is moved, so that all movements of a value share it.
    @Test func roundingLooksThroughMovements() throws {
        let (y, a) = (x + 1, Tensor.placeholder([6, 1], name: "a"))
        #expect(
            try kernels([x, a], [matMul(y.reshaped(to: [2, 6]), a), matMul(y, kernel.tensor)]) == [
                "elementwise[add+roundToBfloat16]", round, "matMul", round, "matMul",
            ])
    }

    /// Ones and zeros, signs, whole numbers up to 256 and whatever was rounded before.
    @Test func numbersThatAreRoundedAlready() throws {
        let labels = Tensor.placeholder([4], .int32, name: "labels")
        func rounded(_ factor: Tensor, _ other: Tensor) throws -> (before: Graph, after: Graph) {
            let graph = try Trace(
                inputs: [x, labels], outputs: [matMul(factor, other)], mode: .training, batchSize: 1
            ).graph.simplified()
            return (graph, graph.inPrecision(.bfloat16).graph)
        }
        for factor in [oneHot(labels, depth: 3), sign(x), x .> 0, relu(-roundedToBfloat16(x))] {
            let graphs = try rounded(factor, roundedToBfloat16(kernel.tensor))
            #expect(graphs.after == graphs.before)
        }
        // 257 lies between 256 and 258.
        for (number, isRounded) in [(3 as Float, true), (256, true), (257, false), (0.1, false)] {
            let graphs = try rounded(roundedToBfloat16(x), .matrix([number, -number], [1, 2], [0, -0.5]))
            #expect(graphs.after.nodes.count == graphs.before.nodes.count + (isRounded ? 0 : 1), "\(number)")
        }
    }

    /// A convolution's image and kernel, and what its gradients read.
    @Test func convolutions() throws {
        let image = Tensor.placeholder([1, 4, 4, 1], name: "image")
        let kernel = Variable("kernel", shape: [2, 2, 1, 3])
        let window = convolution(image, kernel: kernel.tensor)
        let gradients = try gradient(of: square(window).sum(), withRespectTo: [image, kernel.tensor])
        let graph = try Trace(inputs: [image], outputs: gradients, mode: .training, batchSize: 1).graph
        let nodes = graph.simplified().inPrecision(.bfloat16).graph.nodes
        for node in nodes {
            switch node.operation {
            case .convolution, .convolutionInputGradient, .convolutionKernelGradient:
                for input in node.inputs { #expect(nodes[input].operation == .unary(Unary(.roundToBfloat16))) }
            default: break
            }
        }
        #expect(nodes.filter { $0.operation == .unary(Unary(.roundToBfloat16)) }.count == 3)
    }

    /// A recurrence still takes in its products, and its gradient sums them; what they read is rounded by itself.
    @Test func recurrencesKeepTheirFusions() throws {
        let rule = Recurrence(cell: RecurrentCell(.lstm), result: .lastHidden)
        let sequence = Tensor.placeholder([16, 3, 5], name: "sequence")
        let variables = [[5, 8], [8], [2, 8]].map { Variable("v", shape: Shape($0)).tensor }
        let product = matMul(sequence.reshaped(to: [48, 5]), variables[0]) + variables[1]
        let last = Tensor(.recurrence(rule), [product.reshaped(to: [16, 3, 8]), variables[2]])
        let steps = try plan([sequence], gradient(of: square(last).sum(), withRespectTo: variables)).steps
        #expect(
            steps.map(\.kernel.description) == [
                round, round, round,
                "matMul+bias+recurrence(lstm, tanh, gates sigmoid, rounded, gates)+previousCells+lastHidden"
                    + "+previousFactors+byStep",
                "elementwise[multiply]",
                "recurrenceGradient(lstm, tanh, gates sigmoid, rounded, of lastHidden, projected)+product+sum+product"
                    + "+byStep",
            ])
        guard case .recurrenceGradient(_, let results, let sums, _) = steps[5].kernel else {
            Issue.record("\(steps[5].kernel)")
            return
        }
        #expect(results == [] && sums.filter(\.hasFactors).count == 2 && sums.count == 3)
    }

    /// Each factor is parted in one pass, and three products are summed before what follows them.
    @Test func splitProducts() throws {
        let y = sigmoid(matMul(x, kernel.tensor) + bias.tensor)
        let parting = "elementwise[roundToBfloat16+subtract+roundToBfloat16]"
        #expect(
            try kernels([x], [y], [], .float32Fast) == [
                parting, parting, "matMul", "matMul", "matMul", "elementwise[add+add+add+sigmoid]",
            ])
        // What is a bfloat16 number has no low part.
        let rounded = roundedToBfloat16(x)
        #expect(
            try kernels([x], [matMul(rounded, kernel.tensor), matMul(sign(x), rounded.transposed())], [], .float32Fast)
                .filter { $0.hasPrefix("matMul") }.count == 3)
    }

    /// Recurrences are as exact as ever; the products before them are split.
    @Test func recurrencesAreNotSplit() throws {
        let sequence = Tensor.placeholder([16, 3, 8], name: "sequence")
        let recurrent = Variable("recurrent", shape: [2, 8])
        let states = Tensor(.recurrence(Recurrence(cell: RecurrentCell(.lstm))), [sequence, recurrent.tensor])
        #expect(try kernels([sequence], [states], [], .float32Fast) == kernels([sequence], [states], [], .float32))
    }

    /// Files know nothing of rounding: it is a plan's.
    @Test func nothingOfItIsSaved() throws {
        let rule = Recurrence(cell: RecurrentCell(.gru))
        var rounding = rule
        rounding.roundsFactors = true
        let bytes = try JSONEncoder().encode(ApusGraph.Operation.recurrence(rounding))
        #expect(try JSONDecoder().decode(ApusGraph.Operation.self, from: bytes) == .recurrence(rule))
    }
}
