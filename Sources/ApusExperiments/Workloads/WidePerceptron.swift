import Apus

/// As `MLP`, of another width: 784 - n - n - 10.
struct WidePerceptron: Classification {
    let units: Int
    var name: String { "wide-\(units)" }
    var summary: String { "three dense layers, the hidden ones of \(units) units" }
    let defaults = TrainingSettings(epochCount: 1, learningRate: 1, shuffles: false)
    let inputShape: Shape = [784]

    func scores(of input: Tensor) throws -> Tensor {
        var x = input
        for _ in 0..<2 { x = try Dense(units, activation: .sigmoid, kernelInitializer: .uniform(-0.01, 0.01))(x) }
        return try Dense(10, activation: .softmax, kernelInitializer: .uniform(-0.01, 0.01))(x)
    }

    func optimizer(learningRate: Double) -> any Optimizer { SGD(learningRate: .constant(learningRate)) }
}
