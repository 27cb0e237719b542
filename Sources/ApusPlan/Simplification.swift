import ApusCore
import ApusGraph

extension Graph {
    /// An equal graph with less to do: constants folded, neutral operations gone, common subexpressions computed
    /// once, nodes that nobody reads dropped. Random operations stay apart: each has a stream of its own.
    package func simplified() -> Graph { simplifiedWithSources().graph }

    /// As `simplified()`; with the node of this graph that each node was made for.
    package func simplifiedWithSources() -> (graph: Graph, sources: [Int]) {
        var rewriter = Rewriter(source: self)
        for index in nodes.indices { rewriter.add(index) }
        var result = rewriter.result
        let kept = result.dropUnreadNodes()
        result.verify(after: "simplification")
        return (result, kept.map { rewriter.sources[$0] })
    }

    /// Removes nodes that no root needs; inputs and variables stay, since the caller gives them.
    /// - Returns: the nodes that stay, by their places before.
    mutating func dropUnreadNodes() -> [Int] {
        var isNeeded = [Bool](repeating: false, count: nodes.count)
        for root in roots + inputs + variables { isNeeded[root] = true }
        for index in nodes.indices.reversed() where isNeeded[index] {
            for input in nodes[index].inputs { isNeeded[input] = true }
        }
        var places = [Int](repeating: -1, count: nodes.count)
        var kept: [Node] = []
        for index in nodes.indices where isNeeded[index] {
            places[index] = kept.count
            kept.append(nodes[index])
            kept[kept.count - 1].inputs = nodes[index].inputs.map { places[$0] }
        }
        nodes = kept
        inputs = inputs.map { places[$0] }
        variables = variables.map { places[$0] }
        outputs = outputs.map { places[$0] }
        updates = updates.map { Update(variable: $0.variable, value: places[$0.value]) }
        return isNeeded.indices.filter { isNeeded[$0] }
    }
}

/// Builds a new graph node by node, each in its simplest form.
struct Rewriter {
    private let source: Graph
    private(set) var nodes: [Graph.Node] = []
    /// Where each source node's value is in the new graph.
    private var places: [Int] = []
    /// For each node of the new graph the source node that it was made for.
    private(set) var sources: [Int] = []
    /// Equal operations on equal inputs have equal values.
    private var known: [Expression: Int] = [:]

    private struct Expression: Hashable {
        let operation: Operation
        let inputs: [Int]
    }

    /// Constants above this size are left alone: their results are computed at run time.
    private static let largestFoldedCount = 4096

    init(source: Graph) { self.source = source }

    var result: Graph { Graph(source, rewrittenAs: nodes, places: places) }

    mutating func add(_ index: Int) {
        let node = source.nodes[index]
        places.append(place(of: node.operation, node.inputs.map { places[$0] }, origin: node.origin))
    }

    /// The node in the new graph that has the value of `operation` on `inputs`.
    mutating func place(of operation: Operation, _ inputs: [Int], origin: String) -> Int {
        var inputs = inputs
        if case .binary(let binary) = operation, binary.function.isCommutative, inputs[0] > inputs[1] {
            inputs.reverse()
        }
        if let known = known[Expression(operation: operation, inputs: inputs)] { return known }
        let place = simplest(operation, inputs, origin)
        switch operation {
        case .input, .variable: break
        default: known[Expression(operation: operation, inputs: inputs)] = place
        }
        return place
    }

    private mutating func append(_ operation: Operation, _ inputs: [Int], _ origin: String) -> Int {
        let type: TensorType
        do {
            type = try operation.rule.resultType(of: inputs.map { nodes[$0].type })
        } catch {
            preconditionFailure("simplification made \(operation), which does not fit: \(error)")
        }
        nodes.append(Graph.Node(operation, inputs, type, origin: origin))
        sources.append(places.count)
        return nodes.count - 1
    }

    private func type(of operation: Operation, _ inputs: [Int]) -> TensorType? {
        try? operation.rule.resultType(of: inputs.map { nodes[$0].type })
    }

    private mutating func simplest(_ operation: Operation, _ inputs: [Int], _ origin: String) -> Int {
        if let folded = folded(operation, inputs) { return place(of: .constant(folded), [], origin: origin) }
        if let hoisted = hoisted(operation, inputs, origin) { return hoisted }
        switch operation {
        case .unary(let unary): return simplest(unary, inputs[0], origin)
        case .binary(let binary): return simplest(binary, inputs[0], inputs[1], origin)
        case .select:
            if let condition = splat(inputs[0]) { return condition != 0 ? inputs[1] : inputs[2] }
            if let pooled = selectedBeforeSpreading(inputs, origin) { return pooled }
        case .reduction(let reduction): return simplest(reduction, inputs[0], origin)
        case .reshape, .broadcast, .transpose, .slice, .pad, .concatenate:
            return simplestMovement(operation, inputs, origin)
        case .matMul(let product): return simplest(product, inputs, origin)
        default: break
        }
        return append(operation, inputs, origin)
    }

    /// The constant that an operation on constants gives, if it is small.
    private func folded(_ operation: Operation, _ inputs: [Int]) -> Constant? {
        switch operation {
        case .stepValue(let value):
            guard case .constant(let number) = value.schedule else { return nil }
            return Constant(value: NDArray(scalar: Float(number)))
        case .input, .variable, .constant, .random, .broadcast: return nil
        // Indices out of range are found when it runs.
        case .gather, .scatterAdd: return nil
        default: break
        }
        let constants = inputs.compactMap { constant($0) }
        guard !inputs.isEmpty, constants.count == inputs.count, let type = type(of: operation, inputs),
            type.shape.elementCount <= Self.largestFoldedCount,
            constants.allSatisfy({ $0.elementCount <= Self.largestFoldedCount })
        else { return nil }
        let value = operation.rule.evaluate(
            constants.map { ReferenceArray<Double>($0) }, type: type, context: RunContext())
        return Constant(value: value.array(type.elementType))
    }

    /// An element-wise operation on stretched single numbers is done on the numbers, and the result is stretched.
    private mutating func hoisted(_ operation: Operation, _ inputs: [Int], _ origin: String) -> Int? {
        switch operation {
        case .unary, .binary, .select: break
        default: return nil
        }
        let scalars = inputs.compactMap { input -> Int? in
            guard case .broadcast = nodes[input].operation else { return nil }
            let inner = nodes[input].inputs[0]
            return nodes[inner].type.shape.isScalar ? inner : nil
        }
        guard scalars.count == inputs.count else { return nil }
        let scalar = place(of: operation, scalars, origin: origin)
        return place(of: .broadcast(Broadcast(shape: nodes[inputs[0]].type.shape)), [scalar], origin: origin)
    }

    private mutating func simplest(_ unary: Unary, _ x: Int, _ origin: String) -> Int {
        if unary.function == .negate, case .unary(Unary(.negate)) = nodes[x].operation { return nodes[x].inputs[0] }
        return append(.unary(unary), [x], origin)
    }

    private mutating func simplest(_ binary: Binary, _ a: Int, _ b: Int, _ origin: String) -> Int {
        let (left, right) = (splat(a), splat(b))
        func unary(_ function: Unary.Function, _ x: Int) -> Int {
            place(of: .unary(Unary(function)), [x], origin: origin)
        }
        switch (binary.function, left, right) {
        case (.add, 0, _): return b
        case (.add, _, 0), (.subtract, _, 0): return a
        case (.subtract, 0, _): return unary(.negate, b)
        // A factor 0 stands for "no gradient"; it wins over infinities too.
        case (.multiply, 0, _): return a
        case (.multiply, _, 0): return b
        case (.multiply, 1, _): return b
        case (.multiply, _, 1), (.divide, _, 1), (.power, _, 1): return a
        case (.multiply, -1, _): return unary(.negate, b)
        case (.multiply, _, -1): return unary(.negate, a)
        case (.divide, 1, _): return unary(.reciprocal, b)
        case (.power, _, 2): return unary(.square, a)
        case (.power, _, 0.5): return unary(.squareRoot, a)
        default: break
        }
        if binary.function == .multiply, a == b { return unary(.square, a) }
        return append(.binary(binary), [a, b], origin)
    }

    private mutating func simplest(_ reduction: Reduction, _ x: Int, _ origin: String) -> Int {
        let shape = nodes[x].type.shape
        let axes = reduction.axes.filter { shape[$0] != 1 }
        if axes.isEmpty { return x }
        // The sum of a stretched number is a product.
        if reduction.function == .sum, case .broadcast = nodes[x].operation {
            let inner = nodes[x].inputs[0]
            if nodes[inner].type.shape.isScalar {
                let count = axes.reduce(1) { $0 * shape[$1] }
                let factor = place(of: .constant(Constant(value: NDArray(scalar: Float(count)))), [], origin: origin)
                let product = place(of: .binary(Binary(.multiply)), [inner, factor], origin: origin)
                var result = shape
                for axis in axes { result[axis] = 1 }
                return place(of: .broadcast(Broadcast(shape: result)), [product], origin: origin)
            }
        }
        let simpler = Reduction(function: reduction.function, axes: axes)
        return summedBeforeSpreading(simpler, x, origin) ?? append(.reduction(simpler), [x], origin)
    }

    private mutating func simplest(_ product: MatMul, _ inputs: [Int], _ origin: String) -> Int {
        var (product, inputs) = (product, inputs)
        for side in 0..<2 {
            guard case .transpose(let transpose) = nodes[inputs[side]].operation else { continue }
            let rank = transpose.permutation.count
            guard transpose.permutation == Array(0..<rank - 2) + [rank - 1, rank - 2] else { continue }
            inputs[side] = nodes[inputs[side]].inputs[0]
            if side == 0 { product.isLeftTransposed.toggle() } else { product.isRightTransposed.toggle() }
        }
        return append(.matMul(product), inputs, origin)
    }

    private mutating func simplestMovement(_ operation: Operation, _ inputs: [Int], _ origin: String) -> Int {
        let node = nodes[inputs[0]]
        if inputs.count == 1, type(of: operation, inputs) == node.type {
            switch operation {
            case .transpose(let transpose) where transpose.permutation != transpose.permutation.sorted(): break
            default: return inputs[0]
            }
        }
        if case .broadcast = operation, !node.type.shape.isScalar, node.type.shape.elementCount == 1 {
            let scalar = place(of: .reshape(Reshape(shape: .scalar)), inputs, origin: origin)
            return place(of: operation, [scalar], origin: origin)
        }
        switch (operation, node.operation) {
        case (.reshape, .reshape): return place(of: operation, node.inputs, origin: origin)
        case (.reshape(let reshape), .broadcast) where nodes[node.inputs[0]].type.shape.isScalar:
            return place(of: .broadcast(Broadcast(shape: reshape.shape)), node.inputs, origin: origin)
        case (.broadcast, .broadcast): return place(of: operation, node.inputs, origin: origin)
        case (.transpose(let outer), .transpose(let inner)):
            let both = Transpose(permutation: outer.permutation.map { inner.permutation[$0] })
            return place(of: .transpose(both), node.inputs, origin: origin)
        default: return append(operation, inputs, origin)
        }
    }

    private func constant(_ index: Int) -> NDArray? {
        if case .constant(let constant) = nodes[index].operation { return constant.value }
        return nil
    }

    /// The one number that every element of a constant is, stretched or not.
    func splat(_ index: Int) -> Float? { nodes.splat(index) }
}

extension [Graph.Node] {
    /// The one number that every element of a constant float array is, stretched or not; `nil` for everything else.
    func splat(_ index: Int) -> Float? {
        switch self[index].operation {
        case .constant(let constant) where constant.value.elementType == .float32:
            return constant.value.withUnsafeBytes { bytes in
                // By their bits, so that 0 and -0 differ.
                let values = bytes.assumingMemoryBound(to: UInt32.self)
                guard let first = values.first, values.allSatisfy({ $0 == first }) else { return nil }
                return Float(bitPattern: first)
            }
        case .broadcast, .reshape: return splat(self[index].inputs[0])
        default: return nil
        }
    }
}

extension Binary.Function {
    fileprivate var isCommutative: Bool {
        switch self {
        case .add, .multiply, .maximum, .minimum, .equal: true
        case .subtract, .divide, .power, .greater, .greaterOrEqual: false
        }
    }
}
