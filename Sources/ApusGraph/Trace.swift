import ApusCore

/// What a graph is traced for: layers such as dropout differ between the two.
public enum Mode: String, Hashable, Sendable, Codable {
    case training, inference
}

/// A new value for a variable, set when a run ends.
public struct VariableUpdate {
    /// What is set.
    public let variable: Variable
    /// What it is set to: of the variable's own shape and element type.
    public let value: Tensor

    /// Sets `variable` to `value`, which may depend on the variable's value at the start of the run.
    public init(_ variable: Variable, to value: Tensor) {
        self.variable = variable
        self.value = value
    }
}

/// A graph together with the variables that it reads and updates, in the graph's order.
package struct Trace {
    package var graph: Graph
    package let variables: [Variable]

    /// The graph of `outputs` and `updates` for a batch of `batchSize` samples.
    ///
    /// Open sizes are settled, phases are chosen, and every random operation gets a stream of its own, numbered in
    /// the order of the graph.
    /// - Parameter origin: the name of a layer's application, for the graph's nodes.
    /// - Throws: whatever error a tensor holds, and `ApusError.shape` where an input is missing from `inputs`, an
    ///   update's type is not its variable's, or a variable has two updates.
    package init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode, batchSize: Int,
        origin: (LayerCall) -> String = { $0.name ?? $0.kind }
    ) throws {
        for update in updates where try update.value.checked().type != update.variable.type {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "update of '\(update.variable.name)'", expected: "\(update.variable.type)",
                    received: "\(update.value.type)", cure: "give the update the variable's own shape"))
        }
        var updatedVariables: Set<ObjectIdentifier> = []
        for update in updates where !updatedVariables.insert(ObjectIdentifier(update.variable)).inserted {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "update of '\(update.variable.name)'", expected: "one update for each variable",
                    received: "two for this one", cure: "name each variable once"))
        }
        var builder = TraceBuilder(mode: mode, batchSize: batchSize)
        for input in inputs { try builder.addInput(input) }
        let updated = updates.map { $0.variable.tensor }
        for node in topologicalOrder(of: outputs + updates.map(\.value) + updated) { try builder.add(node, origin) }
        for variable in builder.averages.map({ builder.variables[$0.variable] })
        where updatedVariables.contains(ObjectIdentifier(variable)) {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "update of '\(variable.name)'", expected: "one update for each variable",
                    received: "one for a running average", cure: "leave it out: the layer updates it in training"))
        }
        graph = Graph(
            nodes: builder.nodes, inputs: builder.inputs, variables: builder.variableNodes,
            outputs: outputs.map { builder.index(of: $0) },
            updates: updates.map {
                Graph.Update(variable: builder.position(of: $0.variable), value: builder.index(of: $0.value))
            } + builder.averages)
        variables = builder.variables
        graph.verify(after: "trace")
    }
}

/// Turns tensors into the nodes of one graph.
private struct TraceBuilder {
    let mode: Mode
    let batchSize: Int
    var nodes: [Graph.Node] = []
    var inputs: [Int] = []
    var variableNodes: [Int] = []
    var variables: [Variable] = []
    /// What running averages come to, in the order of their variables' first update.
    var averages: [Graph.Update] = []
    private var indices: [ObjectIdentifier: Int] = [:]
    private var nextStream: UInt32 = 0

    init(mode: Mode, batchSize: Int) {
        self.mode = mode
        self.batchSize = batchSize
    }

    func index(of tensor: Tensor) -> Int {
        guard let index = indices[ObjectIdentifier(tensor.node)] else {
            preconditionFailure("\(tensor) was not traced")
        }
        return index
    }

    func position(of variable: Variable) -> Int {
        guard let position = variables.firstIndex(where: { $0 === variable }) else {
            preconditionFailure("variable \(variable.name) was not traced")
        }
        return position
    }

    mutating func addInput(_ tensor: Tensor) throws {
        guard case .input = try tensor.checked().node.operation else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "inputs", expected: "tensors made by Tensor.input", received: "\(tensor)",
                    cure: "name the tensor that the value enters by"))
        }
        guard indices[ObjectIdentifier(tensor.node)] == nil else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "inputs", expected: "each input once", received: "\(tensor) twice",
                    cure: "leave out the second"))
        }
        try append(tensor.node, origin: "")
        inputs.append(index(of: tensor))
    }

    mutating func add(_ node: Node, _ origin: (LayerCall) -> String) throws {
        if let failure = node.failure { throw failure }
        guard indices[ObjectIdentifier(node)] == nil else { return }
        switch node.operation {
        case .phase:
            let isFrozen = node.inputs.dropFirst(2).first?.node.variable?.isFrozen == true
            indices[ObjectIdentifier(node)] = index(of: node.inputs[mode == .training && !isFrozen ? 0 : 1])
        case .batchNormalization:
            indices[ObjectIdentifier(node)] = index(of: node.inputs[5])
        case .runningAverage(let average):
            indices[ObjectIdentifier(node)] = index(of: node.inputs[0])
            if mode == .training, let variable = node.inputs[1].node.variable, !variable.isFrozen {
                try update(variable, toward: index(of: node.inputs[2]), average, node.layerCall.map(origin) ?? "")
            }
        case .stopGradient:
            indices[ObjectIdentifier(node)] = index(of: node.inputs[0])
        case .input(let slot):
            throw ApusError.shape(
                ShapeProblem(
                    operation: "inputs", expected: "input '\(slot.name)' of type \(slot.type) among the inputs",
                    received: "outputs that depend on it", cure: "add it to the inputs"))
        case .axisSize(let size):
            let count = size.size(of: nodes[index(of: node.inputs[0])].type.shape)
            let value = Constant(value: NDArray(scalar: Float(count)))
            indices[ObjectIdentifier(node)] = nodes.count
            nodes.append(Graph.Node(.constant(value), [], TensorType(.scalar)))
        default: try append(node, origin: node.layerCall.map(origin) ?? "")
        }
    }

    /// `variable`, as earlier updates left it, moves towards the node `statistic`.
    private mutating func update(
        _ variable: Variable, toward statistic: Int, _ average: RunningAverage, _ origin: String
    ) throws {
        func append(_ operation: Operation, _ inputs: [Int]) throws -> Int {
            let type = try operation.rule.resultType(of: inputs.map { nodes[$0].type })
            nodes.append(Graph.Node(operation, inputs, type, origin: origin))
            return nodes.count - 1
        }
        func product(_ factor: Double, _ node: Int) throws -> Int {
            let number = try append(.constant(Constant(value: NDArray(scalar: Float(factor)))), [])
            let factors = try append(.broadcast(Broadcast(shape: variable.shape)), [number])
            return try append(.binary(Binary(.multiply)), [factors, node])
        }
        let position = position(of: variable)
        let earlier = averages.firstIndex { $0.variable == position }
        let old = try product(average.momentum, earlier.map { averages[$0].value } ?? variableNodes[position])
        let value = try append(.binary(Binary(.add)), [old, try product(1 - average.momentum, statistic)])
        if let earlier {
            averages[earlier].value = value
        } else {
            averages.append(Graph.Update(variable: position, value: value))
        }
    }

    private mutating func append(_ node: Node, origin: String) throws {
        var operation = node.operation.rule.specialized(batchSize: batchSize)
        if case .random(var random) = operation {
            random.stream = nextStream
            nextStream += 1
            operation = .random(random)
        }
        if let variable = node.variable {
            variableNodes.append(nodes.count)
            variables.append(variable)
        }
        let inputs = node.inputs.map { index(of: $0) }
        let type = try operation.rule.resultType(of: inputs.map { nodes[$0].type })
        guard Shape.isPossible(type.shape.sizes) else {
            throw operation.rule.mismatch(
                expected: "at most 2^40 elements with a batch of \(batchSize)", received: "\(type)",
                cure: "use smaller batches, or check the sizes")
        }
        indices[ObjectIdentifier(node)] = nodes.count
        nodes.append(Graph.Node(operation, inputs, type, origin: origin))
    }
}
