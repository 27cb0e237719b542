import ApusCore
import ApusGraph

extension Fusion {
    /// Large element-wise values are computed again where that spares a pass over memory: from what the reading group
    /// reads anyway, or from one other large value in place of this one, if then nobody reads this one any more.
    ///
    /// So the gradient of batch normalisation with a rectifier reads the convolution's output and the gradient from
    /// above, and neither the normalised values nor the mask are ever stored.
    mutating func recompute() {
        var isChanged = true
        while isChanged {
            isChanged = false
            for node in graph.nodes.indices where isCheap(node) && isWritten(node) && !isTakenIn(node) {
                let readers = Set(consumers[node].compactMap { groupOfNode[$0] }).subtracting([groupOfNode[node] ?? -1])
                    .filter { !groups[$0].recomputed.contains(node) }.sorted()
                let ways = readers.map { way(to: node, within: $0) }
                var accepted = zip(readers, ways).filter { $0.1?.newInputCount == 0 }
                // Another input instead of this one pays only if this one is not written.
                let isSpared =
                    !isRoot[node] && consumers[node].allSatisfy { groupOfNode[$0] != nil }
                    && ways.allSatisfy { ($0?.newInputCount ?? 2) <= 1 }
                if isSpared { accepted = Array(zip(readers, ways)) }
                for case (let reader, let way?) in accepted {
                    groups[reader].recomputed = (groups[reader].recomputed + way.nodes).sorted()
                    isChanged = true
                }
            }
        }
    }

    private static let largestRepeatCount = 8

    /// Whether a product or convolution computes the element-wise node with itself: the product alone is never in
    /// memory, so that the node cannot be made of it again.
    private func isTakenIn(_ index: Int) -> Bool {
        guard Self.isElementwise(graph.nodes[index]), let group = groupOfNode[index] else { return false }
        return !groups[group].isElementwise
    }

    private func isCheap(_ index: Int) -> Bool {
        let node = graph.nodes[index]
        guard node.type.shape.elementCount >= largeElementCount, node.type.elementType == .float32 else {
            return false
        }
        switch node.operation {
        case .unary(let unary): return [.negate, .absolute, .sign, .square, .relu].contains(unary.function)
        case .binary(let binary): return binary.function != .divide && binary.function != .power
        case .select: return true
        default: return false
        }
    }

    /// What `group` has to compute itself instead of reading `node`, and how many large values it then reads more.
    /// `nil` where it cannot.
    func way(to node: Int, within group: Int) -> (nodes: [Int], newInputCount: Int)? {
        guard groups[group].isElementwise else { return nil }
        let members = Set(groups[group].nodes + groups[group].recomputed)
        let shape = graph.nodes[node].type.shape
        guard graph.nodes[groups[group].nodes[0]].type.shape == shape else { return nil }
        let read = Set(members.flatMap { graph.nodes[$0].inputs }).subtracting(members)
        var nodes: [Int] = []
        var newInputs: Set<Int> = []
        var stack = [node]
        while let next = stack.popLast() {
            if members.contains(next) || nodes.contains(next) || (next != node && read.contains(next)) { continue }
            let isComputable = isCheap(next) && !isTakenIn(next) && graph.nodes[next].type.shape == shape
            // What is in memory anyway is read, unless what it is made of is read already.
            if isComputable, next == node || !isStoredAnyway(next) || isMade(next, of: read.union(members)) {
                nodes.append(next)
                stack += graph.nodes[next].inputs
            } else if isSmall(next) {
                continue
            } else if isStoredAnyway(next) {
                newInputs.insert(next)
            } else {
                return nil
            }
        }
        guard nodes.count <= Self.largestRepeatCount, isWithinLimits((Array(members) + nodes).sorted()) else {
            return nil
        }
        return (nodes, newInputs.count)
    }

    /// Whether a few cheap operations on `values` and small ones give the node.
    private func isMade(_ node: Int, of values: Set<Int>) -> Bool {
        var count = 0
        var stack = [node]
        while let next = stack.popLast() {
            if values.contains(next) && next != node || isSmall(next) { continue }
            guard isCheap(next), !isTakenIn(next), count < Self.largestRepeatCount else { return false }
            count += 1
            stack += graph.nodes[next].inputs
        }
        return true
    }

    /// Single numbers, and vectors along the last axis, stretched: they cost next to nothing to read.
    private func isSmall(_ index: Int) -> Bool {
        guard case .broadcast = graph.nodes[index].operation else { return false }
        return graph.nodes[graph.nodes[index].inputs[0]].type.shape.elementCount <= 4096
    }

    /// Whether the value is in memory, whoever computes it again.
    private func isStoredAnyway(_ index: Int) -> Bool {
        guard Self.isElementwise(graph.nodes[index]) else {
            if case .broadcast = graph.nodes[index].operation { return isMaterialized(broadcast: index) }
            return true
        }
        return isRoot[index] || isTakenIn(index)
            || consumers[index].contains { consumer in
                guard let group = groupOfNode[consumer] else { return !isImageAlone(index, of: consumer) }
                return !groups[group].isElementwise
            }
    }
}
