import ApusCore
import ApusGraph
import ApusNN
import ApusTrain
import Testing

@Suite struct LossTests {
    /// Losses of predictions `[batch, width]` against targets of the same shape.
    private func perSample(_ loss: Loss, _ targets: [Double], _ predictions: [Double], width: Int) throws -> [Double] {
        let (t, y) = (Tensor.input([width], name: "targets"), Tensor.input([width], name: "predictions"))
        return try evaluate(
            loss.perSample(targets: t, predictions: y), [(t, targets), (y, predictions)],
            batchSize: predictions.count / width)
    }

    @Test func meanSquaredErrorByHand() throws {
        // (0.5^2 + 1.5^2) / 2 and (0 + 2^2) / 2.
        #expect(try perSample(.meanSquaredError, [1, 2, 3, 4], [1.5, 0.5, 3, 6], width: 2) == [1.25, 2])
    }

    @Test func meanAbsoluteErrorByHand() throws {
        #expect(try perSample(.meanAbsoluteError, [1, 2, 3, 4], [1.5, 0.5, 3, 6], width: 2) == [1, 1])
    }

    @Test func huberByHand() throws {
        // delta 1: 0.5 * 0.5^2 and 1 * 3 - 0.5; delta 2 of an error of 3: 2 * 3 - 2.
        #expect(try perSample(.huber, [0, 0], [0.5, -3], width: 1) == [0.125, 2.5])
        #expect(try perSample(.huber(delta: 2), [0], [3], width: 1) == [4])
        // At the seam both branches give delta^2 / 2.
        #expect(try perSample(.huber(delta: 2), [0], [2], width: 1) == [2])
    }

    @Test func huberAgreesWithTheExampleInKerasDocumentation() throws {
        // keras.losses.huber([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]]): mean 0.155.
        let losses = try perSample(.huber, [0, 1, 0, 0], [0.6, 0.4, 0.4, 0.6], width: 2)
        #expect(isClose([(losses[0] + losses[1]) / 2], [0.155]))
    }

    @Test func divergenceByHand() throws {
        // 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75) = 0.5 ln(4 / 3).
        #expect(
            isClose(try perSample(.klDivergence, [0.5, 0.5], [0.25, 0.75], width: 2), [0.5 * Double.log(4 / 3.0)]))
        // A target of 0 counts as 1e-7: 1e-7 ln(1e-7 / 0.5) + 1 ln(1 / 0.5).
        let expected = 1e-7 * Double.log(1e-7 / 0.5) + Double.log(2)
        #expect(isClose(try perSample(.klDivergence, [0, 1], [0.5, 0.5], width: 2), [expected]))
    }

    @Test func binaryCrossentropyAgreesWithTheExampleInKerasDocumentation() throws {
        // Sample 1: -(ln 0.4 + ln 0.4) / 2 = 0.916; sample 2: -(ln 0.6 + ln 0.4) / 2 = 0.714.
        let losses = try perSample(.binaryCrossentropy, [0, 1, 0, 0], [0.6, 0.4, 0.4, 0.6], width: 2)
        #expect(isClose(losses, [-Double.log(0.4), -(Double.log(0.6) + Double.log(0.4)) / 2]))
    }

    @Test func binaryCrossentropyFromLogitsIsExactWhereProbabilitiesSaturate() throws {
        // Logit 0: ln 2. Logit 100 for a target of 0: 100. Logit -100 for a target of 0: exp(-100).
        let losses = try perSample(.binaryCrossentropy(fromLogits: true), [1, 0, 0], [0, 100, -100], width: 1)
        #expect(isClose(losses, [Double.log(2), 100, 0], tolerance: 1e-12))
    }

    @Test func binaryLabelSmoothingMovesTargetsTowardsOneHalf() throws {
        // With s = 0.5 a target of 1 becomes 0.75: -(0.75 ln 0.8 + 0.25 ln 0.2).
        let expected = -(0.75 * Double.log(0.8) + 0.25 * Double.log(0.2))
        #expect(isClose(try perSample(.binaryCrossentropy(labelSmoothing: 0.5), [1], [0.8], width: 1), [expected]))
    }

    @Test func categoricalCrossentropyAgreesWithTheExampleInKerasDocumentation() throws {
        // -ln 0.95 = 0.0513 and -ln 0.1 = 2.303.
        let losses = try perSample(
            .categoricalCrossentropy, [0, 1, 0, 0, 0, 1], [0.05, 0.95, 0, 0.1, 0.8, 0.1], width: 3)
        #expect(isClose(losses, [-Double.log(0.95), -Double.log(0.1)]))
    }

    @Test func probabilitiesAreDividedByTheirSumAndClipped() throws {
        // 1 of 4: ln 4. A probability of 0 counts as 1e-7, to the precision of a Float constant.
        #expect(isClose(try perSample(.categoricalCrossentropy, [1, 0], [1, 3], width: 2), [Double.log(4)]))
        #expect(isClose(try perSample(.categoricalCrossentropy, [1, 0], [0, 1], width: 2), [-Double.log(1e-7)]))
    }

    @Test func categoricalLabelSmoothingByHand() throws {
        // s = 0.25 over 2 classes: targets 0.875 and 0.125; logits 0 give ln 2 whatever the targets; logits [ln 3, 0]
        // give probabilities 3/4 and 1/4.
        let loss = Loss.categoricalCrossentropy(fromLogits: true, labelSmoothing: 0.25)
        let expected = -(0.875 * Double.log(0.75) + 0.125 * Double.log(0.25))
        #expect(
            isClose(try perSample(loss, [1, 0, 1, 0], [0, 0, Double.log(3), 0], width: 2), [Double.log(2), expected]))
    }

    @Test func sparseLabelsGiveTheSameAsOneHotTargets() throws {
        let (labels, y) = (Tensor.input([], .int32), Tensor.input([3]))
        let predictions = [0.05, 0.95, 0, 0.1, 0.8, 0.1]
        let losses = try evaluate(
            Loss.sparseCategoricalCrossentropy.perSample(targets: labels, predictions: y),
            [(labels, [1, 2]), (y, predictions)], batchSize: 2)
        #expect(isClose(losses, [-Double.log(0.95), -Double.log(0.1)]))
    }

    @Test func sparseLabelsMayHaveALastAxisOfOne() throws {
        let (labels, y) = (Tensor.input([1], .int32), Tensor.input([2]))
        let losses = try evaluate(
            Loss.sparseCategoricalCrossentropy(fromLogits: true).perSample(targets: labels, predictions: y),
            [(labels, [1]), (y, [0, Double.log(3)])], batchSize: 1)
        #expect(isClose(losses, [-Double.log(0.75)]))
    }

    @Test func aSoftmaxOrSigmoidIsSeenThrough() throws {
        // Probabilities alone would saturate at -ln 1e-7 = 16.1.
        let (t, x) = (Tensor.input([2]), Tensor.input([2]))
        let categorical = try Loss.categoricalCrossentropy.perSample(targets: t, predictions: softmax(x))
        #expect(
            isClose(try evaluate(categorical, [(t, [1, 0]), (x, [0, 50])], batchSize: 1), [50], tolerance: 1e-12))
        let binary = try Loss.binaryCrossentropy.perSample(targets: t, predictions: sigmoid(x))
        #expect(isClose(try evaluate(binary, [(t, [1, 1]), (x, [-50, -30])], batchSize: 1), [40], tolerance: 1e-12))
    }

    @Test func aReshapedSoftmaxIsSeenThroughWhereTheClassesStayTogether() throws {
        let (t, x) = (Tensor.input([2, 2]), Tensor.input([2, 2]))
        let rows = softmax(x.reshaped(to: [-2, 2])).reshaped(to: [-1, 2, 2])
        let loss = try Loss.categoricalCrossentropy.perSample(targets: t, predictions: rows)
        #expect(
            isClose(
                try evaluate(loss, [(t, [1, 0, 1, 0]), (x, [0, 50, 0, 30])], batchSize: 1), [40], tolerance: 1e-12))
        // Here the classes of one row are not those of one softmax: -ln 1e-7 for both.
        let mixed = softmax(x.reshaped(to: [-1, 4])).reshaped(to: [-1, 2, 2])
        let other = try Loss.categoricalCrossentropy.perSample(targets: t, predictions: mixed)
        let value = try evaluate(other, [(t, [1, 0, 1, 0]), (x, [0, 50, 0, 50])], batchSize: 1)
        #expect(isClose(value, [-Double.log(1e-7)]))
    }

    @Test func furtherAxesAreAveraged() throws {
        // [batch 1, 2 places, 2 classes]: the mean of ln 2 and -ln 0.75.
        let (t, x) = (Tensor.input([2, 2]), Tensor.input([2, 2]))
        let loss = try Loss.categoricalCrossentropy(fromLogits: true).perSample(targets: t, predictions: x)
        let values = try evaluate(loss, [(t, [1, 0, 1, 0]), (x, [0, 0, Double.log(3), 0])], batchSize: 1)
        #expect(isClose(values, [(Double.log(2) - Double.log(0.75)) / 2]))
    }

    @Test func theTotalIsDividedByTheBatchSizeWhateverTheWeights() throws {
        // Losses 1, 4 and 9 with weights 2, 0 and 1: (2 + 0 + 9) / 3.
        let (t, y, w) = (Tensor.input([1]), Tensor.input([1]), Tensor.input([]))
        let total = try Loss.meanSquaredError(targets: t, predictions: y, weights: w)
        #expect(
            isClose(
                try evaluate(total, [(t, [0, 0, 0]), (y, [1, 2, 3]), (w, [2, 0, 1])], batchSize: 3), [11.0 / 3],
                tolerance: 1e-12))
        let plain = try Loss.meanSquaredError(targets: t, predictions: y)
        #expect(
            isClose(
                try evaluate(plain, [(t, [0, 0, 0]), (y, [1, 2, 3])], batchSize: 3), [14.0 / 3], tolerance: 1e-12))
    }

    @Test func aVectorOfTargetsFitsPredictionsOfOneNumber() throws {
        let (t, y) = (Tensor.input([]), Tensor.input([1]))
        let losses = try evaluate(
            Loss.meanSquaredError.perSample(targets: t, predictions: y), [(t, [1, 2]), (y, [3, 2])], batchSize: 2)
        #expect(losses == [4, 0])
    }

    @Test func notANumberStaysOne() throws {
        #expect(try perSample(.meanSquaredError, [0], [.nan], width: 1)[0].isNaN)
        #expect(try perSample(.categoricalCrossentropy(fromLogits: true), [1, 0], [.nan, 0], width: 2)[0].isNaN)
    }
}

@Suite struct LossErrorTests {
    struct Row: Sendable, CustomStringConvertible {
        let description: String
        let loss: Loss
        let targets: TensorType
        let predictions: Shape
        let text: String

        init(_ description: String, _ loss: Loss, _ targets: TensorType, _ predictions: Shape, _ text: String) {
            (self.description, self.loss, self.targets) = (description, loss, targets)
            (self.predictions, self.text) = (predictions, text)
        }
    }

    static let rows = [
        Row(
            "labels given to the dense loss", .categoricalCrossentropy, TensorType([-1], .int32), [-1, 10],
            "categoricalCrossentropy: expected targets of the predictions' shape [batch, 10], received int32[batch]. "
                + "Cure: these look like labels: use sparseCategoricalCrossentropy, or make the targets one-hot "
                + "(oneHotTargets(classCount:) of a data set, oneHot(_:depth:) of a tensor)."),
        Row(
            "labels in a column", .categoricalCrossentropy, TensorType([-1, 1], .int32), [-1, 10],
            "categoricalCrossentropy: expected targets of the predictions' shape [batch, 10], received "
                + "int32[batch, 1]. Cure: these look like labels: use sparseCategoricalCrossentropy, or make the "
                + "targets one-hot (oneHotTargets(classCount:) of a data set, oneHot(_:depth:) of a tensor)."),
        Row(
            "an image that was not flattened", .categoricalCrossentropy, TensorType([-1, 10]), [-1, 28, 28, 10],
            "categoricalCrossentropy: expected targets of the predictions' shape [batch, 28, 28, 10], received "
                + "float32[batch, 10]. Cure: put a Flatten layer in front of the Dense layers, so that a sample gives "
                + "one vector; or make the targets' shape that of the model's output."),
        Row(
            "labels of an image that was not flattened", .sparseCategoricalCrossentropy, TensorType([-1], .int32),
            [-1, 28, 28, 10],
            "sparseCategoricalCrossentropy: expected labels of shape [batch, 28, 28] for predictions "
                + "[batch, 28, 28, 10], received int32[batch]. Cure: put a Flatten layer in front of the Dense layers, "
                + "so that a sample gives one vector of scores; or give one label for each."),
        Row(
            "one-hot given to the sparse loss", .sparseCategoricalCrossentropy, TensorType([-1, 10]), [-1, 10],
            "sparseCategoricalCrossentropy: expected labels of shape [batch] for predictions [batch, 10], received "
                + "float32[batch, 10]. Cure: these look one-hot: use categoricalCrossentropy, or give one label a sample."
        ),
        Row(
            "wrong width", .meanSquaredError, TensorType([-1, 3]), [-1, 10],
            "meanSquaredError: expected targets of the predictions' shape [batch, 10], received float32[batch, 3]. "
                + "Cure: give the last layer 3 units, or the targets 10 numbers a sample."),
        Row(
            "another rank", .huber, TensorType([-1, 2, 5]), [-1, 10],
            "huber: expected targets of the predictions' shape [batch, 10], received float32[batch, 2, 5]. "
                + "Cure: make the targets' shape that of the model's output."),
        Row(
            "one class", .categoricalCrossentropy, TensorType([-1, 1]), [-1, 1],
            "categoricalCrossentropy: expected predictions [batch, ..., classes] of 2 classes or more, received "
                + "[batch, 1]. Cure: use binaryCrossentropy, or give the last layer one unit for each class."),
        Row(
            "wrong smoothing", .categoricalCrossentropy(labelSmoothing: 1.5), TensorType([-1, 2]), [-1, 2],
            "categoricalCrossentropy: labelSmoothing is 1.5; it must be from 0 to 1."),
        Row(
            "wrong delta", .huber(delta: 0), TensorType([-1, 2]), [-1, 2],
            "Huber loss: delta is 0.0; it must be a finite number above 0."),
    ]

    @Test(arguments: rows) func text(row: Row) {
        let targets = Tensor.placeholder(row.targets.shape, row.targets.elementType)
        let predictions = Tensor.placeholder(row.predictions)
        #expect(errorText { _ = try row.loss.perSample(targets: targets, predictions: predictions) } == row.text)
    }

    /// A network that ends without what makes probabilities would be trained on nonsense in silence.
    @Test func predictionsThatAreNoProbabilitiesAreRefused() throws {
        func texts(_ predictions: Tensor) -> [String] {
            let labels = Tensor.placeholder(Shape(predictions.shape.sizes.dropLast()), .int32)
            let losses: [(Loss, Tensor)] = [
                (.sparseCategoricalCrossentropy, labels), (.categoricalCrossentropy, .placeholder(predictions.shape)),
                (.binaryCrossentropy, .placeholder(predictions.shape)),
                (.klDivergence, .placeholder(predictions.shape)),
            ]
            return losses.map { loss, targets in
                errorText { _ = try loss.perSample(targets: targets, predictions: predictions) }
            }
        }
        func refusal(_ maker: String) -> [String] {
            let logits = ", or the loss fromLogits: true"
            return [
                ("sparseCategoricalCrossentropy", "softmax", logits), ("categoricalCrossentropy", "softmax", logits),
                ("binaryCrossentropy", "sigmoid", logits), ("klDivergence", "softmax", ""),
            ].map {
                "\($0): what makes the predictions is \(maker); it must be something that gives probabilities: give "
                    + "the last layer activation: .\($1)\($2); where they are some, say so with clamp(_, 0...1)."
            }
        }
        func output(@LayerBuilder _ layers: () throws -> [LayerStage]) throws -> Tensor {
            try Sequential(input: [6, 6, 2], .float32, name: nil, seed: 0, layers).outputs[0]
        }
        let product = try output {
            Flatten(); Dense(4)
        }
        #expect(texts(product) == refusal("a product without an activation"))
        #expect(
            try texts(
                output {
                    Flatten(); Dense(4, usesBias: false)
                }) == refusal("a product without an activation"))
        #expect(try texts(output { Dense(4) }) == refusal("a product without an activation"))
        #expect(
            try texts(
                output {
                    Flatten(); Dense(4, activation: .relu)
                }) == refusal("relu"))
        #expect(
            try texts(
                output {
                    Flatten(); Dense(4, activation: .tanh)
                }) == refusal("tanh"))
        #expect(try texts(output { Conv2D(4, kernel: 3) }) == refusal("a convolution without an activation"))
        #expect(
            try texts(
                output {
                    Conv2D(4, kernel: 3); GlobalAveragePool2D()
                })
                == refusal("a convolution without an activation"))
        for activation: ActivationFunction in [.elu, .leakyReLU, .selu, .gelu, .gelu(approximate: true), .silu] {
            let predictions = try output {
                Flatten(); Dense(4, activation: activation)
            }
            #expect(texts(predictions) == refusal("an activation without a bound"), "\(activation)")
        }
        let normalized = try output {
            Flatten(); Dense(4); BatchNormalization()
        }
        #expect(texts(normalized) == refusal("a batch normalization"))
        #expect(texts(product + product) == refusal("a sum without an activation"))
        // What may well be probabilities: what a softmax or the like gives, a mixture of several, by hand, cut, noisy
        // labels.
        let some = softmax(product), weights = Variable("transition", value: NDArray(zeros: [4, 4]))
        let byHand = exp(product) / exp(product).sum(-1, keepsAxes: true)
        let softplus = try output {
            Flatten(); Dense(4, activation: .softplus)
        }
        for predictions in [
            some, sigmoid(product), some * 0.5 + some * 0.5, product * product, byHand, clamp(product, 0...1),
            softplus, .input([4]), matMul(some, weights.tensor), matMul(some, .placeholder([4, 4])),
        ] {
            #expect(texts(predictions) == Array(repeating: "no error", count: 4))
        }
        let labels = Tensor.placeholder([-1], .int32)
        _ = try Loss.sparseCategoricalCrossentropy(fromLogits: true).perSample(targets: labels, predictions: product)
        _ = try Loss.meanSquaredError.perSample(targets: .input([4]), predictions: product)
    }

    @Test func weightsMustBeOneASample() {
        let text = errorText {
            _ = try Loss.meanSquaredError(
                targets: .input([2]), predictions: .input([2]), weights: .input([2]))
        }
        #expect(
            text == "meanSquaredError: expected one weight a sample, float32[batch], received float32[batch, 2]. "
                + "Cure: give each sample one number.")
    }
}
