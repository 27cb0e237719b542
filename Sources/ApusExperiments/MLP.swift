import Apus

/// Two hidden layers of sigmoids. The tiny first weights keep the loss on a plateau in the first epochs.
public struct MLP: Experiment {
    public let name = "mlp"
    public let summary = "three dense layers on MNIST, cross-entropy"
    public let defaults = TrainingSettings(epochCount: 30, learningRate: 1, shuffles: false)
    public let metrics: [Metric] = [.accuracy]
    public let published = [
        PublishedFigures("Keras", epoch: 1, loss: 1.9496, 1.6834, accuracy: 0.2606, 0.3212),
        PublishedFigures("Keras", epoch: 30, loss: 0.0248, 0.0762, accuracy: 0.9943, 0.9776),
        PublishedFigures("TensorFlow", epoch: 1, loss: 1.8986, 1.6792, accuracy: 0.2745, 0.3353),
        PublishedFigures("TensorFlow", epoch: 30, loss: 0.0234, 0.0775, accuracy: 0.9949, 0.9768),
    ]

    public init() {}

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let model = try Sequential(input: [784], name: name, seed: seed) {
            Dense(512, activation: .sigmoid, kernelInitializer: .uniform(-0.01, 0.01))
            Dense(512, activation: .sigmoid, kernelInitializer: .uniform(-0.01, 0.01))
            Dense(10, activation: .softmax, kernelInitializer: .uniform(-0.01, 0.01))
        }
        return ExperimentNetwork(model: model, loss: .categoricalCrossentropy)
    }

    public func optimizer(learningRate: Double) -> any Optimizer { SGD(learningRate: .constant(learningRate)) }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: [784]).oneHotTargets(classCount: 10)
    }
}
