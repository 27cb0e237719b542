// A text classifier: each word becomes a vector, a GRU reads them in their order, and one unit tells whether the last
// verdict of a review is a good one. Reviews say "not" and "but", so that words alone are no answer.
//
//     swift run -c release TextClassifier [STEPS]
import Apus

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 600

/// A review and whether it ends well, a function of its number.
func review(_ number: Int) -> (text: String, isGood: Bool) {
    let random = Philox(seed: 1, stream: UInt32(truncatingIfNeeded: number))
    var drawn = 0
    func one(of words: [String]) -> String {
        drawn += 1
        return words[Int(random.word(drawn)) % words.count]
    }
    func clause() -> (text: String, isGood: Bool) {
        let good = ["good", "great", "lovely", "fine", "funny"]
        let word = one(of: good + ["bad", "awful", "dull", "poor", "slow"])
        let negation = one(of: ["", "not", "never", "really", "very", ""])
        let isTurned = negation == "not" || negation == "never"
        let subject = one(of: ["the film", "this book", "the meal", "our trip", "the play"])
        return ("\(subject) \(one(of: ["was", "seemed"])) \(negation) \(word)", good.contains(word) != isTurned)
    }
    let (first, last) = (clause(), clause())
    return one(of: ["one", "two"]) == "one"
        ? first : ("\(first.text) \(one(of: ["but", "and"])) \(last.text)", last.isGood)
}

// The vocabulary of all reviews; number 0 is left for padding.
let reviews = (0..<4000).map(review)
let words = reviews.map { $0.text.split(separator: " ").map(String.init) }
let vocabulary = Set(words.joined()).sorted()
let numbers = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, Int32($0 + 1)) })
let length = words.map(\.count).max() ?? 1

/// The numbers of the words, filled up with zeros.
func encoded(_ words: [String]) -> [Int32] {
    let known = words.prefix(length).map { numbers[$0, default: 0] }
    return known + [Int32](repeating: 0, count: length - known.count)
}

let tokens = Tensor.input([length], .int32, name: "words")
let vectors = try Embedding(vocabulary.count + 1, 16)(tokens)
let read = try GRU(24)(vectors, mask: paddingMask(tokens))
let model = try Model(
    inputs: [tokens], outputs: [Dense(1, activation: .sigmoid, name: "isGood")(read)], name: "reader")
print(model.summary())

let data = try Dataset(
    inputs: NDArray(words.flatMap(encoded), shape: [reviews.count, length]),
    targets: NDArray(reviews.map { $0.isGood ? 1 : 0 } as [Float], shape: [reviews.count, 1]), name: "reviews")
let (train, test) = try data.split(fraction: 0.8)
let trainer = try Trainer(
    model, loss: .binaryCrossentropy, metrics: [.accuracy], optimizer: Adam(learningRate: 0.01), device: .cpu)
try trainer.fit(train, batchSize: 64, epochs: 1000, callbacks: [Progress()], maxSteps: stepCount)
print("test: \(try trainer.evaluate(test, batchSize: 200))")

for text in ["the film was not bad", "the play was great but the meal seemed never good"] {
    let answer = try model.predict(NDArray(encoded(text.split(separator: " ").map(String.init)), shape: [1, length]))
    print("'\(text)': \(answer.floats[0] > 0.5 ? "good" : "bad")")
}
