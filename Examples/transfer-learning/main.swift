// Transfer learning: a trunk of convolutions learns the digits 0 to 4. Then it is frozen, and a new last layer learns
// the digits 5 to 9 on top of it, from 100 of them. The same network without that past has only the 100.
//
//     swift run -c release TransferLearning [STEPS]
import Apus

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 150

func makeTrunk(seed: UInt64) throws -> Model {
    try Sequential(input: [28, 28, 1], name: "trunk", seed: seed) {
        Conv2D(16, kernel: 3, padding: .same)
        BatchNormalization(momentum: 0.9)
        Activation(.relu)
        MaxPool2D()
        Conv2D(32, kernel: 3, padding: .same)
        BatchNormalization(momentum: 0.9)
        Activation(.relu)
        MaxPool2D()
        Flatten()
    }
}

/// Five classes on top of a trunk, whose variables it shares.
func classifier(on trunk: Model, name: String) throws -> Model {
    try Sequential(input: [28, 28, 1], name: name) {
        trunk
        Dense(5, activation: .softmax)
    }
}

/// The samples of some digits, which are numbered from 0 on.
func samples(of data: Dataset, _ digits: ClosedRange<Int32>) throws -> Dataset {
    let labels = data.labels ?? []
    let places = labels.indices.filter { digits.contains(labels[$0]) }
    let numbers = places.map { labels[$0] - digits.lowerBound }
    return try data.subset(places).withTargets([Dataset.Column(NDArray(numbers))]).reshapingInputs(to: [28, 28, 1])
}

/// Trains, and gives the accuracy on `test`.
func accuracy(_ model: Model, train: Dataset, test: Dataset) throws -> Double {
    let trainer = try Trainer(
        model, loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: Adam(learningRate: 0.002),
        device: .cpu)
    try trainer.fit(train, batchSize: 50, epochs: 1000, maxSteps: stepCount)
    return try trainer.evaluate(test, batchSize: 256)["accuracy"] ?? 0
}

let mnist = try LoadedDataset.load("mnist")
let (low, lowTest) = try (samples(of: mnist.train, 0...4), samples(of: mnist.test, 0...4))
let (few, highTest) = try (samples(of: mnist.train, 5...9).prefix(100), samples(of: mnist.test, 5...9))

let trunk = try makeTrunk(seed: 1)
let first = try classifier(on: trunk, name: "lowDigits")
print("digits 0 to 4: accuracy \(try accuracy(first, train: low, test: lowTest))")

trunk.isTrainable = false
let second = try classifier(on: trunk, name: "highDigits")
print(second.summary())
print("digits 5 to 9 on the frozen trunk: accuracy \(try accuracy(second, train: few, test: highTest))")

let scratch = try classifier(on: makeTrunk(seed: 2), name: "scratch")
print("digits 5 to 9 from scratch: accuracy \(try accuracy(scratch, train: few, test: highTest))")
