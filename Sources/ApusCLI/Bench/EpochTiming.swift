import Apus
import ApusExperiments

/// Times whole epochs of a training, samples in memory as bytes: shuffled and augmented as the experiment has it,
/// gathered, converted, trained on. After each epoch as many steps are timed whose batch is ready, so that what the
/// pipeline costs is a ratio of neighbours.
final class EpochTiming: Callback {
    private let step: TrainingStep
    private let benchmark: Benchmark
    private let batchSize: Int
    private let stepCount: Int
    private var epochStart = ContinuousClock.now
    /// Milliseconds of an epoch, and of its steps alone; without the first epoch, which warms up.
    private var times: [(epoch: Double, steps: Double)] = []

    /// Steps an epoch: as many as MNIST gives, fewer where steps take long.
    private static let stepCounts = ["cnn": 100, "lstm": 100, "lstm-hard-sigmoid": 100, "cam": 20]
    private static let mostSteps = 468
    /// Epochs are measured for so long, but at least so many.
    private static let (seconds, epochCount) = (2.0, 3)

    struct Result {
        /// Milliseconds a step of the best epoch.
        var epoch: Double
        /// Milliseconds a step of the best steps alone.
        var steps: Double
        /// The median of an epoch's time over that of the steps after it.
        var ratio: Double
        var stepCount: Int
    }

    init(_ workload: any Workload, batchSize: Int, device: Device, precision: Precision) throws {
        step = try TrainingStep(workload, batchSize: batchSize, device: device, precision: precision)
        benchmark = Benchmark(step)
        self.batchSize = batchSize
        stepCount = Self.stepCounts[workload.name] ?? Self.mostSteps
    }

    func measure() throws -> Result {
        try step.trainer.fit(
            samples(), batchSize: batchSize, epochs: 1_000_000, shuffles: step.workload.defaults.shuffles,
            augmentation: (step.workload as? any Experiment)?.augmentation ?? [], callbacks: [self])
        let count = Double(stepCount)
        let ratios = times.map { $0.epoch / $0.steps }.sorted()
        return Result(
            epoch: (times.map(\.epoch).min() ?? 0) / count, steps: (times.map(\.steps).min() ?? 0) / count,
            ratio: (ratios[(ratios.count - 1) / 2] + ratios[ratios.count / 2]) / 2, stepCount: stepCount)
    }

    /// Random bytes and labels.
    private func samples() throws -> Dataset {
        let (count, random) = (stepCount * batchSize, Philox(seed: 0, stream: 0))
        let images = NDArray(shape: Shape([count] + step.workload.imageShape.sizes)) {
            (values: UnsafeMutableBufferPointer<UInt8>) in
            for place in values.indices { values[place] = UInt8(truncatingIfNeeded: random.word(place)) }
        }
        let labels = (0..<count).map { Int32(random.uniform($0) * 10) }
        return try step.workload.prepare(Dataset(inputs: images, targets: NDArray(labels), scale: 1 / 255))
    }

    func epochWillStart(_ epoch: Int, _ training: Training) { epochStart = .now }

    func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        let epoch = (ContinuousClock.now - epochStart) / .milliseconds(1)
        let steps = try benchmark.milliseconds(stepCount: stepCount) * Double(stepCount)
        if record.epoch > 1 { times.append((epoch, steps)) }
        let isLongEnough = times.reduce(0) { $0 + $1.epoch } >= Self.seconds * 1_000
        return isLongEnough && times.count >= Self.epochCount ? .stop : .continue
    }
}
