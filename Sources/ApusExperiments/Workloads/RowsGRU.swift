import Apus

/// As `RowsLSTM`, with gated recurrent units.
struct RowsGRU: Classification {
    let name = "gru"
    let summary = "a bidirectional GRU over the rows of MNIST"
    let defaults = TrainingSettings(epochCount: 1, learningRate: 0.1, shuffles: true)
    let inputShape: Shape = [28, 28]

    func scores(of input: Tensor) throws -> Tensor {
        try Dense(10, activation: .softmax)(Bidirectional(GRU(128))(input))
    }

    func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .constant(learningRate), momentum: 0.9, nesterov: true)
    }
}
