import ApusCore
import ApusGraph

/// Which nodes of a graph are computed together, as one step.
struct Fusion {
    struct Group {
        enum Kind {
            case single
            /// A product with what follows it: the nodes are the product, the bias's addition and the function.
            case matMul(bias: Int?, activation: Unary.Function?)
            /// Likewise a convolution.
            case convolution(bias: Int?, activation: Unary.Function?)
            /// Results of one recurrence with the product that projects its inputs, and a bias.
            case projectedRecurrence(product: Int, bias: Int?)
            /// Results of one recurrence's gradient with sums over all its rows and steps.
            case recurrenceGradient(sums: [RecurrenceSum])
            /// A product that is taken from a variable, times a single number if there is one: a step of descent.
            case matMulUpdate(variable: Int, scale: Int?)
            /// Element-wise operations, and sums of what they compute.
            case elementwise
            /// Results of one computation on the same inputs.
            case shared
        }
        /// The product or sum `node`, taken of a gradient as a recurrence goes.
        struct RecurrenceSum {
            var node: Int
            var of: RecurrenceGradient.Result
            var factors: Int?
        }

        var kind: Kind
        /// In rising order.
        var nodes: [Int]
        /// Nodes of other groups that are computed here once more, which is cheaper than reading their values.
        var recomputed: [Int] = []

        var isElementwise: Bool { if case .elementwise = kind { true } else { false } }
    }

    let graph: Graph
    let consumers: [[Int]]
    /// The inputs of all nodes in one list, and where each node's start in it: they are followed very often.
    private let inputs: (nodes: [Int], starts: [Int])
    let isRoot: [Bool]
    let largeElementCount: Int
    /// The poolings that element-wise work can take in.
    var poolings: [Int: Pooling] = [:]
    /// Gradients of poolings without a step of their own: their readers spread them.
    var spreadByReaders: Set<Int> = []
    var groups: [Group] = []
    /// The group of each node; `nil` for nodes without a step of their own (sources, reshapes, views, and gradients of
    /// poolings that their readers spread).
    var groupOfNode: [Int?]

    /// Programs stay within what executors take.
    private static let largestNodeCount = 160
    private static let largestInputCount = 48
    private static let largestOutputCount = 24

    /// - Parameters:
    ///   - largeElementCount: the elements from which a value is rather computed again than read again, and an image rather
    ///     pooled as it is made.
    ///   - isOff: every operation is a step of its own.
    init(_ graph: Graph, largeElementCount: Int, isOff: Bool = false) {
        self.graph = graph
        self.largeElementCount = largeElementCount
        var consumers = [[Int]](repeating: [], count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            for input in node.inputs where consumers[input].last != index { consumers[input].append(index) }
        }
        self.consumers = consumers
        inputs = (
            graph.nodes.flatMap(\.inputs), graph.nodes.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.inputs.count) }
        )
        var isRoot = [Bool](repeating: false, count: graph.nodes.count)
        for root in graph.roots { isRoot[root] = true }
        self.isRoot = isRoot
        groupOfNode = [Int?](repeating: nil, count: graph.nodes.count)

        if isOff {
            placeApart()
            return
        }
        findPoolings()
        shareComputations()
        fuseIntoRecurrences()
        for index in graph.nodes.indices where groupOfNode[index] == nil { fuseAfterProduct(index) }
        for index in graph.nodes.indices where groupOfNode[index] == nil { place(index) }
        recompute()
        recomputeImages()
    }

    private mutating func placeApart() {
        for (index, node) in graph.nodes.enumerated() {
            switch node.operation {
            case .input, .variable, .constant, .reshape: continue
            case .broadcast where !isMaterialized(broadcast: index): continue
            default: makeGroup(Self.isElementwise(node) ? .elementwise : .single, [index])
            }
        }
    }

    /// Whether the node is part of element-wise programs.
    static func isElementwise(_ node: Graph.Node) -> Bool {
        switch node.operation {
        case .unary, .binary, .select, .cast: true
        default: false
        }
    }

    /// A stretched array is read in place by element-wise work; others need it written out.
    func isMaterialized(broadcast index: Int) -> Bool {
        isRoot[index] || consumers[index].contains { !Self.isElementwise(graph.nodes[$0]) }
    }

    mutating func makeGroup(_ kind: Group.Kind, _ nodes: [Int]) {
        for node in nodes { groupOfNode[node] = groups.count }
        groups.append(Group(kind: kind, nodes: nodes))
    }

    /// Joins the results of one computation: none of them can depend on another.
    private mutating func shareComputations() {
        struct Computation: Hashable {
            let form: Operation
            let inputs: [Int]
        }
        var nodes: [Computation: [Int]] = [:]
        for (index, node) in graph.nodes.enumerated() {
            guard let form = node.operation.sharing?.form else { continue }
            nodes[Computation(form: form, inputs: node.inputs), default: []].append(index)
        }
        for group in nodes.values.sorted(by: { $0[0] < $1[0] }) { makeGroup(.shared, group) }
    }

    /// A product or convolution whose only reader adds a bias to every column takes that in, and likewise a function
    /// after it.
    private mutating func fuseAfterProduct(_ index: Int) {
        let isConvolution: Bool
        switch graph.nodes[index].operation {
        case .matMul where graph.nodes[index].type.shape.rank == 2: isConvolution = false
        case .convolution: isConvolution = true
        default: return
        }
        if !isConvolution && fuseIntoUpdate(index) { return }
        var nodes = [index]
        var bias: Int?
        if let addition = onlyReader(of: index), case .binary(Binary(.add)) = graph.nodes[addition].operation {
            let inputs = graph.nodes[addition].inputs
            let other = inputs[0] == index ? inputs[1] : inputs[0]
            if other != index, let source = columnVector(other, columns: graph.nodes[index].type.shape[-1]) {
                bias = source
                nodes.append(addition)
            }
        }
        var activation: Unary.Function?
        if let reader = onlyReader(of: nodes[nodes.count - 1]), case .unary(let unary) = graph.nodes[reader].operation,
            [.sigmoid, .tanh, .relu].contains(unary.function)
        {
            activation = unary.function
            nodes.append(reader)
        }
        makeGroup(
            isConvolution
                ? .convolution(bias: bias, activation: activation) : .matMul(bias: bias, activation: activation), nodes)
    }

    /// A product whose only use is `variable - product` or `variable - scale * product`, as that variable's new value.
    private mutating func fuseIntoUpdate(_ index: Int) -> Bool {
        guard var reader = onlyReader(of: index) else { return false }
        var nodes = [index]
        var scale: Int?
        if case .binary(Binary(.multiply)) = graph.nodes[reader].operation {
            let inputs = graph.nodes[reader].inputs
            let other = inputs[0] == index ? inputs[1] : inputs[0]
            guard other != index, case .broadcast = graph.nodes[other].operation,
                graph.nodes[graph.nodes[other].inputs[0]].type.shape.isScalar, let next = onlyReader(of: reader)
            else { return false }
            scale = graph.nodes[other].inputs[0]
            nodes.append(reader)
            reader = next
        }
        let inputs = graph.nodes[reader].inputs
        guard case .binary(Binary(.subtract)) = graph.nodes[reader].operation, inputs[1] == nodes[nodes.count - 1],
            let variable = graph.variables.firstIndex(of: inputs[0]), consumers[reader].isEmpty,
            graph.updates.contains(.init(variable: variable, value: reader)), !graph.outputs.contains(reader),
            !graph.nodes[index].inputs.contains(inputs[0])
        else { return false }
        makeGroup(.matMulUpdate(variable: inputs[0], scale: scale), nodes + [reader])
        return true
    }

    func onlyReader(of index: Int) -> Int? {
        isRoot[index] || consumers[index].count != 1 ? nil : consumers[index].first
    }

    /// The vector that `index` stretches to the same value in each row.
    func columnVector(_ index: Int, columns: Int) -> Int? {
        guard case .broadcast = graph.nodes[index].operation else { return nil }
        let source = graph.nodes[index].inputs[0]
        let shape = graph.nodes[source].type.shape
        return shape.elementCount == columns && shape.sizes.last == columns ? source : nil
    }

    private mutating func place(_ index: Int) {
        let node = graph.nodes[index]
        switch node.operation {
        case .input, .variable, .constant, .reshape: return
        case .broadcast where !isMaterialized(broadcast: index): return
        case .unary, .binary, .select, .cast: placeElementwise(index)
        case .reduction: placeReduction(index)
        case .maxPool, .maxPoolSelection: placePooling(index)
        case .maxPoolGradient where spreadByReaders.contains(index): return
        default: makeGroup(.single, [index])
        }
    }

    /// A sum down the columns of what an element-wise group computes is done in the same pass.
    private mutating func placeReduction(_ index: Int) {
        let input = graph.nodes[index].inputs[0]
        guard columnCount(ofSum: index) != nil, let group = groupOfNode[input],
            case .elementwise = groups[group].kind, Self.isElementwise(graph.nodes[input]),
            graph.nodes[input].type.elementType == .float32, groups[group].nodes.count < Self.largestNodeCount
        else { return makeGroup(.single, [index]) }
        let union = (groups[group].nodes + [index]).sorted()
        guard isWithinLimits(union), canRunTogether(union) else { return makeGroup(.single, [index]) }
        groups[group].nodes = union
        groupOfNode[index] = group
    }

    /// For a sum over leading axes the number of sums; `nil` for every other operation.
    func columnCount(ofSum index: Int) -> Int? {
        guard case .reduction(let reduction) = graph.nodes[index].operation, reduction.function == .sum else {
            return nil
        }
        let sizes = graph.nodes[graph.nodes[index].inputs[0]].type.shape.sizes
        let kept = sizes.indices.filter { sizes[$0] != 1 && !reduction.axes.contains($0) }
        let summed = reduction.axes.filter { sizes[$0] != 1 }
        guard let lastSummed = summed.last, lastSummed < (kept.first ?? sizes.count) else { return nil }
        let count = kept.reduce(1) { $0 * sizes[$1] }
        return count > 0 ? count : nil
    }

    private mutating func placeElementwise(_ index: Int) {
        makeGroup(.elementwise, [index])
        for input in Set(graph.nodes[index].inputs).sorted() {
            guard let other = groupOfNode[input], let own = groupOfNode[index], other != own,
                case .elementwise = groups[other].kind, Self.isElementwise(graph.nodes[input]),
                graph.nodes[input].type.shape == graph.nodes[index].type.shape
            else { continue }
            let union = (groups[other].nodes + groups[own].nodes).sorted()
            guard union.count <= Self.largestNodeCount, isWithinLimits(union), storesWholeNumbers(union),
                canRunTogether(union)
            else { continue }
            for node in groups[own].nodes { groupOfNode[node] = other }
            groups[other].nodes = union
            groups[own].nodes = []
        }
    }

    /// No other step may come between the members: none that they need, as far back as that goes, needs one of them.
    /// Steps count as a whole here, since each waits for all that any of its nodes needs.
    func canRunTogether(_ union: [Int]) -> Bool {
        var isMember = [Bool](repeating: false, count: graph.nodes.count)
        for node in union { isMember[node] = true }
        var isSeen = isMember
        var stack: [Int] = []
        /// Notes what a node reads; `false` where that is a member.
        func follow(_ node: Int, isOutside: Bool) -> Bool {
            for place in inputs.starts[node]..<inputs.starts[node + 1] {
                let input = inputs.nodes[place]
                if isOutside && isMember[input] { return false }
                if isSeen[input] { continue }
                isSeen[input] = true
                stack.append(input)
            }
            return true
        }
        for node in union { _ = follow(node, isOutside: false) }
        while let node = stack.popLast() {
            guard let group = groupOfNode[node], groups[group].nodes.count > 1 else {
                if !follow(node, isOutside: true) { return false }
                continue
            }
            for companion in groups[group].nodes {
                isSeen[companion] = true
                if !follow(companion, isOutside: true) { return false }
            }
        }
        return true
    }

    /// A conversion to whole numbers cuts when its result is stored, so that nobody may read it in the same pass.
    private func storesWholeNumbers(_ union: [Int]) -> Bool {
        let whole = union.filter { graph.nodes[$0].type.elementType == .int32 }
        return whole.isEmpty || !union.contains { graph.nodes[$0].inputs.contains { whole.contains($0) } }
    }

    func isWithinLimits(_ union: [Int]) -> Bool {
        let members = Set(union)
        let inputs = Set(union.flatMap { graph.nodes[$0].inputs }).subtracting(members)
        let outputs = union.filter { isRead($0, outside: members) }
        return inputs.count <= Self.largestInputCount && outputs.count <= Self.largestOutputCount
            && agreesOnWindows(union)
    }

    /// Whether the value has to be written: it is asked for, or somebody reads it who does not compute it.
    func isWritten(_ node: Int) -> Bool { isReadAsValue(node) || isReadAsImage(node) }

    /// As `isWritten`, but for those who spread a gradient by it.
    func isReadAsValue(_ node: Int) -> Bool {
        isRoot[node]
            || consumers[node].contains { consumer in
                guard let group = groupOfNode[consumer] else { return !isImageAlone(node, of: consumer) }
                return groupOfNode[node] != group && !groups[group].recomputed.contains(node)
            }
    }

    /// Whether anybody but `members` reads the node.
    func isRead(_ node: Int, outside members: Set<Int>) -> Bool {
        isRoot[node] || consumers[node].contains { !members.contains($0) }
    }
}
