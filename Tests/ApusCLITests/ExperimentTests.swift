import Apus
import ApusExperiments
import Testing

@Suite struct ExperimentTests {
    /// Counts as published: weights and biases of every layer, summed by hand.
    @Test(arguments: [
        // 784 * 10 + 10
        ("perceptron", 7_850),
        // 784 * 512 + 512, 512 * 512 + 512, 512 * 10 + 10
        ("mlp", 669_706),
        // 2 * 4 * ((28 + 128) * 128 + 128), 256 * 10 + 10
        ("lstm", 163_338),
        ("lstm-hard-sigmoid", 163_338),
        ("vae", 807_700), ("cnn", 430_666), ("cam", 290_090),
    ])
    func parameterCounts(_ name: String, _ count: Int) throws {
        #expect(try Experiments.named(name).network(seed: 0).model.parameterCount == count)
    }

    @Test func theAutoencodersPartsHaveTheirOwnCounts() throws {
        let network = try VariationalAutoencoder().network(seed: 0)
        #expect(network.models.map(\.name) == ["encoder", "decoder", "vae"])
        #expect(network.models.map(\.parameterCount) == [403_972, 403_728, 807_700])
    }

    @Test(arguments: [("cnn", 1168), ("cam", 896)])
    func runningStatisticsAreNotTrained(_ name: String, _ count: Int) throws {
        let model = try Experiments.named(name).network(seed: 0).model
        #expect(model.parameterCount - model.parameters.reduce(0) { $0 + $1.elementCount } == count)
    }

    @Test func settingsAreThePublishedOnes() {
        #expect(
            Experiments.all.map { "\($0.name): \($0.defaults)" } == [
                "perceptron: 20 epochs, batch size 128, learning rate 0.5, not shuffled, mnist",
                "mlp: 30 epochs, batch size 128, learning rate 1.0, not shuffled, mnist",
                "cnn: 30 epochs, batch size 128, learning rate 0.05, shuffled, mnist",
                "lstm: 30 epochs, batch size 128, learning rate 0.1, shuffled, mnist",
                "lstm-hard-sigmoid: 30 epochs, batch size 128, learning rate 0.1, shuffled, mnist",
                "vae: 30 epochs, batch size 128, learning rate 0.001, shuffled, mnist",
                "cam: 50 epochs, batch size 128, learning rate 0.1, shuffled, cifar10",
            ])
    }

    @Test func unknownExperimentsAreAnswered() {
        let error = #expect(throws: ApusError.self) { try Experiments.named("preceptron") }
        #expect(
            error.map { "\($0)" }
                == "Unknown experiment 'preceptron'. Did you mean 'perceptron'? "
                + "Known: perceptron, mlp, cnn, lstm, lstm-hard-sigmoid, vae, cam.")
    }

    /// First weights lie within 0.01 of zero, and come from all of that range; biases are zero.
    @Test(arguments: ["perceptron", "mlp"]) func firstWeightsAreTiny(_ name: String) throws {
        for entry in try Experiments.named(name).network(seed: 3).model.variables {
            let values = entry.variable.value.floats
            if entry.path.hasSuffix("bias") {
                #expect(values.allSatisfy { $0 == 0 })
            } else {
                #expect(values.allSatisfy { abs($0) <= 0.01 })
                #expect(values.contains { $0 > 0.0095 } && values.contains { $0 < -0.0095 })
            }
        }
    }

    private func onePixelImages(_ count: Int) throws -> Dataset {
        try Dataset(
            inputs: NDArray(zeros: [count, 28, 28], .uint8), targets: NDArray(zeros: [count], .int32), scale: 1 / 255)
    }

    /// With all weights at zero the decoder draws 0.5 everywhere: 784 * 0.5^2 = 196 for a black image, and the code is
    /// the normal distribution itself. A mean of [1, 2] and log variances [0, ln 4] diverge from it by
    /// (1 + 1 - 0 - 1) + (4 + 4 - ln 4 - 1) = 6.6137056.
    @Test func theAutoencodersLossIsErrorPlusDivergence() throws {
        let experiment = VariationalAutoencoder()
        let network = try experiment.network(seed: 0)
        for entry in network.model.variables {
            try entry.variable.assign(NDArray(zeros: entry.variable.shape))
        }
        let trainer = try Trainer(
            network.model, loss: network.loss, optimizer: experiment.optimizer(learningRate: 0.001), device: .cpu)
        let images = try experiment.prepare(onePixelImages(3))
        let plain = try #require(trainer.evaluate(images, batchSize: 2)["loss"])
        #expect(abs(plain - 196) < 1e-3)

        for entry in network.model.variables {
            if entry.path.hasSuffix("z_mean/bias") { try entry.variable.assign(NDArray([Float(1), 2])) }
            if entry.path.hasSuffix("z_log_var/bias") {
                try entry.variable.assign(NDArray([Float(0), 1.386_294_4]))
            }
        }
        let moved = try #require(trainer.evaluate(images, batchSize: 2)["loss"])
        #expect(abs(moved - 202.613_705_6) < 1e-3)
    }

    /// Sigmoids of 0 are 0.5: the mean of (0.5 - 1)^2 and nine times 0.5^2 is 0.25.
    @Test func thePerceptronsLossIsTheMeanOverClasses() throws {
        let experiment = Perceptron()
        let network = try experiment.network(seed: 0)
        for entry in network.model.variables {
            try entry.variable.assign(NDArray(zeros: entry.variable.shape))
        }
        let trainer = try Trainer(
            network.model, loss: network.loss, optimizer: experiment.optimizer(learningRate: 0.5), device: .cpu)
        let loss = try #require(trainer.evaluate(experiment.prepare(onePixelImages(2)))["loss"])
        #expect(abs(loss - 0.25) < 1e-6)
    }

    @Test func theAutoencoderDrawsItsPictures() throws {
        let experiment = VariationalAutoencoder()
        let network = try experiment.network(seed: 0)
        let pictures = try experiment.pictures(
            of: network, images: onePixelImages(5), classNames: (0...9).map { "\($0)" }, device: .cpu)
        #expect(pictures.map(\.name) == ["vae_mean", "digits_over_latent"])
        for picture in pictures { #expect(try !picture.picture.png().isEmpty) }
    }

    @Test func answersNameTheGreatestOutput() throws {
        let experiment = Perceptron()
        let network = try experiment.network(seed: 0)
        for entry in network.model.variables {
            var value = NDArray(zeros: entry.variable.shape)
            // Sigmoid of 20 is 1 to four digits, of 0 it is 0.5.
            if entry.path.hasSuffix("bias") { value = NDArray((0..<10).map { $0 == 7 ? Float(20) : 0 }) }
            try entry.variable.assign(value)
        }
        let answers = try experiment.answers(
            to: NDArray(zeros: [2, 784]), by: network, classNames: (0...9).map { "\($0)" }, device: .cpu)
        #expect(answers.count == 2)
        let outputs = (0...9).map { "\($0) \($0 == 7 ? "1.0000" : "0.5000")" }.joined(separator: "  ")
        #expect(answers.map(\.text) == Array(repeating: "7 (1.0000)   \(outputs)", count: 2))
        #expect(answers.allSatisfy { $0.image == nil })
    }
}
