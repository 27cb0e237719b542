import Apus
import Foundation

let mnist = try LoadedDataset.load("mnist")
for warning in mnist.warnings { print("WARNING: \(warning)") }
let model = try Sequential(input: [28, 28], name: "digits") {
    Flatten()
    Dense(128, activation: .relu)
    Dropout(0.2)
    Dense(10, activation: .softmax)
}
print(model.summary())

let trainer = try Trainer(
    model, loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: Adam(learningRate: 0.001),
    device: .cpu)
try trainer.fit(mnist.train, batchSize: 128, epochs: 3, validation: mnist.test, callbacks: [Progress()])

let scores = try trainer.predict(mnist.test.prefix(1))[0].floats
print("The first test image is a \(scores.firstIndex(of: scores.max() ?? 0) ?? 0).")
try model.save(to: URL(fileURLWithPath: "digits"))
