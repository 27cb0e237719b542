import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct ModelTests {
    @Test func multilayerPerceptron() throws {
        let model = try Sequential(input: [784], name: "mlp") {
            for _ in 0..<2 { Dense(512, activation: .sigmoid, kernelInitializer: .uniform(-0.01, 0.01)) }
            Dense(10, activation: .softmax, kernelInitializer: .uniform(-0.01, 0.01))
        }
        #expect(model.parameterCount == 669_706)
        #expect(model.outputs[0].shape == [-1, 10])
        #expect(
            model.variables.map(\.path) == [
                "dense/kernel", "dense/bias", "dense2/kernel", "dense2/bias", "dense3/kernel", "dense3/bias",
            ])
        #expect(model.variables.map(\.variable.isInitialized) == [Bool](repeating: true, count: 6))
    }

    @Test func variationalAutoencoder() throws {
        let (encoder, decoder, whole) = try makeAutoencoder()
        #expect(encoder.parameterCount == 403_972)
        #expect(decoder.parameterCount == 403_728)
        #expect(
            whole.variables.map(\.path) == [
                "encoder/dense/kernel", "encoder/dense/bias", "encoder/mean/kernel", "encoder/mean/bias",
                "encoder/logVariance/kernel", "encoder/logVariance/bias", "decoder/dense/kernel", "decoder/dense/bias",
                "decoder/dense2/kernel", "decoder/dense2/bias",
            ])
        #expect(whole.parameterCount == 807_700)
        // Shared, not copied.
        let shared = (encoder.variables + decoder.variables).map { ObjectIdentifier($0.variable) }
        #expect(whole.variables.map { ObjectIdentifier($0.variable) } == shared)
        #expect(whole.addedLosses.map(\.name) == ["encoder/divergence"])
    }

    /// y = 2 x twice over, once through each application: 4 x; both use one kernel.
    @Test func aModelCalledTwiceSharesItsVariables() throws {
        let double = try Sequential(input: [1], name: "double") {
            Dense(1, usesBias: false, kernelInitializer: .constant(2))
        }
        let x = Tensor.input([1])
        let model = try Model(inputs: [x], outputs: [double(double(x))])
        #expect(model.parameterCount == 1)
        #expect(model.variables.map(\.path) == ["double/dense/kernel"])
        #expect(try evaluate(model.outputs[0], at: x, [3] as [Double]) == [12])
        try double.variables[0].variable.assign(NDArray([5] as [Float], shape: [1, 1]))
        #expect(try evaluate(model.outputs[0], at: x, [3] as [Double]) == [75])
    }

    @Test func aLayerAppliedTwiceHasTwoSets() throws {
        let layer = Dense(2)
        let x = Tensor.input([2])
        let model = try Model(inputs: [x], outputs: [layer(layer(x))])
        #expect(model.parameterCount == 12)
    }

    /// The open batch may be a multiple of another, or settled. The kernel of ones adds pairs: 0 + 1, 2 + 3, ...
    @Test func applicationToOtherBatches() throws {
        let x = Tensor.input([3, 2])
        let inner = try Model(inputs: [x], outputs: [Dense(1, usesBias: false, kernelInitializer: .ones)(x)])
        #expect(try inner(.placeholder([5, 3, 2])).shape == [5, 3, 1])
        let frames = Tensor.input([4, 3, 2])
        let each = try inner(frames.reshaped(to: [-4, 3, 2]))
        #expect(each.shape == [-4, 3, 1])
        let values = (0..<24).map { Double($0) }
        #expect(try evaluate(each, at: frames, values) == stride(from: 0, to: 24, by: 2).map { Double(2 * $0 + 1) })
    }

    /// Two applications draw different noise.
    @Test func noiseIsNewForEachApplication() throws {
        let x = Tensor.input([100])
        let noisy = try Model(inputs: [x], outputs: [x + .randomNormal(like: x)], name: "noise")
        let y = Tensor.input([100])
        let difference = try noisy(y) - noisy(y)
        let values = try evaluate(difference, at: y, [Float](repeating: 0, count: 100))
        #expect(values.allSatisfy { $0 != 0 })
    }

    @Test func names() throws {
        let x = Tensor.input([2])
        let block = try Sequential(input: [2], name: "block") {
            Dense(2)
            Dense(2, name: "last")
        }
        let first = try Dense(2, name: "dense2")(x)
        let third = try Dense(2)(Dense(2)(first))
        let model = try Model(inputs: [x], outputs: [block(block(third))])
        #expect(
            model.variables.map(\.path).filter { $0.hasSuffix("kernel") } == [
                "dense2/kernel", "dense/kernel", "dense3/kernel", "block/dense/kernel", "block/last/kernel",
            ])
        let calls = topologicalOrder(of: model.outputs).compactMap(\.layerCall)
        let paths = calls.map(model.layerPath(of:)).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
        #expect(paths == ["dense2", "dense", "dense3", "block/dense", "block/last", "block2/dense", "block2/last"])
    }

    @Test func namesFromTypes() {
        let names = ["Dense", "LSTM", "GRUCell", "Conv2D", "x", ""].map(lowerCamelCase)
        #expect(names == ["dense", "lstm", "gruCell", "conv2D", "x", ""])
    }

    @Test func namesGivenTwice() throws {
        let text = message {
            _ = try Sequential(input: [2], name: "net") {
                Dense(2, name: "a")
                Dense(2, name: "a")
            }
        }
        #expect(
            text == "Model 'net': the name of two layers is 'a'; it must be given once; "
                + "leave it out to have layers numbered.")
    }

    /// A layer made of layers: its parts stand below it.
    private struct Residual: UnaryLayer {
        func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
            let scale = try scope.variable("scale", shape: [1], initializer: Initializer.ones)
            return try Add()(Dense(2)(Dense(2, activation: .relu)(input)) * scale, input)
        }
    }

    @Test func layersInsideLayers() throws {
        let model = try Sequential(input: [2]) {
            Residual()
            Residual()
        }
        #expect(
            model.variables.map(\.path).prefix(6) == [
                "residual/scale", "residual/dense/kernel", "residual/dense/bias", "residual/dense2/kernel",
                "residual/dense2/bias", "residual2/scale",
            ])
        #expect(model.variables.count == 10)
    }

    @Test func variablesOutsideLayers() throws {
        let scale = Variable("scale", value: NDArray([3] as [Float]))
        let x = Tensor.input([1])
        let inner = try Model(inputs: [x], outputs: [x * scale.tensor], name: "inner")
        #expect(inner.variables.map(\.path) == ["scale"])
        let y = Tensor.input([1])
        let outer = try Model(inputs: [y], outputs: [inner(y)])
        #expect(outer.variables.map(\.path) == ["inner/scale"])
        try outer.initialize(seed: 9)
        #expect(scale.value.floats == [3])
    }

    @Test func initialValuesAreAFunctionOfSeedAndPath() throws {
        func kernels(_ name: String, seed: UInt64) throws -> [NDArray] {
            try Sequential(input: [4], name: name, seed: seed) {
                Dense(4)
                Dense(4)
            }.variables.filter { $0.path.hasSuffix("kernel") }.map(\.variable.value)
        }
        let first = try kernels("a", seed: 1)
        #expect(try kernels("a", seed: 1) == first)
        #expect(first[0] != first[1])
        #expect(try kernels("a", seed: 2)[0] != first[0])
        #expect(try kernels("b", seed: 1)[0] != first[0])
    }

    /// The published values of FNV-1a for the empty text and for "a".
    @Test func stableHashes() { #expect(stableHash("") == 0x811c_9dc5 && stableHash("a") == 0xe40c_292c) }

    @Test func initializeDrawsAgain() throws {
        let model = try Sequential(input: [4], seed: 1) { Dense(4) }
        let first = model.variables[0].variable.value
        try model.variables[1].variable.assign(NDArray([1, 2, 3, 4] as [Float]))
        try model.initialize(seed: 1)
        #expect(model.variables[0].variable.value == first)
        #expect(model.variables[1].variable.value.floats == [0, 0, 0, 0])
    }

    /// Applying a model does not draw its values again.
    @Test func valuesSurviveNesting() throws {
        let inner = try Sequential(input: [2], name: "inner", seed: 3) { Dense(2) }
        let before = inner.variables[0].variable.value
        _ = try Sequential(input: [2], seed: 4) { inner }
        #expect(inner.variables[0].variable.value == before)
    }

    @Test func inputsAndOutputsThatDoNotFit() throws {
        let (x, y) = (Tensor.input([2], name: "left"), Tensor.input([2], name: "right"))
        let hidden = x + 1
        #expect(
            message { _ = try Model(inputs: [x], outputs: [hidden + y], name: "net") }
                == "Model 'net': expected outputs made from the model's own inputs only, received one that depends on "
                + "input 'right' of type float32[batch, 2]. Cure: add that tensor to the inputs; or, if it is another "
                + "model's, call that model on this one's tensors.")
        #expect(
            message { _ = try Model(inputs: [y], outputs: [.constant(1)]) }
                == "Model 'model': expected outputs that depend on the inputs, received Tensor(constant, float32[]), "
                + "which depends on none of them. Cure: make it from the inputs, or leave it out.")
        #expect(
            message { _ = try Model(inputs: [hidden], outputs: [hidden]) }
                == "Model 'model': expected inputs made by Tensor.input, received Tensor(add, float32[batch, 2]). "
                + "Cure: start the model at Tensor.input(...), and call it on this tensor.")
        #expect(
            message { _ = try Model(inputs: [], outputs: [x]) } == "Model 'model': inputs is []; it must be 1 or more.")
        #expect(
            message { _ = try Model(inputs: [x], outputs: []) } == "Model 'model': outputs is []; it must be 1 or more."
        )
        #expect(
            message { _ = try Model(inputs: [x, x], outputs: [x]) }
                == "Model 'model': inputs is the same tensor twice; it must be different tensors.")
    }

    @Test func applicationsThatDoNotFit() throws {
        let (x, y) = (Tensor.input([2], name: "left"), Tensor.input([2], name: "right"))
        let two = try Model(inputs: [x], outputs: [x + 1, x], name: "two")
        #expect(
            message { _ = try two(y, line: 7) }
                == "two: outputs (ModelTests.swift:7): expected 1, received 2. "
                + "Cure: call the model with an array of tensors, which gives an array.")
        #expect(
            message { _ = try two([.input([3])], line: 7) }
                == "two: inputs (ModelTests.swift:7): expected float32[batch, 2] for 'left', "
                + "received float32[batch, 3]. Cure: give the model as many tensors of just these types.")
        #expect(
            message { _ = try two([x, y], line: 7) }
                == "two: inputs (ModelTests.swift:7): expected 1, received 2. "
                + "Cure: give the model as many tensors of just these types.")
    }

    @Test func samplesHaveNoOpenAndNoEmptyAxes() throws {
        for sizes in [[-3], [0], [28, -1]] {
            #expect(
                message { _ = try Sequential(input: Shape(sizes)) { Dense(1) } }
                    == "Sequential 'sequential': input is \(sizes); it must be the shape of one sample, sizes of 1 or "
                    + "more, without the batch.")
        }
        #expect(
            message { _ = try Dense(1)(.input([-3], name: "x"), line: 7) }
                == "input 'x' (ModelTests.swift:7): expected the shape of one sample, received [-3]. "
                + "Cure: leave out the batch axis, which is added in front.")
    }

    @Test func sequentialNamesTheLayersLine() throws {
        let line = #line + 3
        let text = message {
            _ = try Sequential(input: [784]) {
                ApusNN.Reshape(to: [28, 27])
            }
        }
        #expect(text.hasPrefix("Reshape: input (ModelTests.swift:\(line)): expected samples whose elements fill"))
        #expect(
            message { _ = try Sequential(input: [2]) {} }
                == "Sequential 'sequential': layers is []; it must be 1 or more.")
    }

    @Test func lossesThatDoNotFit() throws {
        let x = Tensor.input([2])
        let model = try Sequential(input: [2], name: "net") { Dense(2) }
        #expect(
            message { try model.addLoss(model.outputs[0], name: "size") }
                == "Model 'net', added loss 'size': expected a scalar, or one number for each sample, "
                + "received float32[batch, 2]. Cure: take the sum or the mean over the other axes.")
        #expect(message { try model.addLoss(x.sum()) }.hasPrefix("Model 'net': expected outputs made from"))
        try model.addLoss(model.outputs[0].sum(-1))
        #expect(
            message { try model.addLoss(model.outputs[0].sum()) }
                == "Model 'net': the name of two added losses is 'loss'; it must be given once.")
        #expect(model.addedLosses.count == 1)
    }

    private struct Single: VariableInitializer {
        func values(shape: Shape, seed: UInt64, stream: UInt32) -> NDArray { NDArray([Float(5)]) }
    }

    private struct Scale: UnaryLayer {
        var name: String? { "scale" }
        func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
            try input * scope.variable("factor", shape: [2], initializer: Single())
        }
    }

    @Test func anInitializerOfAnotherShapeIsNamedWithItsLayer() throws {
        #expect(
            message { _ = try Sequential(input: [2]) { Scale() } }
                == "scale: initializer of 'factor': expected float32[2], received float32[1]. "
                + "Cure: return values of the shape that the initializer is asked for, as float32.")
    }

    /// 2^40 elements are the most: 2^32 times 2^9.
    @Test func variablesBeyondAllMemory() throws {
        #expect(
            message { _ = try Dense(1 << 32)(.input([512]), line: 7) }
                == "Dense: initializer of 'kernel' (ModelTests.swift:7): expected at most 2^40 elements, "
                + "received [512, 4294967296]. Cure: check the sizes.")
        // 2 TB.
        #expect(
            message { _ = try Dense(1 << 30)(.input([512]), line: 7) }
                == "Dense: initializer of 'kernel' (ModelTests.swift:7): expected as many elements as memory holds, "
                + "at most, received [512, 1073741824]. Cure: check the sizes.")
        #expect(
            message { _ = try Dense(3)(.input([1 << 40, 2]), line: 7) }
                == "input 'input' (ModelTests.swift:7): expected at most 2^40 elements, "
                + "received [batch, 1099511627776, 2]. Cure: check the sizes.")
        #expect(
            message { _ = try ApusNN.Reshape(to: [1 << 62, 4])(.input([0]), line: 7) }
                == "Reshape: input (ModelTests.swift:7): expected samples whose elements fill "
                + "[4611686018427387904, 4], received [batch, 0]. Cure: choose sizes whose product is 0.")
    }

    /// An inner model's loss comes along; the outer model's own layers still start by the outer model's seed.
    @Test func seedsReachLayersBesideAnAddedLoss() throws {
        func kernels(seed: UInt64) throws -> [NDArray] {
            let x = Tensor.input([2])
            let inner = try Model(inputs: [x], outputs: [x + 1], name: "inner")
            try inner.addLoss(x.sum(-1))
            let outer = try Sequential(input: [2], name: "outer", seed: seed) {
                inner
                Dense(3, usesBias: false)
            }
            try outer.addLoss(Dense(1, usesBias: false)(outer.inputs[0]).mean())
            return outer.variables.map(\.variable.value)
        }
        let (first, second) = (try kernels(seed: 1), try kernels(seed: 2))
        #expect(first.count == 2)
        #expect(try kernels(seed: 1) == first)
        #expect(first[0] != second[0])
        #expect(first[1] != second[1])
    }

    /// The loss of an inner model uses the very noise that its output was made with: z - y is the noise, so the
    /// difference of the two is 0.
    @Test func addedLossesFollowTheApplication() throws {
        let x = Tensor.input([4])
        let noise = Tensor.randomNormal(like: x)
        let inner = try Model(inputs: [x], outputs: [x + noise], name: "inner")
        try inner.addLoss(noise.sum(-1), name: "noise")
        let y = Tensor.input([4])
        let z = try inner(y)
        let outer = try Model(inputs: [y], outputs: [z])
        #expect(outer.addedLosses.map(\.name) == ["inner/noise"])
        let difference = (z - y).sum(-1) - outer.addedLosses[0].value
        #expect(isClose(try evaluate(difference, at: y, [0, 0, 0, 0] as [Double]), [0]))
        // Applied once more, the loss comes along once more.
        let w = Tensor.input([4])
        let outermost = try Model(inputs: [w], outputs: [outer(w)], name: "top")
        #expect(outermost.addedLosses.map(\.name) == ["model/inner/noise"])
    }

    /// 0.5 * 3^2, once.
    @Test func regularizationCountsSharedVariablesOnce() throws {
        let inner = try Sequential(input: [1], name: "inner") {
            Dense(1, usesBias: false, kernelInitializer: .constant(3), kernelRegularizer: L2(0.5))
        }
        #expect(try Sequential(input: [1]) { Dense(1) }.regularization == nil)
        let x = Tensor.input([1])
        let model = try Model(inputs: [x], outputs: [inner(inner(x))])
        let penalty = try #require(model.regularization)
        #expect(try evaluate([penalty], inputs: [] as [(Tensor, [Double])])[0].values == [4.5])
    }

    @Test func modelsAreFreed() throws {
        weak var variable: Variable?
        do {
            let (encoder, _, whole) = try makeAutoencoder(hidden: 4)
            variable = encoder.variables[0].variable
            #expect(whole.variables[0].variable === variable)
        }
        #expect(variable == nil)
    }
}

/// The network of the experiment "vae": encoder, decoder, and both in a row.
func makeAutoencoder(hidden: Int = 512) throws -> (encoder: Model, decoder: Model, whole: Model) {
    let image = Tensor.input([784], name: "image")
    let features = try Dense(hidden, activation: .relu, kernelInitializer: .heNormal)(image)
    let mean = try Dense(2, name: "mean")(features)
    let logVariance = try Dense(2, name: "logVariance")(features)
    let z = mean + exp(0.5 * logVariance) * .randomNormal(like: mean)
    let encoder = try Model(inputs: [image], outputs: [mean, logVariance, z], name: "encoder")
    try encoder.addLoss((exp(logVariance) + square(mean) - logVariance - 1).sum(-1), name: "divergence")
    let decoder = try Sequential(input: [2], name: "decoder") {
        Dense(hidden, activation: .relu, kernelInitializer: .heNormal)
        Dense(784, activation: .sigmoid)
    }
    let picture = Tensor.input([784], name: "picture")
    let whole = try Model(inputs: [picture], outputs: [decoder(encoder([picture])[2])], name: "vae")
    return (encoder, decoder, whole)
}
