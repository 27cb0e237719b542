import ApusCore
import ApusGraph

// Products before and after a recurrence that it does as it goes, while their rows are in the cache: the projection of
// its inputs, and on the way back the gradients of kernels and biases.
extension Fusion {
    /// Rows from which the steps' own products are as good as one large product.
    private static let smallestBatchSize = 16
    /// A kernel of more numbers does not stay in the second-level cache beside all else.
    private static let largestKernelElementCount = 1 << 17
    private static let largestSumCount = 4

    mutating func fuseIntoRecurrences() {
        for group in groups.indices {
            guard case .shared = groups[group].kind, let first = groups[group].nodes.first else { continue }
            switch graph.nodes[first].operation {
            case .recurrence: takeInProjection(group)
            case .recurrenceGradient: takeInSums(group)
            default: continue
            }
        }
    }

    func recurrence(_ node: Int) -> Recurrence? {
        if case .recurrence(let rule) = graph.nodes[node].operation { rule } else { nil }
    }

    func recurrenceGradient(_ node: Int) -> RecurrenceGradient? {
        if case .recurrenceGradient(let rule) = graph.nodes[node].operation { rule } else { nil }
    }

    /// Whether anybody outside the node's group reads it, through reshapes or not.
    func isStored(_ node: Int) -> Bool {
        views(of: node).contains { view in
            isRoot[view]
                || consumers[view].contains { consumer in
                    if case .reshape = graph.nodes[consumer].operation { return false }
                    return groupOfNode[consumer] != groupOfNode[node]
                }
        }
    }

    /// Whether what the recurrence keeps is read only by gradients that sum as they go: then it lies in the order of
    /// the walk, one way or the other.
    func keepsByStep(_ node: Int) -> Bool {
        guard let group = groupOfNode[node], case .projectedRecurrence = groups[group].kind else { return false }
        let kept = groups[group].nodes.filter { recurrence($0)?.isKeptForGradient ?? false }
        return !kept.isEmpty
            && kept.allSatisfy { node in
                !isRoot[node] && consumers[node].allSatisfy { sourceOfKept(ofGradient: $0) == group }
            }
    }

    /// The same of the recurrence whose gradient the node is.
    func isKeptByStep(_ gradient: Int) -> Bool {
        sourceOfKept(ofGradient: gradient).flatMap { groups[$0].nodes.first }.map(keepsByStep) ?? false
    }

    /// The group of a recurrence that gives all that is kept to the node, and nothing else; `nil` where the node is no
    /// gradient that sums as it goes, or has them from elsewhere.
    private func sourceOfKept(ofGradient node: Int) -> Int? {
        guard let rule = recurrenceGradient(node), let own = groupOfNode[node],
            case .recurrenceGradient = groups[own].kind
        else { return nil }
        let inputs = graph.nodes[node].inputs
        let roles = rule.roles(inputs)
        var kept = [Recurrence.Result.gates: roles.gates]
        if rule.cell.keptState == .previousCells { kept[.previousCells] = roles.previous }
        guard let source = groupOfNode[roles.gates], recurrence(roles.gates)?.cell == rule.cell,
            kept.allSatisfy({ recurrence($1)?.result == $0 && groupOfNode[$1] == source }),
            // In no other role.
            inputs.filter({ kept.values.contains($0) }).count == kept.count
        else { return nil }
        return source
    }

    private mutating func takeInProjection(_ group: Int) {
        let members = groups[group].nodes
        var (node, readers) = (graph.nodes[members[0]].inputs[0], members)
        let shape = graph.nodes[node].type.shape
        func isRead(onlyBy readers: [Int], _ node: Int) -> Bool {
            !isRoot[node] && consumers[node].allSatisfy { readers.contains($0) }
        }
        while case .reshape = graph.nodes[node].operation, isRead(onlyBy: readers, node) {
            (node, readers) = (graph.nodes[node].inputs[0], [node])
        }
        guard shape[0] >= Self.smallestBatchSize, isRead(onlyBy: readers, node) else { return }
        var (product, bias): (Int, Int?) = (node, nil)
        if case .binary(Binary(.add)) = graph.nodes[node].operation {
            let inputs = graph.nodes[node].inputs
            guard
                let stretched = inputs.first(where: { columnVector($0, columns: shape[2]) != nil }),
                let other = inputs.first(where: { $0 != stretched }), onlyReader(of: other) == node
            else { return }
            (product, bias) = (other, columnVector(stretched, columns: shape[2]))
        }
        guard case .matMul(MatMul()) = graph.nodes[product].operation,
            graph.nodes[product].type.shape == [shape[0] * shape[1], shape[2]],
            graph.nodes[graph.nodes[product].inputs[1]].type.shape.elementCount <= Self.largestKernelElementCount
        else { return }
        for taken in Set([product, node]) { groupOfNode[taken] = group }
        groups[group].nodes = Set(members + [product, node]).sorted()
        groups[group].kind = .projectedRecurrence(product: product, bias: bias)
    }

    private mutating func takeInSums(_ group: Int) {
        let members = groups[group].nodes
        var sums: [Group.RecurrenceSum] = []
        // What must not be computed between: the members, and reshapes of what they give.
        var union = members
        for member in members {
            guard let of = recurrenceGradient(member)?.result, of == .projected || of == .products else { continue }
            let shape = graph.nodes[member].type.shape
            let views = views(of: member)
            for reader in Set(views.flatMap { consumers[$0] }).sorted() where sums.count < Self.largestSumCount {
                guard let sum = sum(reader, of: of, views, rowCount: shape[0] * shape[1], columnCount: shape[2]),
                    canRunTogether(union + views.dropFirst() + [reader])
                else { continue }
                sums.append(sum)
                union += views.dropFirst() + [reader]
            }
        }
        guard !sums.isEmpty else { return }
        for sum in sums { groupOfNode[sum.node] = group }
        groups[group].nodes = (members + sums.map(\.node)).sorted()
        groups[group].kind = .recurrenceGradient(sums: sums)
    }

    /// The node and its reshapes.
    private func views(of node: Int) -> [Int] {
        [node]
            + consumers[node].flatMap { consumer -> [Int] in
                if case .reshape = graph.nodes[consumer].operation { return views(of: consumer) }
                return []
            }
    }

    /// `reader` as a sum over the rows of what `views` show; `nil` where it is none.
    private func sum(
        _ reader: Int, of: RecurrenceGradient.Result, _ views: [Int], rowCount: Int, columnCount: Int
    ) -> Group.RecurrenceSum? {
        let inputs = graph.nodes[reader].inputs
        switch graph.nodes[reader].operation {
        case .matMul(MatMul(isLeftTransposed: true)):
            let factors = graph.nodes[inputs[0]].type.shape
            guard views.contains(inputs[1]), !views.contains(inputs[0]),
                graph.nodes[inputs[1]].type.shape == [rowCount, columnCount], factors[0] == rowCount,
                factors[1] * columnCount <= Self.largestKernelElementCount
            else { return nil }
            return .init(node: reader, of: of, factors: inputs[0])
        case .reduction where self.columnCount(ofSum: reader) == columnCount:
            return .init(node: reader, of: of, factors: nil)
        default: return nil
        }
    }
}
