import ApusCore
import ApusGraph
import ApusTrain
import Testing

@Suite struct MetricTests {
    /// The figure over batches of one sum each, added up as a trainer does.
    private func figure(
        _ metric: Metric, targets: (Tensor, [Double]), predictions: (Tensor, [Double]), weights: [Double]? = nil,
        batchSize: Int
    ) throws -> Double {
        let w = Tensor.input([])
        let sums = try metric.sums(
            targets: targets.0, predictions: predictions.0, weights: weights == nil ? nil : w)
        let inputs = [targets, predictions] + (weights.map { [(w, $0)] } ?? [])
        return metric.value(ofSums: try evaluate(sums, inputs, batchSize: batchSize).map { $0[0] })
    }

    // Three samples of three classes; the largest stand at 1, 0 and 2.
    private static let scores = [0.1, 0.8, 0.1, 0.5, 0.2, 0.3, 0.2, 0.3, 0.5]
    private static let oneHot: [Double] = [0, 1, 0, 1, 0, 0, 1, 0, 0]
    private static let labels: [Double] = [1, 0, 0]

    @Test(arguments: [Metric.accuracy, .categoricalAccuracy])
    func oneHotAccuracyByHand(metric: Metric) throws {
        let (t, y) = (Tensor.input([3]), Tensor.input([3]))
        let value = try figure(metric, targets: (t, Self.oneHot), predictions: (y, Self.scores), batchSize: 3)
        #expect(value == 2.0 / 3)
    }

    @Test(arguments: [Metric.accuracy, .sparseCategoricalAccuracy])
    func labelAccuracyByHand(metric: Metric) throws {
        let (t, y) = (Tensor.input([], .int32), Tensor.input([3]))
        let value = try figure(metric, targets: (t, Self.labels), predictions: (y, Self.scores), batchSize: 3)
        #expect(value == 2.0 / 3)
    }

    @Test(arguments: [Metric.accuracy, .binaryAccuracy])
    func binaryAccuracyByHand(metric: Metric) throws {
        // 0.5 is not above the threshold: answers 1, 0, 0, 1 for targets 1, 0, 1, 0.
        let (t, y) = (Tensor.input([1]), Tensor.input([1]))
        let value = try figure(
            metric, targets: (t, [1, 0, 1, 0]), predictions: (y, [0.9, 0.5, 0.2, 0.6]), batchSize: 4)
        #expect(value == 0.5)
    }

    @Test func binaryThreshold() throws {
        let (t, y) = (Tensor.input([2]), Tensor.input([2]))
        let value = try figure(
            .binaryAccuracy(threshold: 0.25), targets: (t, [1, 0, 1, 0]), predictions: (y, [0.9, 0.5, 0.3, 0.1]),
            batchSize: 2)
        #expect(value == 0.75)
    }

    @Test func topKCountsLargerScores() throws {
        // Ranks of the labels 1, 0, 0 are first, first and third.
        let (t, y) = (Tensor.input([], .int32), Tensor.input([3]))
        for (k, expected) in [(1, 2.0 / 3), (2, 2.0 / 3), (3, 1)] {
            #expect(
                try figure(.topK(k), targets: (t, Self.labels), predictions: (y, Self.scores), batchSize: 3) == expected
            )
        }
        let dense = Tensor.input([3])
        #expect(
            try figure(.topK(2), targets: (dense, Self.oneHot), predictions: (y, Self.scores), batchSize: 3) == 2.0 / 3)
    }

    @Test func topKAtATieAndAtNotANumber() throws {
        // Equal scores: none is larger, so each is in the first place. A score that is NaN is in none.
        let (t, y) = (Tensor.input([], .int32), Tensor.input([2]))
        #expect(try figure(.topK(1), targets: (t, [0, 1]), predictions: (y, [1, 1, 1, 1]), batchSize: 2) == 1)
        #expect(try figure(.topK(2), targets: (t, [0]), predictions: (y, [.nan, 1]), batchSize: 1) == 0)
    }

    @Test func precisionAndRecallByHand() throws {
        // Answers 1 1 1 0 0 for targets 1 0 1 1 0: tp 2, fp 1, fn 1 of one; recall at 0.25 finds all three.
        let (t, y) = (Tensor.input([1]), Tensor.input([1]))
        let (targets, predictions) = ([1.0, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.3, 0.1])
        func value(_ metric: Metric) throws -> Double {
            try figure(metric, targets: (t, targets), predictions: (y, predictions), batchSize: 5)
        }
        #expect(try value(.precision) == 2.0 / 3)
        #expect(try value(.recall) == 2.0 / 3)
        #expect(try value(.recall(threshold: 0.25)) == 1)
        #expect(try value(.precision(threshold: 0.25)) == 0.75)
        #expect(try value(.precision(threshold: 0.95)) == 0)
    }

    @Test func errorsByHand() throws {
        let (t, y) = (Tensor.input([2]), Tensor.input([2]))
        func value(_ metric: Metric) throws -> Double {
            try figure(metric, targets: (t, [0, 0, 0, 0]), predictions: (y, [1, -1, 3, 5]), batchSize: 2)
        }
        #expect(try value(.meanSquaredError) == 9)
        #expect(try value(.meanAbsoluteError) == 2.5)
        #expect(try value(.rootMeanSquaredError) == 3)
    }

    @Test func weightsCountOnlyWhereAskedFor() throws {
        // Right, right, wrong with weights 1, 2 and 5: 3 of 8.
        let (t, y) = (Tensor.input([], .int32), Tensor.input([3]))
        func value(_ metric: Metric) throws -> Double {
            try figure(
                metric, targets: (t, Self.labels), predictions: (y, Self.scores), weights: [1, 2, 5], batchSize: 3)
        }
        #expect(try value(.accuracy) == 2.0 / 3)
        #expect(try value(.accuracy.weighted) == 3.0 / 8)
    }

    @Test func weightedPrecisionByHand() throws {
        // Answers 1 1 for targets 1 0, weights 3 and 1.
        let (t, y) = (Tensor.input([1]), Tensor.input([1]))
        let value = try figure(
            .precision.weighted, targets: (t, [1, 0]), predictions: (y, [0.9, 0.8]), weights: [3, 1], batchSize: 2)
        #expect(value == 0.75)
    }

    @Test func nothingCountedIsZero() {
        #expect(Metric.accuracy.value(ofSums: [0, 0]) == 0)
    }

    @Test func names() {
        #expect(
            [Metric.accuracy, .topK(5), .rootMeanSquaredError, .precision, .accuracy.weighted].map(\.name)
                == ["accuracy", "top_5_accuracy", "root_mean_squared_error", "precision", "weighted_accuracy"])
    }

    @Test func errorTexts() {
        #expect(
            errorText {
                _ = try Metric.categoricalAccuracy.sums(
                    targets: .input([], .int32), predictions: .input([10]), weights: nil)
            }
                == "categorical_accuracy: expected targets of the predictions' shape [batch, 10], received "
                + "int32[batch]. Cure: these look like labels: use sparseCategoricalAccuracy, or make the targets "
                + "one-hot (oneHotTargets(classCount:) of a data set, oneHot(_:depth:) of a tensor).")
        #expect(
            errorText {
                _ = try Metric.topK(0).sums(targets: .input([], .int32), predictions: .input([10]), weights: nil)
            } == "topK: k is 0; it must be 1 or more.")
        #expect(
            errorText {
                _ = try Metric.topK(11).sums(targets: .input([], .int32), predictions: .input([10]), weights: nil)
            } == "topK: k is 11; it must be at most the number of classes, 10.")
        #expect(
            errorText {
                _ = try Metric.binaryAccuracy(threshold: .nan).sums(
                    targets: .input([1]), predictions: .input([1]), weights: nil)
            } == "binary_accuracy: threshold is nan; it must be a number.")
    }
}
