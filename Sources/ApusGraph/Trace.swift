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
    /// The loss's gradient that the value is made from, where an optimizer says so: for messages.
    package var gradient: Tensor?

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
    /// What each node is for, and its shape before the batch size was settled: for messages.
    package let roles: [Role]
    package let openShapes: [Shape]

    /// To which part of a step a node belongs.
    package enum Role: Hashable, Sendable {
        /// An output needs it.
        case forward
        case gradient
        /// It lies between the gradient and the next value of a variable, by its place.
        case update(Int)
    }

    /// The graph of `outputs` and `updates` for a batch of `batchSize` samples.
    ///
    /// Open sizes are settled, phases are chosen, and every random operation gets a stream of its own, numbered in
    /// the order of the graph.
    /// - Parameters:
    ///   - frozen: the variables that training leaves as they are; by default those that are frozen now.
    ///   - origin: the name of a layer's application, for the graph's nodes.
    /// - Throws: whatever error a tensor holds, and `ApusError.shape` where an input is missing from `inputs`, an
    ///   update's type is not its variable's, or a variable has two updates.
    package init(
        inputs: [Tensor], outputs: [Tensor], updates: [VariableUpdate] = [], mode: Mode, batchSize: Int,
        frozen: Set<ObjectIdentifier>? = nil, origin: (LayerCall) -> String = { $0.name ?? $0.kind }
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
        var builder = TraceBuilder(mode: mode, batchSize: batchSize, frozen: frozen)
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
        openShapes = builder.openShapes
        let gradients = updates.map { $0.gradient.flatMap { builder.knownIndex(of: $0) } }
        roles = Self.roles(graph, gradients: gradients, averageCount: builder.averages.count)
        graph.verify(after: "trace")
    }

    /// - Parameters:
    ///   - gradients: for each update the node of the gradient that it starts from; fewer than there are updates, as
    ///     running averages have none.
    ///   - averageCount: the updates at the end that are running averages.
    private static func roles(_ graph: Graph, gradients: [Int?], averageCount: Int) -> [Role] {
        var roles = [Role?](repeating: nil, count: graph.nodes.count)
        /// Gives a role to all that `root` needs and that has none yet, as far as `isMember` goes.
        func claim(_ root: Int, _ role: Role, _ isMember: (Int) -> Bool) {
            var stack = [root]
            while let node = stack.popLast() {
                guard roles[node] == nil, isMember(node) else { continue }
                roles[node] = role
                stack += graph.nodes[node].inputs
            }
        }
        for output in graph.outputs { claim(output, .forward) { _ in true } }
        for source in graph.inputs + graph.variables { roles[source] = .forward }
        let starts = Set(gradients.compactMap { $0 })
        for (number, update) in graph.updates.enumerated() {
            let isAverage = number >= graph.updates.count - averageCount
            let isKnown = isAverage || gradients[number] != nil
            claim(update.value, .update(update.variable)) { node in
                !starts.contains(node) && (isKnown || node == update.value || graph.nodes[node].origin.isEmpty)
            }
        }
        return roles.map { $0 ?? .gradient }
    }
}

/// Turns tensors into the nodes of one graph.
private struct TraceBuilder {
    let mode: Mode
    let batchSize: Int
    private let frozen: Set<ObjectIdentifier>?
    var nodes: [Graph.Node] = []
    var inputs: [Int] = []
    var variableNodes: [Int] = []
    var variables: [Variable] = []
    /// The nodes' shapes as the tensors have them.
    var openShapes: [Shape] = []
    /// What running averages come to, in the order of their variables' first update.
    var averages: [Graph.Update] = []
    private var indices: [ObjectIdentifier: Int] = [:]
    private var nextStream: UInt32 = 0

    init(mode: Mode, batchSize: Int, frozen: Set<ObjectIdentifier>?) {
        self.mode = mode
        self.batchSize = batchSize
        self.frozen = frozen
    }

    /// Whether training changes the variable.
    private func isFree(_ variable: Variable) -> Bool {
        !(frozen.map { $0.contains(ObjectIdentifier(variable)) } ?? variable.isFrozen)
    }

    func index(of tensor: Tensor) -> Int {
        guard let index = indices[ObjectIdentifier(tensor.node)] else {
            preconditionFailure("\(tensor) was not traced")
        }
        return index
    }

    func knownIndex(of tensor: Tensor) -> Int? { indices[ObjectIdentifier(tensor.node)] }

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
            let isFree = node.inputs.dropFirst(2).first?.node.variable.map { self.isFree($0) } ?? true
            indices[ObjectIdentifier(node)] = index(of: node.inputs[mode == .training && isFree ? 0 : 1])
        case .batchNormalization:
            indices[ObjectIdentifier(node)] = index(of: node.inputs[5])
        case .runningAverage(let average):
            indices[ObjectIdentifier(node)] = index(of: node.inputs[0])
            if mode == .training, let variable = node.inputs[1].node.variable, isFree(variable) {
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
            openShapes.append(.scalar)
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
            openShapes.append(type.shape)
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
        openShapes.append(node.type.shape)
    }
}
