// Forecasting: an LSTM reads a series and says after each value what the next one will be. All of its outputs are
// trained, so that one sequence holds as many tasks as it has steps. Then it goes on by itself, from its own answers.
//
//     swift run -c release Forecasting [STEPS]
import Apus
import Foundation

let stepCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 600
let length = 48

/// Two waves of random phases and strengths, and some noise: a function of `number`.
func series(_ number: Int, count: Int) -> [Float] {
    let random = Philox(seed: 3, stream: UInt32(truncatingIfNeeded: number))
    let (slow, fast) = (6.28 * random.uniform(0), 6.28 * random.uniform(1))
    let share = 0.3 + 0.4 * random.uniform(2)
    return (0..<count).map { hour in
        let day = sin(0.2618 * Float(hour) + slow)
        let wave = sin(0.9 * Float(hour) + fast)
        return share * day + (1 - share) * wave + 0.03 * random.normal(8 + hour)
    }
}

/// Sequences, and for each of their values the one that follows.
func samples(_ numbers: Range<Int>) throws -> Dataset {
    let all = numbers.map { series($0, count: length + 1) }
    return try Dataset(
        inputs: all.flatMap { $0.dropLast() }, inputShape: [length, 1], targets: all.flatMap { $0.dropFirst() },
        targetShape: [length, 1], name: "waves")
}

let model = try Sequential(input: [length, 1], name: "forecaster") {
    LSTM(32, returnsSequences: true)
    Dense(1, name: "next")
}
print(model.summary())
let trainer = try Trainer(
    model, loss: .meanSquaredError, metrics: [.meanAbsoluteError], optimizer: Adam(learningRate: 0.01), device: .cpu)
try trainer.fit(samples(0..<1000), batchSize: 32, epochs: 1000, callbacks: [Progress()], maxSteps: stepCount)
print("test: \(try trainer.evaluate(samples(1000..<1200), batchSize: 100))")

// A day ahead: the last answer joins what is known, and the oldest value goes.
let truth = series(1200, count: length + 24)
var known = Array(truth.prefix(length))
for hour in 0..<24 {
    let answers = try model.predict(NDArray(known, shape: [1, length, 1])).floats
    known = known.dropFirst() + [answers[length - 1]]
    if hour.isMultiple(of: 6) {
        print(
            String(format: "hour %2d: forecast %+.2f, came %+.2f", hour + 1, answers[length - 1], truth[length + hour]))
    }
}
