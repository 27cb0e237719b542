import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain

/// `y = w x` with one number each, and w = `start`.
func line(start: Float = 0) throws -> Model {
    try Sequential(input: [1]) { Dense(1, usesBias: false, kernelInitializer: .constant(start)) }
}

/// Pairs of numbers as inputs and targets.
func pairs(_ values: [(Float, Float)], weights: [Float]? = nil, name: String = "pairs") throws -> Dataset {
    let shape: Shape = [values.count, 1]
    return try Dataset(
        inputs: NDArray(values.map(\.0), shape: shape), targets: NDArray(values.map(\.1), shape: shape),
        sampleWeights: weights.map { NDArray($0) }, name: name)
}

/// Points in the plane, each with the number of its quadrant: 0 where x y > 0, else 1.
func quadrants(_ count: Int, seed: UInt64 = 5) throws -> Dataset {
    let random = Philox(seed: seed)
    let points = (0..<2 * count).map { 2 * random.uniform($0) - 1 }
    let labels = (0..<count).map { points[2 * $0] * points[2 * $0 + 1] > 0 ? 0 : 1 }
    return try Dataset(inputs: points, inputShape: [2], labels: labels, name: "quadrants")
}

func quadrantModel(dropout: Float = 0) throws -> Model {
    try Sequential(input: [2], seed: 3) {
        Dense(16, activation: .tanh)
        Dropout(dropout)
        Dense(2, activation: .softmax)
    }
}

/// The weights of all variables, one after another.
func flatWeights(_ model: Model) -> [Float] { model.variables.flatMap { $0.variable.value.floats } }

/// Writes down what it is told.
final class Recorder: Callback {
    var events: [String] = []
    var steps: [StepRecord] = []
    var records: [EpochRecord] = []
    private let stopsAfter: Int?
    private let name: String
    private let log: (String) -> Void

    init(_ name: String = "", stopsAfter: Int? = nil, log: @escaping (String) -> Void = { _ in }) {
        (self.name, self.stopsAfter, self.log) = (name, stopsAfter, log)
    }

    private func note(_ event: String) {
        events.append(event)
        log(name + event)
    }

    func trainingWillStart(_ training: Training) { note("start") }
    func epochWillStart(_ epoch: Int, _ training: Training) { note("epoch \(epoch)") }
    func stepDidEnd(_ step: StepRecord, _ training: Training) {
        steps.append(step)
        note("step \(step.step)")
    }
    func epochDidEnd(_ record: EpochRecord, _ training: Training) -> TrainingDecision {
        records.append(record)
        note("end of \(record.epoch)")
        return record.epoch == stopsAfter ? .stop : .continue
    }
    func trainingDidEnd(_ history: History, _ training: Training) { note("end") }
    func trainingDidFail(_ error: any Error, _ training: Training) { note("failure") }
}
