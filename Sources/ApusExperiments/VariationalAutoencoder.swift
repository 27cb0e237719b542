import Apus

/// Digits to and from two numbers each, which follow a normal distribution.
///
/// Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2014.
public struct VariationalAutoencoder: Experiment {
    public let name = "vae"
    public let summary = "variational autoencoder on MNIST, two latent numbers"
    public let defaults = TrainingSettings(epochCount: 30, learningRate: 0.001, shuffles: true)
    public let metrics: [Metric] = []
    public let drawsTestImages = true
    public let published = [
        PublishedFigures("Keras", epoch: 1, loss: 51.6557, 46.9733),
        PublishedFigures("Keras", epoch: 30, loss: 41.5413, 41.7152),
        PublishedFigures("TensorFlow", epoch: 1, loss: 51.7836, 47.0752),
        PublishedFigures("TensorFlow", epoch: 30, loss: 41.3405, 41.6101),
    ]
    /// The part from pixels `[784]` to z_mean, z_log_var and z, `[2]` each.
    public static let encoderName = "encoder"
    /// The part from z `[2]` to pixels `[784]`.
    public static let decoderName = "decoder"

    public init() {}

    public func network(seed: UInt64) throws -> ExperimentNetwork {
        let pixels = Tensor.input([784], name: "pixels")
        let hidden = try Dense(512, activation: .relu, kernelInitializer: .heNormal)(pixels)
        let mean = try Dense(2, name: "z_mean")(hidden)
        let logVariance = try Dense(2, name: "z_log_var")(hidden)
        let z = mean + exp(0.5 * logVariance) * .randomNormal(like: mean)
        let encoder = try Model(inputs: [pixels], outputs: [mean, logVariance, z], name: Self.encoderName, seed: seed)

        let latent = Tensor.input([2], name: "z")
        let raised = try Dense(512, activation: .relu, kernelInitializer: .heNormal)(latent)
        let drawn = try Dense(784, activation: .sigmoid)(raised)
        let decoder = try Model(inputs: [latent], outputs: [drawn], name: Self.decoderName, seed: seed)

        let image = Tensor.input([784], name: "image")
        let codes = try encoder([image])
        let reconstruction = try decoder(codes[2])
        let whole = try Model(inputs: [image], outputs: [reconstruction], name: name, seed: seed)
        let error = 784 * square(reconstruction - image).mean(-1)
        let divergence = 0.5 * 2 * (exp(codes[1]) + square(codes[0]) - codes[1] - 1).sum(-1)
        try whole.addLoss(error + divergence)
        return ExperimentNetwork(model: whole, parts: [encoder, decoder], loss: nil)
    }

    public func optimizer(learningRate: Double) -> any Optimizer {
        Adam(learningRate: .constant(learningRate), beta1: 0.9, beta2: 0.999, epsilon: 1e-7)
    }

    public func prepare(_ images: Dataset) throws -> Dataset {
        try images.reshapingInputs(to: [784]).withoutTargets()
    }
}
