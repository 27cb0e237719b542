import Apus

/// A network with all that is needed to train it as it was published.
public protocol Experiment: Workload {
    /// How training images are changed; nothing by default.
    var augmentation: [Augmentation] { get }
    /// What was reached with it elsewhere.
    var published: [PublishedFigures] { get }

    /// Whether `pictures` show the test images.
    var drawsTestImages: Bool { get }
    /// What there is to see of a trained network besides its curves; `images` are the labelled images to test with.
    func pictures(
        of network: ExperimentNetwork, images: Dataset, classNames: [String], device: Device
    ) throws -> [NamedPicture]
    /// What a trained network says to each of `images`, float32 from 0 to 1: n times as many as `imageShape` has.
    func answers(
        to images: NDArray, by network: ExperimentNetwork, classNames: [String], device: Device
    ) throws -> [Answer]
}

extension Experiment {
    public var augmentation: [Augmentation] { [] }
    public var drawsTestImages: Bool { false }

    public func pictures(
        of network: ExperimentNetwork, images: Dataset, classNames: [String], device: Device
    ) throws -> [NamedPicture] { [] }
}

/// The numbers that a user may change.
public struct TrainingSettings: Hashable, Sendable, Codable {
    public var epochCount: Int
    public var batchSize: Int
    public var learningRate: Double
    /// Whether the training samples come in another order each epoch.
    public var shuffles: Bool
    /// As in `mnist`.
    public var datasetName: String

    public init(
        epochCount: Int, batchSize: Int = 128, learningRate: Double, shuffles: Bool, datasetName: String = "mnist"
    ) {
        self.epochCount = epochCount
        self.batchSize = batchSize
        self.learningRate = learningRate
        self.shuffles = shuffles
        self.datasetName = datasetName
    }
}

extension TrainingSettings: CustomStringConvertible {
    public var description: String {
        "\(epochCount) epochs, batch size \(batchSize), learning rate \(learningRate), "
            + "\(shuffles ? "shuffled" : "not shuffled"), \(datasetName)"
    }
}

/// A network and the models that share its variables.
public struct ExperimentNetwork {
    /// What is trained and saved.
    public let model: Model
    /// Models inside it that are used by themselves, in the order of their summaries.
    public let parts: [Model]
    /// What compares the targets with the output; `nil` where the model adds its own loss.
    public let loss: Loss?

    public init(model: Model, parts: [Model] = [], loss: Loss?) {
        self.model = model
        self.parts = parts
        self.loss = loss
    }

    /// All of them, the parts first.
    public var models: [Model] { parts + [model] }

    /// The part called `name`.
    public func part(_ name: String) -> Model? { parts.first { $0.name == name } }
}

/// A picture and the name of its file, without its ending.
public struct NamedPicture: Sendable {
    public let name: String
    public let picture: any Picture

    public init(_ name: String, _ picture: any Picture) {
        self.name = name
        self.picture = picture
    }
}

/// All that there are.
public enum Experiments {
    public static let all: [any Experiment] = [
        Perceptron(), MLP(), DigitsCNN(), RowsLSTM(), RowsLSTM.hardSigmoid, VariationalAutoencoder(),
        ClassActivationMaps(),
    ]

    /// The experiment called `name`.
    /// - Throws: `ApusError.unknownName`.
    public static func named(_ name: String) throws -> any Experiment {
        guard let found = all.first(where: { $0.name == name.lowercased() }) else {
            throw ApusError.unknownName(kind: "experiment", name: name, known: all.map(\.name))
        }
        return found
    }
}
