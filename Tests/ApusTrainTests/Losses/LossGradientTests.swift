import ApusCore
import ApusGraph
import ApusTrain
import Testing

/// The gradients of losses with respect to predictions against central differences in Double.
@Suite struct LossGradientTests {
    struct Row: Sendable, CustomStringConvertible {
        let description: String
        let loss: Loss
        let targets: [Double]
        let predictions: [Double]
        var hasLabels = false
    }

    static let oneHot: [Double] = [0, 1, 0, 1, 0, 0]
    static let scores = [0.3, -1.2, 2.1, 0.8, 0.1, -0.4]
    static let probabilities = [0.2, 0.5, 0.3, 0.6, 0.3, 0.1]
    static let rows = [
        Row(description: "squared", loss: .meanSquaredError, targets: oneHot, predictions: scores),
        Row(description: "absolute", loss: .meanAbsoluteError, targets: oneHot, predictions: scores),
        Row(description: "huber, both branches", loss: .huber(delta: 0.75), targets: oneHot, predictions: scores),
        Row(
            description: "divergence", loss: .klDivergence, targets: probabilities.reversed(),
            predictions: probabilities),
        Row(description: "binary", loss: .binaryCrossentropy, targets: oneHot, predictions: probabilities),
        Row(
            description: "binary, logits, smoothed", loss: .binaryCrossentropy(fromLogits: true, labelSmoothing: 0.1),
            targets: oneHot, predictions: scores),
        Row(description: "categorical", loss: .categoricalCrossentropy, targets: oneHot, predictions: probabilities),
        Row(
            description: "categorical, logits, smoothed",
            loss: .categoricalCrossentropy(fromLogits: true, labelSmoothing: 0.1), targets: oneHot, predictions: scores),
        Row(
            description: "sparse", loss: .sparseCategoricalCrossentropy, targets: [1, 0], predictions: probabilities,
            hasLabels: true),
        Row(
            description: "sparse, logits", loss: .sparseCategoricalCrossentropy(fromLogits: true), targets: [2, 0],
            predictions: scores, hasLabels: true),
    ]

    @Test(arguments: rows) func agreesWithCentralDifferences(row: Row) throws {
        let t = row.hasLabels ? Tensor.input([], .int32) : Tensor.input([3])
        let (y, w) = (Tensor.input([3]), Tensor.input([]))
        let total = try row.loss(targets: t, predictions: y, weights: w)
        let derivative = try gradient(of: total, withRespectTo: [y])
        let weights = [0.7, 1.9]
        func value(_ predictions: [Double]) throws -> Double {
            try evaluate(total, [(t, row.targets), (y, predictions), (w, weights)], batchSize: 2)[0]
        }
        let received = try evaluate(
            derivative, [(t, row.targets), (y, row.predictions), (w, weights)], batchSize: 2)[0]
        let step = 1e-5
        let expected = try row.predictions.indices.map { index in
            var (above, below) = (row.predictions, row.predictions)
            above[index] += step
            below[index] -= step
            return try (value(above) - value(below)) / (2 * step)
        }
        #expect(isClose(received, expected, tolerance: 1e-7), "\(received) is not \(expected)")
        #expect(received.contains { abs($0) > 0.01 })
    }
}
