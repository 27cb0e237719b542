// The program behind Benchmarks/soak: trains the perceptron experiment and predicts, sample after sample, and prints
// how much memory the process holds on the way. Its exit code is 1 where that grows.

import Apus
import ApusExperiments
import Foundation

/// Why nothing can be said of a process' memory.
struct NotMeasured: Error, CustomStringConvertible {
    let description: String
}

/// The resident memory of this process, in bytes; `nil` where the system does not tell.
func residentByteCount() -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return nil }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return pages.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) }
}

/// Samples taken while something runs, at fractions of its work.
final class Samples {
    private(set) var byteCounts: [Int] = []
    private let name: String
    private let total: Int
    private let start = ContinuousClock.now
    private static let count = 20
    /// Fewer have no quarters.
    private static let leastCount = 4

    init(_ name: String, total: Int) { (self.name, self.total) = (name, total) }

    /// Work after which there may be another sample.
    var interval: Int { max(1, total / Self.count) }

    /// - Throws: `NotMeasured`.
    func note(_ done: Int) throws {
        guard done * Self.count / total > byteCounts.count || byteCounts.isEmpty else { return }
        guard let bytes = residentByteCount() else {
            throw NotMeasured(description: "This system does not tell a process' memory in /proc/self/statm.")
        }
        byteCounts.append(bytes)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        print("| \(name) | \(done) | \(String(format: "%.1f", seconds)) | \(mebibytes(bytes)) |")
        fflush(nil)
    }

    /// How far the largest of the last three quarters is above the largest of the first quarter.
    /// - Throws: `NotMeasured` where there are too few samples.
    func growth() throws -> Int {
        guard byteCounts.count >= Self.leastCount else {
            throw NotMeasured(
                description:
                    "\(name): \(byteCounts.count) samples of memory are too few; \(Self.leastCount) are needed.")
        }
        let quarter = max(1, byteCounts.count / 4)
        return (byteCounts.dropFirst(quarter).max() ?? 0) - (byteCounts.prefix(quarter).max() ?? 0)
    }
}

func mebibytes(_ bytes: Int) -> String { String(format: "%.2f", Double(bytes) / 1_048_576) }

/// Notes memory after epochs.
final class EpochSamples: Callback {
    private let samples: Samples
    private let trainer: Trainer
    private let firstStep: Int
    init(_ samples: Samples, _ trainer: Trainer) {
        (self.samples, self.trainer, firstStep) = (samples, trainer, trainer.step)
    }
    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try samples.note(trainer.step - firstStep)
        return .continue
    }
}

/// How long is trained: a number of steps, or the steps that some hours hold.
enum Length {
    case steps(Int)
    case hours(Double)

    /// As in `1000` and `0.5h`.
    init?(_ text: String) {
        if text.hasSuffix("h"), let hours = Double(text.dropLast()), hours > 0 {
            self = .hours(hours)
        } else if let count = Int(text), count > 0 {
            self = .steps(count)
        } else {
            return nil
        }
    }
}

func soak(_ length: Length, predictionCount: Int, limit: Int) throws -> Bool {
    let experiment = Perceptron()
    let loaded = try LoadedDataset.load("mnist")
    let (data, settings) = (try experiment.prepare(loaded.train), experiment.defaults)
    let network = try experiment.network(seed: 0)
    let trainer = try Trainer(
        network.model, loss: network.loss, metrics: experiment.metrics,
        optimizer: experiment.optimizer(learningRate: settings.learningRate), device: .cpu)
    /// A fit keeps a record of each of its epochs; a few at a time keep that from counting.
    func train(_ epochCount: Int, _ callbacks: [any Callback]) throws {
        try trainer.fit(
            data, batchSize: settings.batchSize, epochs: epochCount, shuffles: settings.shuffles, callbacks: callbacks)
    }

    try train(3, [])
    let (start, first) = (ContinuousClock.now, trainer.step)
    try train(3, [])
    let stepTime = (ContinuousClock.now - start) / .seconds(1) / Double(trainer.step - first)
    let stepCount =
        switch length {
        case .steps(let count): count
        case .hours(let hours): max(1, Int(hours * 3600 / stepTime))
        }
    print(
        "\(stepCount) steps of perceptron (\(settings.batchSize) of \(data.count) samples), "
            + "\(predictionCount) predictions.\n")
    print("| what | done | seconds | resident MiB |\n|---|---|---|---|")
    let training = Samples("training steps", total: stepCount)
    let (end, watcher) = (trainer.step + stepCount, EpochSamples(training, trainer))
    while trainer.step < end { try train(20, [watcher]) }

    let images = data.withoutTargets()
    let image = try Dataset(inputs: images.inputs.map { try Dataset.Column($0.values.rows(0..<1)) })
    let prediction = Samples("predictions", total: predictionCount)
    for number in 1...predictionCount {
        _ = try network.model.predictions(for: image, batchSize: 1, device: .cpu)
        if number % prediction.interval == 0 { try prediction.note(number) }
    }

    print("")
    var isFlat = true
    for (name, samples) in [("training", training), ("prediction", prediction)] {
        let growth = try samples.growth()
        let verdict = growth <= limit ? "flat" : "GROWS"
        if growth > limit { isFlat = false }
        print("\(name): \(verdict): \(mebibytes(growth)) MiB above the first quarter's largest.")
    }
    return isFlat
}

let arguments = CommandLine.arguments
guard arguments.count == 3, let length = Length(arguments[1]), let predictionCount = Int(arguments[2]),
    predictionCount >= 1
else {
    print("usage: Soak STEPS|HOURSh PREDICTIONS (see Benchmarks/soak)")
    exit(2)
}
do {
    // Above what allocators keep back for later, and far below what a leak of a few bytes a step comes to.
    exit(try soak(length, predictionCount: predictionCount, limit: 2 << 20) ? 0 : 1)
} catch {
    print("\(error)")
    exit(1)
}
