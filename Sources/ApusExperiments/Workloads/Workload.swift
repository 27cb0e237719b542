import Apus

/// A network and how it is trained: all that a training step takes.
public protocol Workload: Sendable {
    /// The word that names it on the command line.
    var name: String { get }
    /// One line without a full stop: what it is.
    var summary: String { get }
    /// What holds where the user says nothing else.
    var defaults: TrainingSettings { get }
    /// What the network is measured by besides its loss.
    var metrics: [Metric] { get }
    /// The shape of an image of its data set: `[height, width]`, or `[height, width, channels]`.
    var imageShape: Shape { get }

    /// The network, new, with the first values that `seed` gives.
    func network(seed: UInt64) throws -> ExperimentNetwork
    func optimizer(learningRate: Double) -> any Optimizer
    /// The samples of a data set of labelled images (of `imageShape`, int32 labels) in the form that the network takes.
    func prepare(_ images: Dataset) throws -> Dataset
}

extension Workload {
    public var imageShape: Shape { [28, 28] }
}

/// All that can be timed: the experiments, and networks of other sizes and kinds, so that speed does not rest on a few
/// shapes.
public enum Workloads {
    public static let all: [any Workload] = Experiments.all + timedOnly

    /// Those that are no experiments.
    public static let timedOnly: [any Workload] = [
        WidePerceptron(units: 100), WidePerceptron(units: 1000), ThreeConvolutions(filters: 48),
        ThreeConvolutions(filters: 200), RowsGRU(), ResNet20(), RowsTransformer(),
    ]

    /// The workload called `name`.
    /// - Throws: `ApusError.unknownName`.
    public static func named(_ name: String) throws -> any Workload {
        guard let found = all.first(where: { $0.name == name.lowercased() }) else {
            throw ApusError.unknownName(kind: "workload", name: name, known: all.map(\.name))
        }
        return found
    }
}

/// Where an image's class is to be found: cross-entropy, accuracy, one-hot targets.
protocol Classification: Workload {
    /// What the network takes of a sample.
    var inputShape: Shape { get }
    /// Numbers for each of ten classes, of an input of `inputShape`.
    func scores(of input: Tensor) throws -> Tensor
}

extension Classification {
    var metrics: [Metric] { [.accuracy] }

    func network(seed: UInt64) throws -> ExperimentNetwork {
        let input = Tensor.input(inputShape, name: "input")
        let model = try Model(inputs: [input], outputs: [scores(of: input)], name: name, seed: seed)
        return ExperimentNetwork(model: model, loss: .categoricalCrossentropy)
    }

    func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: inputShape).oneHotTargets(classCount: 10)
    }
}
