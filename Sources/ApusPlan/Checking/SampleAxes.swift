import ApusCore
import ApusGraph

/// Which axis of each of a trace's nodes counts the batch's samples.
struct SampleAxes {
    private struct Axis {
        var axis: Int
        /// How many neighbours along the axis belong to one sample before the next one's come.
        var run: Int
    }

    private let trace: Trace
    private let batchSize: Int
    private let axes: [Axis?]

    init(_ trace: Trace, batchSize: Int) {
        self.trace = trace
        self.batchSize = batchSize
        var axes: [Axis?] = []
        for (index, node) in trace.graph.nodes.enumerated() {
            axes.append(Self.axis(trace.openShapes[index], node, trace.openShapes, axes))
        }
        self.axes = axes
    }

    private static func axis(_ shape: Shape, _ node: Graph.Node, _ shapes: [Shape], _ known: [Axis?]) -> Axis? {
        guard let axis = shape.sizes.firstIndex(where: { $0 < 0 }) else { return nil }
        let size = shape[axis]
        if size == -1 { return Axis(axis: axis, run: 1) }
        if case .reshape = node.operation, let input = known[node.inputs[0]] {
            // The distance between neighbouring samples in memory stays.
            let distance = input.run * product(shapes[node.inputs[0]].sizes[(input.axis + 1)...])
            let inner = product(shape.sizes[(axis + 1)...])
            return inner > 0 && distance % inner == 0 ? Axis(axis: axis, run: distance / inner) : nil
        }
        for input in node.inputs {
            if let given = known[input], shapes[input][given.axis] == size { return Axis(axis: axis, run: given.run) }
        }
        return nil
    }

    private static func product(_ sizes: ArraySlice<Int>) -> Int { sizes.reduce(1, *) }

    /// The sample that `element` of a node belongs to.
    /// - Parameter shape: the shape that it has in `element`; it may be simplified.
    func sample(at element: [Int], of node: Int, shape: Shape) -> Int? {
        guard let axis = axes[node], trace.graph.nodes[node].type.shape == shape, axis.run > 0 else { return nil }
        return element[axis.axis] / axis.run % batchSize
    }
}
