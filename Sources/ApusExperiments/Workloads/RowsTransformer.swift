import Apus

/// The rows of an image as words: two encoder blocks with four heads each, then the mean of all rows.
///
/// Source: Vaswani and others, Attention is all you need, 2017, with its normalisation behind each sum, without dropout
/// and positions.
struct RowsTransformer: Classification {
    let name = "transformer"
    let summary = "two encoder blocks over the rows of MNIST"
    let defaults = TrainingSettings(epochCount: 1, learningRate: 0.001, shuffles: true)
    let inputShape: Shape = [28, 28]

    func scores(of input: Tensor) throws -> Tensor {
        var x = try Dense(128)(input)
        for _ in 0..<2 {
            let seen = try MultiHeadAttention(heads: 4, keySize: 32)(x)
            x = try LayerNormalization()(Add()(x, seen))
            let hidden = try Dense(256, activation: .relu)(x)
            x = try LayerNormalization()(Add()(x, Dense(128)(hidden)))
        }
        return try Dense(10, activation: .softmax)(GlobalAveragePool1D()(x))
    }

    func optimizer(learningRate: Double) -> any Optimizer { Adam(learningRate: .constant(learningRate)) }
}
