import Apus

/// A network whose last convolution has a channel for each class: the mean of a channel decides, and the channel
/// itself shows where in the image the class was seen.
///
/// Source: Zhou et al., Learning Deep Features for Discriminative Localization, 2016.
public struct ClassActivationMaps: Experiment {
    public let name = "cam"
    public let summary = "convolutions with class activation maps on CIFAR-10, cross-entropy"
    public let defaults = TrainingSettings(
        epochCount: 50, learningRate: 0.1, shuffles: true, datasetName: "cifar10")
    public let metrics: [Metric] = [.accuracy]
    public let imageShape: Shape = [32, 32, 3]
    public let augmentation: [Augmentation] = [
        .horizontalFlip(probability: 0.5), .zoom(height: 0.5...1.5, width: 0.5...1.5),
    ]
    public let published = [
        PublishedFigures("Keras", epoch: 1, loss: 1.4531, 1.4552, accuracy: 0.4730, 0.4988),
        PublishedFigures("Keras", epoch: 10, loss: 0.5737, 0.8846, accuracy: 0.8013, 0.7154),
        PublishedFigures("Keras", epoch: 50, loss: 0.2977, 0.4256, accuracy: 0.8955, 0.8668),
    ]
    /// The part from the image to the maps `[8, 8, 10]`.
    public static let mapsName = "maps"

    public init() {}

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let image = Tensor.input([32, 32, 3], name: "image")
        var features = image
        for filters in [32, 64, 128] {
            if features != image { features = try MaxPool2D(2)(features) }
            for _ in 0..<2 {
                features = try Conv2D(filters, kernel: 3, padding: .same, kernelInitializer: .heNormal)(features)
                features = try BatchNormalization()(features)
                features = try Activation(.relu)(features)
            }
        }
        let maps = try Conv2D(10, kernel: 1, name: "class_activation_map")(features)
        let scores = try Activation(.softmax)(GlobalAveragePool2D()(maps))
        let model = try Model(inputs: [image], outputs: [scores], name: name, seed: seed)
        let part = try Model(inputs: [image], outputs: [maps], name: Self.mapsName, seed: seed)
        return ExperimentNetwork(model: model, parts: [part], loss: .categoricalCrossentropy)
    }

    public func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .constant(learningRate), momentum: 0.9, nesterov: true)
    }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: imageShape).oneHotTargets(classCount: 10)
    }
}
