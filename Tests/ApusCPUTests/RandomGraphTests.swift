import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Testing

/// A random graph with several outputs and updated variables, from a seed.
private struct RandomGraph {
    /// Whether all numbers are small and whole, so that every executor must give the same bits. Such graphs have
    /// comparisons, cuts and choices; the others have curves, and steps of the reference would fall elsewhere.
    let isExact: Bool
    var numbers: SeededNumbers
    private(set) var inputs: [Tensor] = []
    private(set) var variables: [Variable] = []
    private(set) var outputs: [Tensor] = []
    private(set) var updates: [VariableUpdate] = []
    private var floats: [Tensor] = []
    private var integers: [Tensor] = []

    init(seed: UInt64) throws {
        isExact = seed % 2 == 0
        numbers = SeededNumbers(seed: seed, stream: 7)
        for _ in 0..<below(3) + (isExact ? 1 : 2) { inputs.append(.placeholder(shape())) }
        for index in 0..<below(5) {
            let shape = shape()
            variables.append(Variable("v\(index)", value: values(shape)))
        }
        floats = inputs + variables.map(\.tensor)
        for _ in 0..<below(40) + 3 { try grow() }
        try end()
    }

    mutating func below(_ count: Int) -> Int { Int(numbers.next() % UInt64(max(count, 1))) }
    mutating func one<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }

    mutating func values(_ shape: Shape) -> NDArray {
        let array = numbers.array(shape, in: isExact ? -3.999...4.999 : -1.5...1.5)
        guard isExact else { return array }
        return NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for (index, value) in array.floats.enumerated() { target[index] = value.rounded(.down) }
        }
    }

    /// Sizes of 1 and equal sizes are common, so that shapes often fit each other; now and then one is empty or large.
    private mutating func shape() -> Shape {
        let sizes = (0..<below(4)).map { _ in one(of: [1, 1, 2, 3, 3, 3, 4]) }
        switch below(25) {
        case 0 where isExact: return Shape(sizes + [0])
        case 1: return Shape(sizes + [300])
        default: return Shape(sizes)
        }
    }

    /// Adds an operation on earlier values; those that do not fit are left out.
    private mutating func grow() throws {
        let (x, y) = (one(of: floats), one(of: floats))
        let tensor: Tensor
        switch below(20) {
        case 0, 1, 2, 3: tensor = binary(x, y)
        case 4, 5, 6: tensor = unary(x)
        case 7: tensor = select(isExact ? x .> y : one(of: inputs) .> 0, y, x)
        case 8: tensor = reduced(x)
        case 9: tensor = product(x, y)
        case 10: tensor = x.reshaped(to: one(of: [Shape([x.shape.elementCount]), Shape(x.shape.sizes + [1])]))
        case 11: tensor = x.broadcast(to: y.shape)
        case 12: tensor = x.shape.rank > 1 ? Tensor(.transpose(Transpose(permutation: order(x.shape.rank))), [x]) : x
        case 13: tensor = moved(x)
        case 14: tensor = x.shape.rank > 0 ? concatenate([x, y, x], axis: below(x.shape.rank)) : x
        case 15: tensor = .constant(one(of: [0, 1, -1, 2, 0.5, 3].map { isExact ? Float($0).rounded(.up) : $0 }))
        case 16:
            let shape = shape()
            tensor = .constant(values(shape))
        case 17: tensor = below(2) == 0 ? .randomBernoulli(like: x, probability: 0.5) : noise(like: x)
        case 18: tensor = integer(x)
        default: tensor = isExact ? binary(x, x) : curve(x)
        }
        guard tensor.node.failure == nil, tensor.shape.elementCount < 4000, tensor.shape.rank <= 5 else { return }
        // Whole numbers stay small enough to be exact, and slopes gentle enough to compare.
        let bounded: Tensor
        switch tensor.node.operation {
        case .matMul, .reduction, .binary(Binary(.multiply)), .unary(Unary(.square)):
            bounded = isExact ? clamp(tensor, -8...8) : 4 * tanh(tensor * 0.25)
        case .binary(Binary(.add)), .binary(Binary(.subtract)):
            bounded = isExact && below(3) == 0 ? clamp(tensor, -64...64) : tensor
        default: bounded = tensor
        }
        if bounded.elementType == .int32 { integers.append(bounded) } else { floats.append(bounded) }
    }

    private mutating func order(_ rank: Int) -> [Int] { Array(0..<rank).shuffled(using: &numbers) }
    private mutating func noise(like x: Tensor) -> Tensor {
        isExact ? floor(4 * Tensor.randomUniform(like: x)) : .randomNormal(like: x)
    }

    private mutating func binary(_ x: Tensor, _ y: Tensor) -> Tensor {
        switch below(isExact ? 9 : 6) {
        case 0, 1: x + y
        case 2: x - y
        case 3: x * y
        case 4: maximum(x, y)
        case 5: minimum(x, y)
        case 6: x .> y
        case 7: x .>= y
        default: x .== y
        }
    }

    private mutating func unary(_ x: Tensor) -> Tensor {
        switch below(isExact ? 6 : 4) {
        case 0: -x
        case 1: abs(x)
        case 2: relu(x)
        case 3: square(x)
        case 4: sign(x)
        default: floor(x)
        }
    }

    private mutating func curve(_ x: Tensor) -> Tensor {
        switch below(9) {
        case 0: tanh(x)
        case 1: sigmoid(x)
        case 2: sin(x)
        case 3: cos(x)
        case 4: erf(x)
        case 5: softplus(x)
        case 6: x / (square(x) + 1)
        case 7: x.shape.rank > 0 ? softmax(x) : exp(-square(x))
        default: sqrt(square(x) + 0.5)
        }
    }

    private mutating func reduced(_ x: Tensor) -> Tensor {
        let axes = (0..<x.shape.rank).filter { _ in numbers.next() >> 63 == 0 }
        let function = one(of: Reduction.Function.allCases)
        let result = x.reduced(function, axes)
        let kept = x.shape.sizes.indices.filter { !axes.contains($0) }.map { x.shape[$0] }
        return numbers.next() >> 63 == 0 ? result : result.reshaped(to: Shape(kept))
    }

    /// A product of two values where they fit, else of one with itself; now and then a whole layer.
    private mutating func product(_ x: Tensor, _ y: Tensor) -> Tensor {
        guard x.shape.rank >= 2 else { return x * y }
        let fitting = matMul(x, y)
        guard fitting.node.failure != nil else { return fitting }
        let isLeft = numbers.next() >> 63 == 0
        let square = Tensor(.matMul(MatMul(isLeftTransposed: isLeft, isRightTransposed: !isLeft)), [x, x])
        guard square.shape.rank == 2, below(2) == 0 else { return square }
        let bias = Tensor.constant(values([square.shape[1]]))
        return isExact ? relu(square + bias) : one(of: [tanh(square + bias), sigmoid(square + bias), relu(square)])
    }

    private mutating func moved(_ x: Tensor) -> Tensor {
        guard x.shape.rank > 0 else { return x }
        let axis = below(x.shape.rank)
        if below(2) == 0 { return x.padded(before: below(3), after: below(3), axis: axis) }
        let start = below(x.shape[axis] + 1)
        return x.slice(start..<start + below(x.shape[axis] - start + 1), axis: axis)
    }

    /// Whole numbers as int32, and back; only exact graphs have them.
    private mutating func integer(_ x: Tensor) -> Tensor {
        guard isExact else { return curve(x) }
        guard !integers.isEmpty, below(3) > 0 else {
            return x.shape.rank > 0 && below(2) == 0 ? x.argMax() : (x * 0.5).cast(to: .int32)
        }
        let labels = one(of: integers)
        switch below(4) {
        case 0: return oneHot(labels, depth: 3)
        case 1: return labels.reshaped(to: [labels.shape.elementCount])
        default: return labels.cast(to: .float32)
        }
    }

    /// Outputs of every kind, and updates: by computed values, by gradients, by other variables.
    private mutating func end() throws {
        let all = floats + integers
        outputs = (0..<below(5) + 1).map { _ in one(of: all) } + [floats[floats.count - 1]]
        if below(3) == 0 { outputs.append(one(of: floats).reshaped(to: outputs[0].shape)) }
        outputs.removeAll { $0.node.failure != nil }
        for variable in variables where below(4) > 0 {
            let fitting = floats.filter { $0.shape == variable.shape }
            switch below(4) {
            case 0: updates.append(VariableUpdate(variable, to: one(of: fitting)))
            case 1: updates.append(VariableUpdate(variable, to: (fitting.last ?? variable.tensor) + variable.tensor))
            case 2 where !isExact:
                let loss = square(one(of: floats)).mean()
                guard loss.node.failure == nil, loss.shape.isScalar else { break }
                let slope = try gradient(of: loss, withRespectTo: [variable.tensor])[0]
                outputs.append(loss)
                updates.append(VariableUpdate(variable, to: variable.tensor - 0.125 * slope))
            default:
                let element = one(of: floats).reshaped(to: variable.shape)
                updates.append(VariableUpdate(variable, to: element.node.failure == nil ? element : one(of: fitting)))
            }
        }
        // Exact graphs stay exact from step to step.
        if isExact { updates = updates.map { VariableUpdate($0.variable, to: clamp($0.value, -8...8)) } }
        updates.shuffle(using: &numbers)
    }
}

@Suite struct RandomGraphTests {
    /// Three steps in a row, on the processor and on the reference: outputs and variables agree.
    @Test(arguments: UInt64(0)..<400) func agreesWithTheReference(seed: UInt64) throws {
        var random = try RandomGraph(seed: seed)
        let trace = try Trace(
            inputs: random.inputs, outputs: random.outputs, updates: random.updates, mode: .training, batchSize: 1)
        // Half of them as if every value were large.
        let plan = seed % 4 < 2 ? Plan(trace.graph) : Plan(trace.graph, largeElementCount: 0)
        let executable = try Device.cpu.compile(plan, trace.variables)
        let reference = ReferenceExecutor<Double>(trace.graph)
        var expectedVariables = trace.variables.map { ReferenceArray<Double>($0.value) }
        let tolerance = random.isExact ? Tolerance.exact : Tolerance(absolute: 2e-4, relative: 2e-4)

        for step in 0..<3 {
            let context = RunContext(seed: seed, step: step)
            let arrays = random.inputs.map { random.values($0.shape) }
            let expected = reference.run(
                inputs: arrays.map { ReferenceArray($0) }, variables: expectedVariables, context: context)
            for (update, value) in zip(trace.graph.updates, expected.updated) {
                expectedVariables[update.variable] = value
            }
            try run(executable, arrays, context)
            for (index, output) in trace.graph.outputs.enumerated() {
                let expected = expected.outputs[index].array(trace.graph.nodes[output].type.elementType)
                let verdict = closeness(
                    executable.outputArray(index), to: expected, within: tolerance, nanMatchesNaN: true)
                #expect(
                    verdict == .passed,
                    "output \(index) of step \(step) of\n\(trace.graph)\nplanned as\n\(executable.plan)")
                guard verdict == .passed else { return }
            }
            for (index, variable) in trace.variables.enumerated() {
                let expected = expectedVariables[index].array(variable.type.elementType)
                let verdict = closeness(variable.value, to: expected, within: tolerance, nanMatchesNaN: true)
                #expect(
                    verdict == .passed,
                    "variable \(index) in step \(step) of\n\(trace.graph)\nplanned as\n\(executable.plan)")
                guard verdict == .passed else { return }
                // Small differences are not to grow from step to step.
                expectedVariables[index] = ReferenceArray(variable.value)
            }
        }
    }

    /// The graphs are worth their time: with updates, with several outputs, exact and not, of every kind of operation.
    @Test func graphsAreVaried() throws {
        var kinds: Set<String> = []
        var (nodeCount, updateCount, inPlaceCount, fusedCount) = (0, 0, 0, 0)
        for seed in UInt64(0)..<400 {
            let random = try RandomGraph(seed: seed)
            let trace = try Trace(
                inputs: random.inputs, outputs: random.outputs, updates: random.updates, mode: .training, batchSize: 1)
            let plan = Plan(trace.graph)
            kinds.formUnion(trace.graph.nodes.map(\.operation.rule.name))
            nodeCount += trace.graph.nodes.count
            updateCount += trace.graph.updates.count
            for step in plan.steps {
                if case .elementwise(let program) = step.kernel, program.instructions.count > 2 { fusedCount += 1 }
                for output in step.outputs where step.kernel != .copy {
                    if case .variable = plan.values[output].location { inPlaceCount += 1 }
                }
            }
        }
        #expect(nodeCount > 8000 && updateCount > 300 && inPlaceCount > 100 && fusedCount > 500)
        let expected: Set = [
            "add", "subtract", "multiply", "divide", "maximum", "minimum", "greater", "greaterOrEqual", "equal",
            "negate", "absolute", "sign", "floor", "square", "squareRoot", "sin", "cos", "erf", "tanh", "sigmoid",
            "relu", "softplus", "select", "cast", "matMul", "sum", "max", "min", "argMax", "softmax", "reshape",
            "broadcast", "transpose", "slice", "pad", "concatenate", "oneHot", "randomBernoulli", "randomUniform",
            "randomNormal", "constant", "variable",
        ]
        #expect(expected.subtracting(kinds) == [])
    }
}

private func run(_ executable: any Executable, _ inputs: [NDArray], _ context: RunContext) throws {
    let pointers = inputs.compactMap { $0.withUnsafeBytes { $0.baseAddress } }
    try withExtendedLifetime(inputs) {
        try pointers.withUnsafeBufferPointer { try executable.run(inputs: $0, context: context) }
    }
}
