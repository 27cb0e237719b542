// A residual network: blocks whose convolutions learn what to add to their input, which goes around them unchanged.
// Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016.
//
//     swift run -c release ResidualNetwork [STEPS]
import Apus

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 300

/// Two convolutions, and a way around them. A step along the image or another number of filters needs a convolution
/// on that way too.
func block(_ x: Tensor, filters: Int, strides: Int = 1) throws -> Tensor {
    var y = try Conv2D(filters, kernel: 3, strides: strides, padding: .same, usesBias: false)(x)
    y = try Activation(.relu)(GroupNormalization(groups: 8)(y))
    y = try Conv2D(filters, kernel: 3, padding: .same, usesBias: false)(y)
    y = try GroupNormalization(groups: 8)(y)
    let isAlike = strides == 1 && x.shape[-1] == filters
    let around = isAlike ? x : try Conv2D(filters, kernel: 1, strides: strides, usesBias: false)(x)
    return try Activation(.relu)(Add()(around, y))
}

let image = Tensor.input([28, 28, 1], name: "image")
var x = try Conv2D(16, kernel: 3, padding: .same, activation: .relu)(image)
x = try block(x, filters: 16)
x = try block(x, filters: 32, strides: 2)
x = try block(x, filters: 64, strides: 2)
x = try Dense(10, activation: .softmax, name: "digit")(GlobalAveragePool2D()(x))
let model = try Model(inputs: [image], outputs: [x], name: "resnet")
print(model.summary())

let mnist = try LoadedDataset.load("mnist")
let (train, test) = try (
    mnist.train.reshapingInputs(to: [28, 28, 1]), mnist.test.reshapingInputs(to: [28, 28, 1])
)
let trainer = try Trainer(
    model, loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: AdamW(learningRate: 0.003),
    device: .cpu)
try trainer.fit(train, batchSize: 64, epochs: 100, callbacks: [Progress()], maxSteps: stepCount)
print("test: \(try trainer.evaluate(test, batchSize: 256))")
