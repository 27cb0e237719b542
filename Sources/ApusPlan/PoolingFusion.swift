import ApusCore
import ApusGraph

// Maximum poolings in element-wise work: what makes the image pools it, and what reads the gradient spreads it, band
// after band, so that neither lies in memory as a whole.
extension Fusion {
    /// Finds the poolings, and gradients of such, that element-wise work can take in, and the gradients that all their
    /// readers spread for themselves.
    mutating func findPoolings() {
        for (index, node) in graph.nodes.enumerated() {
            let window: PoolingWindow
            switch node.operation {
            case .maxPool(let rule): window = rule.window
            case .maxPoolSelection(let rule): window = rule.window
            case .maxPoolGradient(let rule): window = rule.window
            default: continue
            }
            let image = graph.nodes[node.inputs[0]].type.shape
            if image.elementCount >= largeElementCount { windows[index] = .init(window, over: image) }
        }
        spreadByReaders = Set(windows.keys.filter { isElementwiseWorkAlone(after: $0) })
    }

    private func isElementwiseWorkAlone(after index: Int) -> Bool {
        guard isGradientOfPooling(index), !isRoot[index], !consumers[index].isEmpty else { return false }
        return consumers[index].allSatisfy { reader in
            Self.isElementwise(graph.nodes[reader])
                && graph.nodes[reader].type.shape == graph.nodes[index].type.shape
                && graph.nodes[reader].inputs.allSatisfy { $0 == index || !isGradientOfPooling($0) }
        }
    }

    private func isGradientOfPooling(_ index: Int) -> Bool {
        if case .maxPoolGradient = graph.nodes[index].operation { true } else { false }
    }

    /// The gradients of poolings that the nodes read and spread.
    func spreadInputs(of nodes: [Int]) -> [Int] {
        spreadByReaders.isEmpty
            ? [] : Set(nodes.flatMap { graph.nodes[$0].inputs }).intersection(spreadByReaders).sorted()
    }

    /// The images by whose largest numbers the nodes select, or spread what they read.
    func images(of nodes: [Int]) -> Set<Int> {
        let selections = nodes.filter { windows[$0] != nil && graph.nodes[$0].inputs.count == 2 }
        return Set((spreadInputs(of: nodes) + selections).map { graph.nodes[$0].inputs[0] })
    }

    /// Whether a program of the nodes has windows of one kind, and one image for them.
    func agreesOnWindows(_ nodes: [Int]) -> Bool {
        windows.isEmpty
            || Set((spreadInputs(of: nodes) + nodes).compactMap { windows[$0] }).count <= 1
                && images(of: nodes).count <= 1
    }

    /// A pooling of what an element-wise group computes is done in the same pass.
    mutating func placePooling(_ index: Int) {
        let group = groupOfNode[graph.nodes[index].inputs[0]]
        guard windows[index] != nil, let group, groups[group].isElementwise,
            graph.nodes[index].inputs.allSatisfy({
                groupOfNode[$0] == group && Self.isElementwise(graph.nodes[$0])
                    && graph.nodes[$0].type.elementType == .float32
            })
        else { return makeGroup(.single, [index]) }
        let union = (groups[group].nodes + [index]).sorted()
        guard isWithinLimits(union), canRunTogether(union) else { return makeGroup(.single, [index]) }
        groups[group].nodes = union
        groupOfNode[index] = group
    }

    /// Has groups that spread a gradient compute the image themselves, where they read all that it is made of, or read
    /// one other large value in its place, if then nobody reads this one any more.
    mutating func recomputeImages() {
        for group in groups.indices where groups[group].isElementwise {
            let members = groups[group].nodes + groups[group].recomputed
            for image in images(of: members) where !members.contains(image) {
                guard let way = way(to: image, within: group), way.newInputCount <= (isReadAsValue(image) ? 0 : 1)
                else {
                    continue
                }
                groups[group].recomputed = (groups[group].recomputed + way.nodes).sorted()
            }
        }
    }

    /// Whether a group that spreads a gradient reads the node as its image.
    func isReadAsImage(_ node: Int) -> Bool {
        guard consumers[node].contains(where: { spreadByReaders.contains($0) && graph.nodes[$0].inputs[0] == node })
        else {
            return false
        }
        return groups.contains { group in
            let members = group.nodes + group.recomputed
            return group.isElementwise && !members.contains(node) && images(of: members).contains(node)
        }
    }
}
