// Two networks against each other: a generator that draws digits from random numbers, and a critic that tells them
// from those of MNIST. Each has its own loss and optimizer, so the training is a loop of two functions.
//
//     swift run -c release DigitGAN [STEPS]
import Apus
import Foundation

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 3000
let (batchSize, codeSize) = (64, 32)

let generator = try Sequential(input: [codeSize], name: "generator") {
    Dense(7 * 7 * 32, activation: .relu)
    Reshape(to: [7, 7, 32])
    Conv2DTranspose(24, kernel: 4, strides: 2, padding: .same, activation: .relu)
    Conv2DTranspose(1, kernel: 4, strides: 2, padding: .same, activation: .sigmoid)
}
let critic = try Sequential(input: [28, 28, 1], name: "critic") {
    Conv2D(24, kernel: 4, strides: 2, padding: .same, activation: .leakyReLU)
    Conv2D(48, kernel: 4, strides: 2, padding: .same, activation: .leakyReLU)
    Flatten()
    Dropout(0.3)
    Dense(1)
}
print(generator.summary())
print(critic.summary())

// The critic's number is above 0 for images that it takes for digits; softplus(-x) is the loss of a "yes" that should
// have been given with certainty, softplus(x) that of a "no".
let digit = Tensor.input([28, 28, 1], name: "digit")
let drawn = try generator(.randomNormal([batchSize, codeSize]))
let criticLoss = try softplus(-critic(digit)).mean() + softplus(critic(drawn)).mean()
let generatorLoss = try softplus(-critic(drawn)).mean()

let teachCritic = try Function(
    inputs: [digit], outputs: [criticLoss],
    updates: Adam(learningRate: 0.0005, beta1: 0.5).updates(minimizing: criticLoss, over: critic.parameters),
    device: .cpu)
let teachGenerator = try Function(
    inputs: [], outputs: [generatorLoss],
    updates: Adam(learningRate: 0.0005, beta1: 0.5).updates(minimizing: generatorLoss, over: generator.parameters),
    seed: 1, device: .cpu)

let digits = try LoadedDataset.load("mnist").train.shuffled(seed: 1).inputs[0]
for step in 1...max(stepCount, 1) {
    let first = (step - 1) * batchSize % (digits.count - batchSize + 1)
    let pixels = digits.values.rows(first..<first + batchSize).floats.map { $0 * digits.scale }
    let seen = try teachCritic(NDArray(pixels, shape: [batchSize, 28, 28, 1]))[0].floats[0]
    let drew = try teachGenerator()[0].floats[0]
    if step == 1 || step == stepCount || step.isMultiple(of: 100) {
        print("step \(step): critic \(seen), generator \(drew)")
    }
}

let random = Philox(seed: 7)
let codes = try NDArray((0..<100 * codeSize).map { random.normal($0) }, shape: [100, codeSize])
let images = try generator.predict(codes)
let tiles = try (0..<100).map { try ImageSheet.Tile(images.rows($0..<$0 + 1).reshaped(to: [28, 28, 1])) }
let sheet = try ImageSheet(
    title: "what the generator draws after \(stepCount) steps",
    rows: (0..<10).map { Array(tiles[$0 * 10..<$0 * 10 + 10]) }, tileSide: 56)
for file in try sheet.save(as: "drawn_digits", in: URL(fileURLWithPath: ".")) {
    print("wrote \(file.lastPathComponent)")
}
