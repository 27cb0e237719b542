import ApusCore
import ApusGraph

// Maximum poolings in element-wise work: what makes the image pools it, and what reads the gradient spreads it, band
// after band, so that neither lies in memory as a whole.
extension Fusion {
    /// A pooling that element-wise work can take in.
    struct Pooling {
        enum Role { case largest, selection, gradient }
        var role: Role
        var windows: ElementwiseProgram.Windows
        /// The node in whose windows it looks for the largest number.
        var image: Int
    }

    /// Finds the poolings that element-wise work can take in, and of them the gradients that all their readers spread for
    /// themselves.
    mutating func findPoolings() {
        for (index, node) in graph.nodes.enumerated() {
            let (role, window): (Pooling.Role, PoolingWindow)
            switch node.operation {
            case .maxPool(let rule): (role, window) = (.largest, rule.window)
            case .maxPoolSelection(let rule): (role, window) = (.selection, rule.window)
            case .maxPoolGradient(let rule): (role, window) = (.gradient, rule.window)
            default: continue
            }
            let image = node.inputs[0], shape = graph.nodes[image].type.shape
            guard shape.elementCount >= largeElementCount, graph.nodes.splat(image) == nil,
                let windows = ElementwiseProgram.Windows(window, over: shape)
            else { continue }
            poolings[index] = Pooling(role: role, windows: windows, image: image)
        }
        spreadByReaders = Set(poolings.keys.filter { isReadByElementwiseWorkAlone($0) })
    }

    private func isReadByElementwiseWorkAlone(_ gradient: Int) -> Bool {
        guard poolings[gradient]?.role == .gradient, !isRoot[gradient], !consumers[gradient].isEmpty else {
            return false
        }
        return consumers[gradient].allSatisfy { reader in
            Self.isElementwise(graph.nodes[reader])
                && graph.nodes[reader].type.shape == graph.nodes[gradient].type.shape
                && graph.nodes[reader].inputs.allSatisfy { $0 == gradient || poolings[$0]?.role != .gradient }
        }
    }

    /// Whether `consumer` looks at the node only to spread a gradient, which then is its readers' work.
    func isImageAlone(_ node: Int, of consumer: Int) -> Bool {
        spreadByReaders.contains(consumer) && graph.nodes[consumer].inputs[1] != node
    }

    /// The gradients of poolings that the nodes read and spread.
    func spreadInputs(of nodes: [Int]) -> [Int] {
        if spreadByReaders.isEmpty { return [] }
        return Set(nodes.flatMap { graph.nodes[$0].inputs }).intersection(spreadByReaders).sorted()
    }

    /// The images by whose largest numbers the nodes select, or spread what they read.
    func images(of nodes: [Int]) -> Set<Int> {
        let selections = nodes.compactMap { poolings[$0]?.role == .selection ? poolings[$0]?.image : nil }
        return Set(spreadInputs(of: nodes).compactMap { poolings[$0]?.image } + selections)
    }

    /// Whether a program of the nodes has windows of one kind, and one image for them.
    func agreesOnWindows(_ nodes: [Int]) -> Bool {
        if poolings.isEmpty { return true }
        return Set((spreadInputs(of: nodes) + nodes).compactMap { poolings[$0]?.windows }).count <= 1
            && images(of: nodes).count <= 1
    }

    /// A pooling of what an element-wise group computes is done in the same pass.
    mutating func placePooling(_ index: Int) {
        let group = groupOfNode[graph.nodes[index].inputs[0]]
        guard poolings[index] != nil, let group, groups[group].isElementwise,
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
    ///
    /// The image that is computed again may differ from that which was pooled in its last digits, where a product is
    /// added in one group and kept in the other: of numbers so near each other another may count as the largest.
    mutating func recomputeImages() {
        var readers: [Int: [Int]] = [:]
        for group in groups.indices where groups[group].isElementwise {
            let members = groups[group].nodes + groups[group].recomputed
            for image in images(of: members) where !members.contains(image) {
                readers[image, default: []].append(group)
            }
        }
        for (image, readers) in readers.sorted(by: { $0.key < $1.key }) {
            let ways = readers.map { way(to: image, within: $0) }
            let isSpared = !isReadAsValue(image) && ways.allSatisfy { ($0?.newInputCount ?? 2) <= 1 }
            for case (let group, let way?) in zip(readers, ways) where way.newInputCount == 0 || isSpared {
                groups[group].recomputed = (groups[group].recomputed + way.nodes).sorted()
            }
        }
    }

    /// Whether a group that spreads a gradient reads the node as its image.
    func isReadAsImage(_ node: Int) -> Bool {
        guard consumers[node].contains(where: { spreadByReaders.contains($0) && poolings[$0]?.image == node }) else {
            return false
        }
        return groups.contains { group in
            let members = group.nodes + group.recomputed
            return group.isElementwise && !members.contains(node) && images(of: members).contains(node)
        }
    }
}
