import Apus

/// The rows of an image as a sequence, read in both directions by LSTMs.
public struct RowsLSTM: Experiment {
    public let name: String
    public let summary: String
    public let defaults = TrainingSettings(epochCount: 30, learningRate: 0.1, shuffles: true)
    public let metrics: [Metric] = [.accuracy]
    public let published: [PublishedFigures]
    private let gateActivation: ActivationFunction

    /// With gates as TensorFlow has them.
    public init() {
        name = "lstm"
        summary = "a bidirectional LSTM over the rows of MNIST, cross-entropy"
        gateActivation = .sigmoid
        published = [
            PublishedFigures("TensorFlow", epoch: 1, loss: 0.4027, 0.1053, accuracy: 0.8662, 0.9649),
            PublishedFigures("TensorFlow", epoch: 30, loss: 0.0003, 0.0441, accuracy: 1.0000, 0.9905),
        ]
    }

    /// With gates of three straight lines, as Keras had them.
    public static let hardSigmoid = RowsLSTM(hardSigmoidSlope: 0.2)

    private init(hardSigmoidSlope: Float) {
        name = "lstm-hard-sigmoid"
        summary = "the same with gates of three straight lines instead of sigmoids"
        gateActivation = .hardSigmoid(slope: hardSigmoidSlope)
        published = [
            PublishedFigures("Keras", epoch: 1, loss: 0.4976, 0.1888, accuracy: 0.8368, 0.9403),
            PublishedFigures("Keras", epoch: 30, loss: 0.0005, 0.0415, accuracy: 1.0000, 0.9907),
        ]
    }

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let model = try Sequential(input: [28, 28], name: "lstm", seed: seed) {
            Bidirectional(LSTM(128, gateActivation: gateActivation))
            Dense(10, activation: .softmax)
        }
        return ExperimentNetwork(model: model, loss: .categoricalCrossentropy)
    }

    public func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .inverseTime(initial: learningRate, decay: 1e-6), momentum: 0.9, nesterov: true)
    }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: [28, 28]).oneHotTargets(classCount: 10)
    }
}
