import ApusCore
import ApusGraph

extension Model {
    /// The model's result on other tensors, with the same variables.
    ///
    /// Random operations are drawn anew for each application.
    /// - Throws: `ApusError.shape` where the tensors do not fit the inputs, or the model has several outputs (call it
    ///   with an array, to get an array).
    public func callAsFunction(_ tensors: Tensor..., fileID: String = #fileID, line: Int = #line) throws -> Tensor {
        let location = SourceLocation(fileID, line)
        guard outputs.count == 1 else {
            throw ApusError.shape(
                ShapeProblem(
                    layer: name, operation: "outputs", expected: "1", received: "\(outputs.count)",
                    cure: "call the model with an array of tensors, which gives an array", location: "\(location)"))
        }
        return try apply(to: tensors, location: location)[0]
    }

    /// All of the model's results on other tensors, with the same variables.
    /// - Throws: `ApusError.shape` where the tensors do not fit the inputs.
    public func callAsFunction(_ tensors: [Tensor], fileID: String = #fileID, line: Int = #line) throws -> [Tensor] {
        try apply(to: tensors, location: SourceLocation(fileID, line))
    }

    package func apply(to tensors: [Tensor], location: SourceLocation) throws -> [Tensor] {
        try location.naming(name) {
            for tensor in tensors { _ = try tensor.checked() }
            let application = ModelApplication(model: self, inputs: tensors, batchSize: try batchSize(for: tensors))
            let call = LayerCall(kind: kind, name: givenName, variables: looseVariables)
            call.application = application
            return try application.clones(of: outputs, call: call)
        }
    }

    /// The number of samples in `tensors` (negative: times the open batch size) for one sample of the inputs.
    private func batchSize(for tensors: [Tensor]) throws -> Int {
        func mismatch(_ expected: String, _ received: String) -> ApusError {
            .shape(
                ShapeProblem(
                    operation: "inputs", expected: expected, received: received,
                    cure: "give the model as many tensors of just these types"))
        }
        guard tensors.count == inputs.count else { throw mismatch("\(inputs.count)", "\(tensors.count)") }
        var batchSize: Int?
        for (input, tensor) in zip(inputs, tensors) {
            let error = mismatch("\(input.type) for '\(input.inputName)'", "\(tensor.type)")
            guard tensor.elementType == input.elementType, tensor.shape.rank == input.shape.rank else { throw error }
            for (own, given) in zip(input.shape.sizes, tensor.shape.sizes) where own < 0 {
                guard given % own == 0, batchSize == nil || batchSize == -(given / own) else { throw error }
                batchSize = -(given / own)
            }
            guard input.shape.specialized(batchSize: batchSize ?? -1) == tensor.shape else { throw error }
        }
        return batchSize ?? -1
    }
}

/// One application of a model: which of its nodes stand for which of the model's.
///
/// The new nodes hold this object, so it holds them weakly. What is gone was used by nobody.
final class ModelApplication {
    let model: Model
    private let inputs: [Tensor]
    private let batchSize: Int
    private var nodes: [ObjectIdentifier: WeakReference<Node>] = [:]
    private var calls: [ObjectIdentifier: WeakReference<LayerCall>] = [:]

    init(model: Model, inputs: [Tensor], batchSize: Int) {
        self.model = model
        self.inputs = inputs
        self.batchSize = batchSize
    }

    /// The model's added losses, for this application.
    func losses(call: LayerCall) throws -> [AddedLoss] {
        let losses = model.addedLosses
        let values = try clones(of: losses.map(\.value), call: call)
        return zip(losses, values).map { AddedLoss(name: $0.name, value: $1) }
    }

    /// The model's `tensors` for this application's inputs.
    func clones(of tensors: [Tensor], call: LayerCall) throws -> [Tensor] {
        var made: [ObjectIdentifier: Tensor] = [:]
        for (input, given) in zip(model.inputs, inputs) { made[ObjectIdentifier(input.node)] = given }
        for node in topologicalOrder(of: tensors) where made[ObjectIdentifier(node)] == nil {
            let key = ObjectIdentifier(node)
            if node.variable != nil {
                made[key] = Tensor(node: node)
            } else if let known = nodes[key]?.object {
                made[key] = Tensor(node: known)
            } else {
                let operation =
                    batchSize == -1 ? node.operation : node.operation.rule.specialized(batchSize: batchSize)
                let inputs = node.inputs.compactMap { made[ObjectIdentifier($0.node)] }
                let clone = try Tensor(operation, inputs).checked()
                clone.node.layerCall = node.layerCall.map { self.clone(of: $0, root: call) } ?? call
                nodes[key] = WeakReference(clone.node)
                made[key] = clone
            }
        }
        return try tensors.map { tensor in
            guard let result = made[ObjectIdentifier(tensor.node)] else {
                preconditionFailure("\(tensor) was not cloned")
            }
            // A model that hands an input through keeps its place in the graph.
            guard inputs.contains(result) || tensor.node.variable != nil else { return result }
            let kept = try Tensor(.reshape(ApusGraph.Reshape(shape: result.shape)), [result]).checked()
            kept.node.layerCall = call
            return kept
        }
    }

    private func clone(of call: LayerCall, root: LayerCall) -> LayerCall {
        if let known = calls[ObjectIdentifier(call)]?.object { return known }
        let path = model.layerPath(of: call)
        let name = path.split(separator: "/").last.map(String.init)
        let parent = call.parent.map { clone(of: $0, root: root) } ?? root
        let made = LayerCall(kind: call.kind, name: name, parent: parent, variables: call.variables)
        calls[ObjectIdentifier(call)] = WeakReference(made)
        return made
    }
}

private struct WeakReference<Object: AnyObject> {
    weak var object: Object?
    init(_ object: Object) { self.object = object }
}
