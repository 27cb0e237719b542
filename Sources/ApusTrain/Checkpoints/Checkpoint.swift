import ApusCore
import ApusGraph
import ApusNN

/// The whole state of a training: what it takes to go on as if nothing had happened.
///
///     try trainer.checkpoint().write(to: url)
///     ...
///     try trainer.fit(data, epochs: 30, resumingFrom: Checkpoint(contentsOf: url))
///
/// Parameters, running statistics, the optimizer's state, the learning rate's factor; step, epoch, the place in the
/// epoch's data and the epoch's sums; the callbacks' states and the history. Random numbers, shuffles and augmentation
/// are functions of the seed, the step, the epoch and the sample, so they need no more than these numbers.
///
/// A training that goes on from a checkpoint comes to the same bits as one that was never interrupted, with the same
/// data, settings, machine, number of threads and libraries. Only seconds differ.
public struct Checkpoint: Sendable, Hashable {
    /// The steps that the trainer has taken.
    public internal(set) var step = 0
    /// How far the `fit` has come.
    public internal(set) var progress = TrainingProgress()
    /// The records of the epochs that have ended.
    public internal(set) var history = History()
    /// The callbacks' states, by their names.
    public internal(set) var callbacks: [String: CallbackState] = [:]
    /// What must be the same where the training goes on, by name: seed, batch size and the like.
    public package(set) var settings: [String: String] = [:]

    /// An array and its name.
    package struct Entry: Sendable, Hashable {
        package let name: String
        package var value: NDArray
    }

    /// The model's variables by path.
    package internal(set) var model: [Entry] = []
    /// The optimizer's by path, as in `dense/kernel/momentum`.
    package internal(set) var optimizer: [Entry] = []
    /// The epoch's sums: samples, losses, then those of the metrics.
    package internal(set) var sums: [Double] = []

    init() {}

    /// Gives `model` the weights of the checkpoint.
    /// - Throws: `ApusError.shape` where the model is another than the one that was trained.
    public func restoreWeights(of model: Model) throws {
        try Self.check(self.model, against: model.variables)
        try Self.assign(self.model, to: model.variables)
    }

    // MARK: Arrays and variables

    /// Takes over the values of `variables`; arrays of the right sizes are used again.
    static func copy(_ variables: [NamedVariable], into entries: inout [Entry]) {
        let fits =
            entries.count == variables.count
            && zip(entries, variables).allSatisfy {
                $0.name == $1.path && $0.value.shape == $1.variable.shape
                    && $0.value.elementType == $1.variable.type.elementType
            }
        if !fits {
            entries = variables.map { Entry(name: $0.path, value: $0.variable.value) }
            return
        }
        for (index, entry) in variables.enumerated() {
            entries[index].value.withUnsafeMutableBytes { target in
                target.copyMemory(
                    from: UnsafeRawBufferPointer(start: entry.variable.storage, count: entry.variable.type.byteCount))
            }
        }
    }

    /// - Throws: `ApusError.shape` unless there is an entry of the right type for each variable, and no other.
    static func check(_ entries: [Entry], against variables: [NamedVariable]) throws {
        for (index, variable) in variables.enumerated() {
            let entry = index < entries.count && entries[index].name == variable.path ? entries[index] : nil
            guard let value = entry?.value, value.shape == variable.variable.shape,
                value.elementType == variable.variable.type.elementType
            else { throw mismatch(variable, entry?.value) }
        }
        guard entries.count == variables.count else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "checkpoint", expected: "\(variables.count) variables", received: "\(entries.count)",
                    cure: cure))
        }
    }

    static func assign(_ entries: [Entry], to variables: [NamedVariable]) throws {
        for (entry, variable) in zip(entries, variables) { try variable.variable.assign(entry.value) }
    }

    static func mismatch(_ variable: NamedVariable, _ value: NDArray?) -> ApusError {
        .shape(
            ShapeProblem(
                layer: variable.path, operation: "checkpoint", expected: "\(variable.variable.type)",
                received: value.map { "\(TensorType($0.shape, $0.elementType))" } ?? "nothing of that name",
                cure: cure))
    }

    private static let cure =
        "go on with the model and the optimizer that the checkpoint was made with, or begin anew in another folder"
}
