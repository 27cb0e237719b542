import Apus

/// Three convolutions of as many filters, each with batch normalisation and a rectifier.
struct ThreeConvolutions: Classification {
    let filters: Int
    var name: String { "convolution-\(filters)" }
    var summary: String { "three 3 x 3 convolutions of \(filters) filters" }
    let defaults = TrainingSettings(epochCount: 1, learningRate: 0.05, shuffles: true, datasetName: "cifar10")
    let imageShape: Shape = [32, 32, 3]
    var inputShape: Shape { imageShape }

    func scores(of input: Tensor) throws -> Tensor {
        var x = try convolution(convolution(input))
        x = try convolution(MaxPool2D(2)(x))
        return try Dense(10, activation: .softmax)(GlobalAveragePool2D()(x))
    }

    private func convolution(_ x: Tensor) throws -> Tensor {
        try Activation(.relu)(BatchNormalization()(Conv2D(filters, kernel: 3, padding: .same)(x)))
    }

    func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .constant(learningRate), momentum: 0.9, nesterov: true)
    }
}
