import ApusCore
import ApusData
import ApusGraph
import ApusNN

/// The tensors of a training or evaluation step for targets of given types.
struct TrainingGraph {
    /// What a step is given besides the model's inputs.
    struct Signature: Hashable {
        /// The targets' types, with an open batch.
        var targets: [TensorType]
        var hasWeights: Bool
    }

    /// The model's inputs, the targets, and the weights where there are any.
    let inputs: [Tensor]
    /// The loss to minimise.
    let loss: Tensor
    /// For each metric its sums.
    let sums: [[Tensor]]

    /// The loss first.
    var outputs: [Tensor] { [loss] + sums.flatMap { $0 } }

    init(_ model: Model, loss: Loss?, metrics: [Metric], signature: Signature) throws {
        let targets = signature.targets.enumerated().map { index, type in
            Tensor.placeholder(type.shape, type.elementType, name: "target\(index + 1)")
        }
        let weights = signature.hasWeights ? Tensor.placeholder([-1], name: "weights") : nil
        inputs = model.inputs + targets + (weights.map { [$0] } ?? [])

        var terms: [Tensor] = []
        if let loss {
            for (target, output) in zip(targets, model.outputs) {
                terms.append(
                    try model.naming(output) { try loss(targets: target, predictions: output, weights: weights) })
            }
        }
        terms += model.addedLosses.map { $0.value.shape.isScalar ? $0.value : $0.value.mean() }
        if let penalty = model.regularization { terms.append(penalty) }
        guard let first = terms.first else {
            throw ApusError.setting(
                owner: "Trainer", name: "loss", value: "nil",
                expected: "given, since the model '\(model.name)' adds no loss of its own")
        }
        self.loss = try terms.dropFirst().reduce(first, +).checked()
        sums = try zip(targets, model.outputs).flatMap { target, output in
            try metrics.map { metric in
                try model.naming(output) { try metric.sums(targets: target, predictions: output, weights: weights) }
            }
        }
    }

    /// The metrics in the order of `sums`, by name. With several outputs the names say which; equal names are numbered.
    static func names(of metrics: [Metric], outputCount: Int) -> [(name: String, metric: Metric)] {
        var names: [String] = []
        return (0..<outputCount).flatMap { output in
            metrics.map { metric in
                let base = outputCount > 1 ? "output\(output + 1)_\(metric.name)" : metric.name
                let name =
                    names.contains(base)
                    ? (2...).lazy.map { "\(base)_\($0)" }.first { !names.contains($0) } ?? base : base
                names.append(name)
                return (name, metric)
            }
        }
    }
}

extension Model {
    /// What `body` gives; a shape error of it gets the path of the layer that makes `output`.
    fileprivate func naming<Result>(_ output: Tensor, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch ApusError.shape(var problem) {
            problem.layer = problem.layer ?? output.node.layerCall.map { layerPath(of: $0) } ?? name
            throw ApusError.shape(problem)
        }
    }
}
