import Apus

/// Two convolutions and two dense layers, with batch normalisation between them.
public struct DigitsCNN: Experiment {
    public let name = "cnn"
    public let summary = "convolutions with batch normalisation on MNIST, cross-entropy"
    public let defaults = TrainingSettings(epochCount: 30, learningRate: 0.05, shuffles: true)
    public let metrics: [Metric] = [.accuracy]
    public let published = [
        PublishedFigures("Keras", epoch: 1, loss: 0.0879, 0.0454, accuracy: 0.9733, 0.9846),
        PublishedFigures("Keras", epoch: 30, loss: 0.0004, 0.0220, accuracy: 1.0000, 0.9935),
        PublishedFigures("TensorFlow", epoch: 1, loss: 0.0931, 0.0435, accuracy: 0.9708, 0.9847),
        PublishedFigures("TensorFlow", epoch: 30, loss: 0.0002, 0.0243, accuracy: 1.0000, 0.9936),
    ]

    public init() {}

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let model = try Sequential(input: [28, 28, 1], name: name, seed: seed) {
            Conv2D(24, kernel: 5, kernelInitializer: .heNormal)
            BatchNormalization()
            Activation(.relu)
            MaxPool2D(2)
            Conv2D(48, kernel: 5, kernelInitializer: .heNormal)
            BatchNormalization()
            Activation(.relu)
            MaxPool2D(2)
            Flatten()
            Dense(512, kernelInitializer: .heNormal)
            BatchNormalization()
            Activation(.relu)
            Dense(10, activation: .softmax)
        }
        return ExperimentNetwork(model: model, loss: .categoricalCrossentropy)
    }

    public func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .constant(learningRate), momentum: 0.9, nesterov: true)
    }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: [28, 28, 1]).oneHotTargets(classCount: 10)
    }
}
