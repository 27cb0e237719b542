// A transformer encoder that learns to sort: ten digits in any order come in, and the same digits in rising order
// come out, all at once. For each place the network has to count what lies before it, in the whole of the sequence.
//
//     swift run -c release SortingTransformer [STEPS]
import Apus

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1500
let (length, size) = (10, 32)

/// Attention of each place to all, then two layers on each place, both with a way around them.
/// Source: Vaswani and others, Attention is all you need, 2017; normalized before, not after: Xiong and others, 2020.
func encoderBlock(_ x: Tensor) throws -> Tensor {
    let seen = try MultiHeadAttention(heads: 4, keySize: size / 4, dropout: 0.05)(LayerNormalization()(x))
    let y = try Add()(x, seen)
    let hidden = try Dense(4 * size, activation: .gelu)(LayerNormalization()(y))
    return try Add()(y, Dense(size)(hidden))
}

let digits = Tensor.input([length], .int32, name: "digits")
let places = Tensor.constant(NDArray((0..<length).map { Int32($0) }))
var x = try Embedding(10, size, name: "values")(digits) + Embedding(length, size, name: "places")(places)
for _ in 0..<2 { x = try encoderBlock(x) }
let sorted = try Dense(10, activation: .softmax, name: "sorted")(LayerNormalization()(x))
let model = try Model(inputs: [digits], outputs: [sorted], name: "encoder")
print(model.summary())

func samples(_ count: Int, seed: UInt64) throws -> Dataset {
    let random = Philox(seed: seed)
    let given = (0..<count).map { sample in (0..<length).map { Int32(random.word(sample * length + $0) % 10) } }
    return try Dataset(
        inputs: NDArray(given.flatMap { $0 }, shape: [count, length]),
        targets: NDArray(given.flatMap { $0.sorted() }, shape: [count, length]), name: "digits to sort")
}

let trainer = try Trainer(
    model, loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: Adam(learningRate: 0.002),
    device: .cpu)
try trainer.fit(
    samples(20_000, seed: 1), batchSize: 64, epochs: 1000, callbacks: [Progress()], maxSteps: stepCount)
print("test: \(try trainer.evaluate(samples(1000, seed: 2), batchSize: 100))")

let question = try NDArray([3, 1, 4, 1, 5, 9, 2, 6, 5, 3] as [Int32], shape: [1, length])
let scores = try model.predict(question).floats
let answer = (0..<length).map { place in
    let row = scores[place * 10..<(place + 1) * 10]
    return (row.firstIndex(of: row.max() ?? 0) ?? 0) - place * 10
}
print("sorted: \(answer)")
