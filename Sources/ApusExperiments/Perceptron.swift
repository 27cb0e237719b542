import Apus

/// One layer of ten sigmoids on the pixels of a digit, by mean squared error against one-hot labels.
public struct Perceptron: Experiment {
    public let name = "perceptron"
    public let summary = "one dense layer on MNIST, mean squared error"
    public let defaults = TrainingSettings(epochCount: 20, learningRate: 0.5, shuffles: false)
    public let metrics: [Metric] = [.accuracy]
    public let published = [
        PublishedFigures("TensorFlow", epoch: 1, loss: 0.0541, 0.0370, accuracy: 0.7663, 0.8492),
        PublishedFigures("TensorFlow", epoch: 20, loss: 0.0199, 0.0189, accuracy: 0.9005, 0.9089),
        PublishedFigures("Neural_Networks", epoch: 20, loss: 0.0199, 0.0189, accuracy: 0.9005, 0.9087),
    ]

    public init() {}

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let model = try Sequential(input: [784], name: name, seed: seed) {
            Dense(10, activation: .sigmoid, kernelInitializer: .uniform(-0.01, 0.01))
        }
        return ExperimentNetwork(model: model, loss: .meanSquaredError)
    }

    public func optimizer(learningRate: Double) -> any Optimizer { SGD(learningRate: .constant(learningRate)) }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: [784]).oneHotTargets(classCount: 10)
    }
}
