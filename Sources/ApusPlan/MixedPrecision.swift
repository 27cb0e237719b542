import ApusCore
import ApusGraph

extension Graph {
    /// The graph as it is run in `precision`; with the node of this graph that each node was made for.
    ///
    /// In bfloat16, a rounding stands before every factor of a product, one for each value, however many products read
    /// it. It stands right behind the operation that makes the value, so that one pass over memory does both. In
    /// float32Fast every product is a sum of three, of the high and low parts of its factors.
    package func inPrecision(_ precision: Precision) -> (graph: Graph, sources: [Int]) {
        guard precision != .float32 else { return (self, Array(nodes.indices)) }
        var rounding = FactorRounding(source: self, splits: precision == .float32Fast)
        for index in nodes.indices { rounding.add(index) }
        var result = rounding.result
        let kept = result.dropUnreadNodes()
        result.verify(after: "rounding")
        return (result, kept.map { rounding.sources[$0] })
    }
}

/// Builds the graph anew, with roundings.
private struct FactorRounding {
    private let source: Graph
    /// Whether what rounding takes away is multiplied as well.
    private let splits: Bool
    /// The nodes of `source` whose values are factors, looked at through reshapes and the like.
    private let isFactor: [Bool]
    private var nodes: [Graph.Node] = []
    /// Where each source node's value is in the new graph.
    private var places: [Int] = []
    /// For each node of the new graph the source node that it was made for.
    private(set) var sources: [Int] = []
    /// The source node that is at work.
    private var current = 0
    /// Of nodes of the new graph those that hold the same, rounded.
    private var roundedForms: [Int: Int] = [:]
    /// Of nodes of the new graph those that hold what rounding takes away, rounded.
    private var remainders: [Int: Int] = [:]

    init(source: Graph, splits: Bool) {
        self.source = source
        self.splits = splits
        var isFactor = [Bool](repeating: false, count: source.nodes.count)
        for node in source.nodes {
            for place in node.operation.factors {
                var factor = node.inputs[place]
                while source.nodes[factor].operation.onlyMoves { factor = source.nodes[factor].inputs[0] }
                isFactor[factor] = true
            }
        }
        self.isFactor = isFactor
    }

    var result: Graph { Graph(source, rewrittenAs: nodes, places: places) }

    mutating func add(_ index: Int) {
        current = index
        let node = source.nodes[index]
        if splits {
            places.append(splitProduct(node))
            return
        }
        var inputs = node.inputs.map { places[$0] }
        for place in node.operation.factors { inputs[place] = roundedForm(of: inputs[place]) }
        places.append(append(node.operation.roundingFactors, inputs, origin: node.origin))
        switch node.operation {
        // They wait for their first reader.
        case .input, .variable, .constant: break
        default: if isFactor[index] { _ = roundedForm(of: places[index]) }
        }
    }

    private mutating func append(_ operation: Operation, _ inputs: [Int], origin: String) -> Int {
        let type: TensorType
        do {
            type = try operation.rule.resultType(of: inputs.map { nodes[$0].type })
        } catch {
            preconditionFailure("rounding made \(operation), which does not fit: \(error)")
        }
        nodes.append(Graph.Node(operation, inputs, type, origin: origin))
        sources.append(current)
        return nodes.count - 1
    }

    /// The node that holds the numbers of `index` rounded.
    private mutating func roundedForm(of index: Int) -> Int {
        if let known = roundedForms[index] { return known }
        let node = nodes[index]
        let form: Int
        switch node.operation {
        case .reshape, .broadcast, .transpose:
            let inner = roundedForm(of: node.inputs[0])
            form = inner == node.inputs[0] ? index : append(node.operation, [inner], origin: node.origin)
        case .recurrence(let rule) where rule.result == .previousHidden && !splits:
            form = append(.recurrence(rule.sibling(.previousFactors)), node.inputs, origin: node.origin)
        default:
            form = isRounded(index) ? index : append(.unary(Unary(.roundToBfloat16)), [index], origin: node.origin)
        }
        roundedForms[index] = form
        return form
    }

    /// A product as the sum of the products of its factors' parts, but for that of the two low ones. Recurrences, whose
    /// products are made step by step, stay as they are.
    private mutating func splitProduct(_ node: Graph.Node) -> Int {
        let inputs = node.inputs.map { places[$0] }
        guard node.operation.isProduct else { return append(node.operation, inputs, origin: node.origin) }
        let (left, right) = (inputs[0], inputs[1])
        let (high, low) = (
            (roundedForm(of: left), roundedForm(of: right)), (remainder(of: left), remainder(of: right))
        )
        var sum = append(node.operation, [high.0, high.1], origin: node.origin)
        for (first, second) in [(high.0, low.1), (low.0, high.1)] as [(Int?, Int?)] {
            guard let first, let second else { continue }
            let product = append(node.operation, [first, second], origin: node.origin)
            sum = append(.binary(Binary(.add)), [sum, product], origin: node.origin)
        }
        return sum
    }

    /// The node that holds what rounding takes from the numbers of `index`, rounded; `nil` where that is nothing.
    private mutating func remainder(of index: Int) -> Int? {
        if let known = remainders[index] { return known }
        let node = nodes[index]
        let form: Int
        if node.operation.onlyMoves {
            guard let inner = remainder(of: node.inputs[0]) else { return nil }
            form = append(node.operation, [inner], origin: node.origin)
        } else {
            let rounded = roundedForm(of: index)
            guard rounded != index else { return nil }
            let difference = append(.binary(Binary(.subtract)), [index, rounded], origin: node.origin)
            form = append(.unary(Unary(.roundToBfloat16)), [difference], origin: node.origin)
        }
        remainders[index] = form
        return form
    }

    /// Whether the numbers are bfloat16 ones by the way they are made.
    private func isRounded(_ index: Int) -> Bool {
        let node = nodes[index]
        switch node.operation {
        case .unary(let unary):
            switch unary.function {
            case .roundToBfloat16, .sign: return true
            case .negate, .absolute, .relu: return isRounded(node.inputs[0])
            default: return false
            }
        case .binary(let binary): return [.greater, .greaterOrEqual, .equal].contains(binary.function)
        case .constant(let constant): return constant.value.floats.allSatisfy { $0.roundedToBfloat16 == $0 }
        case .oneHot: return true
        case .reshape, .broadcast, .transpose, .slice, .pad, .concatenate, .maxPool:
            return node.inputs.allSatisfy { isRounded($0) }
        case .recurrence(let rule): return rule.result == .previousFactors
        case .recurrenceGradient(let rule): return rule.roundsFactors && [.projected, .products].contains(rule.result)
        default: return false
        }
    }
}

extension Operation {
    fileprivate var isProduct: Bool {
        switch self {
        case .matMul, .convolution, .convolutionInputGradient, .convolutionKernelGradient: true
        default: false
        }
    }

    /// The inputs that are factors of a product.
    fileprivate var factors: [Int] {
        switch self {
        case _ where isProduct: [0, 1]
        // The kernel; what it is multiplied by is made step by step.
        case .recurrence: [1]
        case .recurrenceGradient(let rule): [rule.cell.keptState == nil ? 1 : 2]
        default: []
        }
    }

    /// Whether its result has its only input's numbers in other places.
    fileprivate var onlyMoves: Bool {
        switch self {
        case .reshape, .broadcast, .transpose: true
        default: false
        }
    }

    /// The same operation, which rounds the factors that it makes itself.
    fileprivate var roundingFactors: Operation {
        switch self {
        case .recurrence(var rule):
            rule.roundsFactors = true
            return .recurrence(rule)
        case .recurrenceGradient(var rule):
            rule.roundsFactors = true
            return .recurrenceGradient(rule)
        default: return self
        }
    }
}
