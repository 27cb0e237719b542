import ApusGraph

extension Graph {
    /// `source` in other nodes: the value of its node i is that of node `places[i]`.
    init(_ source: Graph, rewrittenAs nodes: [Node], places: [Int]) {
        self.init(
            nodes: nodes, inputs: source.inputs.map { places[$0] }, variables: source.variables.map { places[$0] },
            outputs: source.outputs.map { places[$0] },
            updates: source.updates.map { Update(variable: $0.variable, value: places[$0.value]) })
    }
}
