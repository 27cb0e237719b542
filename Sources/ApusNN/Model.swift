import ApusCore
import ApusGraph

/// A network: the tensors that enter it, those that leave it, and all layers between them with their variables.
///
///     let image = Tensor.input([784])
///     let hidden = try Dense(512, activation: .relu)(image)
///     let encoder = try Model(inputs: [image], outputs: [Dense(2)(hidden), Dense(2)(hidden)], name: "encoder")
///     let codes = try encoder([otherImage])
///
/// Calling a model on other tensors shares its variables. A model belongs to one thread at a time.
public class Model {
    public let name: String
    public let inputs: [Tensor]
    public let outputs: [Tensor]
    /// What is added to any loss that the model is trained with; see `addLoss(_:name:)`.
    public private(set) var addedLosses: [AddedLoss] = []
    /// The name that the user gave; a model without one is numbered by its kind inside other models.
    let givenName: String?
    private var names: LayerNames
    /// What the variables' first values were drawn by; added losses may bring more variables.
    private var seed: UInt64
    /// What other parts of Apus keep with the model, each under a key of its own: compiled functions.
    package var companions: [String: AnyObject] = [:]

    /// What the layer is called in summaries, as in `Dense`.
    package let kind: String

    /// A model of all that lies between `inputs` and `outputs`.
    ///
    /// Variables that have no values yet get them here, as a function of `seed`, the model's name and their paths: two
    /// models alike need different names or seeds to start differently.
    /// - Parameters:
    ///   - name: `model` by default. Inside other models, one without a name is numbered: `model`, `model2`.
    ///   - seed: for the first values of the variables; see `initialize(seed:)`.
    /// - Throws: `ApusError.shape` where inputs and outputs do not belong together, `ApusError.setting` where two
    ///   layers have one name, and whatever error an output holds.
    public convenience init(inputs: [Tensor], outputs: [Tensor], name: String? = nil, seed: UInt64 = 0) throws {
        try self.init(inputs: inputs, outputs: outputs, name: name, seed: seed, kind: "Model")
    }

    package init(inputs: [Tensor], outputs: [Tensor], name: String?, seed: UInt64, kind: String) throws {
        try checkName(name, of: kind)
        self.name = name ?? lowerCamelCase(kind)
        givenName = name
        self.kind = kind
        self.seed = seed
        self.inputs = inputs
        self.outputs = outputs
        try checkInputs(inputs, of: self.name)
        guard !outputs.isEmpty else {
            throw ApusError.setting(owner: "Model '\(self.name)'", name: "outputs", value: "[]", expected: "1 or more")
        }
        let dependent = try dependentNodes(of: outputs, on: inputs, model: self.name)
        if let output = outputs.first(where: { !dependent.contains(ObjectIdentifier($0.node)) }) {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(self.name)'", expected: "outputs that depend on the inputs",
                    received: "\(output), which depends on none of them",
                    cure: "make it from the inputs, or leave it out"))
        }
        let nodes = topologicalOrder(of: outputs)
        names = try LayerNames(nodes: nodes, roots: outputs.map(\.node), model: self.name)
        try adoptLosses(of: nodes)
        try initializeNew()
    }

    /// All variables in the order of the layers, each once: trainable or not.
    public var variables: [NamedVariable] { names.variables }

    /// The variables that optimizers change.
    public var parameters: [Variable] { variables.map(\.variable).filter(\.isTrainable) }

    /// Whether training may change the model's variables. Setting it freezes or frees all of them, those shared with
    /// other models too: optimizers leave frozen ones as they are, and a frozen `BatchNormalization` uses its running
    /// statistics. A `Trainer` takes it as it is at each `fit` and `evaluate`, a `Function` when it is made.
    ///
    ///     trunk.isTrainable = false
    ///     let model = try Model(inputs: [image], outputs: [Dense(10)(trunk(image))])
    public var isTrainable: Bool {
        get { !variables.contains { $0.variable.isFrozen } }
        set { for entry in variables { entry.variable.isFrozen = !newValue } }
    }

    /// The number of elements of all variables.
    public var parameterCount: Int { variables.reduce(0) { $0 + $1.variable.elementCount } }

    /// Where an application of a layer stands in the model, as in `encoder/dense2`.
    package func layerPath(of call: LayerCall) -> String {
        if let path = names.paths[ObjectIdentifier(call)] { return path }
        let own = call.name ?? lowerCamelCase(call.kind)
        return call.parent.map { "\(layerPath(of: $0))/\(own)" } ?? own
    }

    /// The variables that no layer made.
    var looseVariables: [Variable] { names.looseVariables }

    /// The sum of what the trainable variables' regularizers add to the loss, each shared variable once; `nil` where
    /// there is none. It does not depend on the inputs.
    public var regularization: Tensor? {
        let penalties = parameters.compactMap { variable in variable.regularizer?.penalty(of: variable.tensor) }
        return penalties.first.map { penalties.dropFirst().reduce($0, +) }
    }
}

// MARK: First values

extension Model {
    /// Draws the first values of all variables again.
    ///
    /// A variable's values are a function of `seed`, the model's name and its path. Those without an initializer, as
    /// made by `Variable(_:value:)`, keep their values.
    /// - Throws: `ApusError.shape` where an initializer of your own gives values of another shape.
    public func initialize(seed: UInt64) throws {
        self.seed = seed
        for entry in variables where entry.variable.initializer != nil { try initialize(entry) }
    }

    private func initializeNew() throws {
        for entry in variables where !entry.variable.isInitialized { try initialize(entry) }
    }

    private func initialize(_ entry: NamedVariable) throws {
        do {
            try entry.variable.initialize(seed: seed, stream: stableHash("\(name)/\(entry.path)"))
        } catch ApusError.shape(var problem) {
            problem.layer = entry.path.split(separator: "/").dropLast().joined(separator: "/")
            throw ApusError.shape(problem)
        }
    }
}

/// A hash that is the same on every machine and in every run: FNV-1a with 32 bits.
/// Source: Fowler, Noll and Vo, The FNV non-cryptographic hash algorithm, RFC 9923.
package func stableHash(_ text: String) -> UInt32 {
    text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
}

// MARK: Added losses

/// A tensor that is added to the loss, and its name in logs.
public struct AddedLoss {
    public let name: String
    /// A scalar, or one number for each sample, of which the mean is taken.
    public let value: Tensor
}

extension Model {
    /// Adds `value` to whatever loss the model is trained with, and to that of models that it is called in later.
    ///
    ///     model.addLoss(0.5 * (exp(logVariance) + square(mean) - logVariance - 1).sum(-1), name: "divergence")
    ///
    /// - Parameter value: a scalar, or one number for each sample (`[batch]`), of which the mean is taken; made from
    ///   this model's own tensors.
    /// - Throws: `ApusError.shape` where it has another shape, or depends on an input that the model lacks.
    public func addLoss(_ value: Tensor, name: String = "loss") throws {
        try addLosses([AddedLoss(name: name, value: value)])
    }

    /// Adds all of `losses`, or none where it throws.
    func addLosses(_ losses: [AddedLoss]) throws {
        if losses.isEmpty { return }
        var taken = Set(addedLosses.map(\.name))
        for loss in losses {
            guard taken.insert(loss.name).inserted else {
                throw ApusError.setting(
                    owner: "Model '\(name)'", name: "the name of two added losses", value: "'\(loss.name)'",
                    expected: "given once")
            }
            let shape = try loss.value.checked().shape
            guard loss.value.elementType == .float32, shape.isScalar || (shape.rank == 1 && shape.isSymbolic) else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "Model '\(name)', added loss '\(loss.name)'",
                        expected: "a scalar, or one number for each sample", received: "\(loss.value.type)",
                        cure: "take the sum or the mean over the other axes"))
            }
        }
        _ = try dependentNodes(of: losses.map(\.value), on: inputs, model: name)
        addedLosses += losses
        do {
            try rename()
        } catch {
            addedLosses.removeLast(losses.count)
            throw error
        }
    }

    /// The tensors that a training step computes.
    package var roots: [Tensor] { outputs + addedLosses.map(\.value) }

    private func rename() throws {
        names = try LayerNames(nodes: topologicalOrder(of: roots), roots: roots.map(\.node), model: name)
        try initializeNew()
    }

    /// The added losses of the models that were applied between inputs and outputs.
    private func adoptLosses(of nodes: [Node]) throws {
        var seen: Set<ObjectIdentifier> = []
        for call in nodes.compactMap({ $0.layerCall?.outermostModel })
        where seen.insert(ObjectIdentifier(call)).inserted {
            guard let application = call.application as? ModelApplication else { continue }
            for loss in try application.losses(call: call) {
                let name = numbered("\(layerPath(of: call))/\(loss.name)") { name in
                    !addedLosses.contains { $0.name == name }
                }
                addedLosses.append(AddedLoss(name: name, value: loss.value))
            }
        }
        if !addedLosses.isEmpty { try rename() }
    }
}

// MARK: Checks

private func checkInputs(_ inputs: [Tensor], of model: String) throws {
    guard !inputs.isEmpty else {
        throw ApusError.setting(owner: "Model '\(model)'", name: "inputs", value: "[]", expected: "1 or more")
    }
    for input in inputs {
        guard case .input = try input.checked().node.operation else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(model)'", expected: "inputs made by Tensor.input", received: "\(input)",
                    cure: "start the model at Tensor.input(...), and call it on this tensor"))
        }
    }
    guard Set(inputs).count == inputs.count else {
        throw ApusError.setting(
            owner: "Model '\(model)'", name: "inputs", value: "the same tensor twice", expected: "different tensors")
    }
}

/// The nodes below `tensors` that depend on any of `inputs`; throws where one depends on another input.
private func dependentNodes(
    of tensors: [Tensor], on inputs: [Tensor], model: String
) throws -> Set<ObjectIdentifier> {
    for tensor in tensors { _ = try tensor.checked() }
    let known = Set(inputs)
    var dependent: Set<ObjectIdentifier> = []
    for node in topologicalOrder(of: tensors) {
        if node.inputs.contains(where: { dependent.contains(ObjectIdentifier($0.node)) }) {
            dependent.insert(ObjectIdentifier(node))
        }
        guard case .input(let slot) = node.operation else { continue }
        guard known.contains(Tensor(node: node)) else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Model '\(model)'", expected: "outputs made from the model's own inputs only",
                    received: "one that depends on input '\(slot.name)' of type \(slot.type)",
                    cure: "add that tensor to the inputs; or, if it is another model's, "
                        + "call that model on this one's tensors"))
        }
        dependent.insert(ObjectIdentifier(node))
    }
    return dependent
}
