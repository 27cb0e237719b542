import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusPlan
import ApusTrain

/// A short training with everything that has a state: shuffled and augmented images, dropout, batch normalisation,
/// callbacks with memory. Three steps an epoch, the last of them smaller.
struct CheckpointRun {
    var optimizer: any Optimizer = Adam(learningRate: 0.05)
    var epochs = 4
    var maxSteps: Int?
    var batchSize = 8
    var shuffles = true
    var seed: UInt64 = 8
    var precision = Precision.float32

    static let stepsPerEpoch = 3

    static func images(_ count: Int, seed: UInt64) throws -> Dataset {
        let random = Philox(seed: seed)
        return try Dataset(
            inputs: NDArray((0..<count * 16).map { random.uniform($0) }, shape: [count, 4, 4]),
            targets: NDArray((0..<count).map { Int32(random.uniform(10_000 + $0) * 2) }), name: "images")
    }

    static func model() throws -> Model {
        try Sequential(input: [4, 4], seed: 3) {
            Flatten()
            Dense(6)
            BatchNormalization()
            Activation(.tanh)
            Dropout(0.25)
            Dense(2, activation: .softmax)
        }
    }

    func trainer() throws -> Trainer {
        try Trainer(
            Self.model(), loss: .sparseCategoricalCrossentropy, metrics: [.accuracy], optimizer: optimizer,
            device: .cpu, precision: precision, seed: seed)
    }

    /// Callbacks with memory, as new.
    static func callbacks() -> [any Callback] {
        [
            ReduceOnPlateau(factor: 0.5, patience: 1, cooldown: 1), BestWeights(), BestWeights(monitor: "accuracy"),
            EarlyStopping(patience: 2, restoresBestWeights: true),
        ]
    }

    @discardableResult
    func fit(
        _ trainer: Trainer, with callbacks: [any Callback], resumingFrom checkpoint: Checkpoint? = nil
    ) throws -> History {
        try trainer.fit(
            Self.images(20, seed: 1), batchSize: batchSize, epochs: epochs, validation: Self.images(6, seed: 2),
            shuffles: shuffles, augmentation: [.horizontalFlip(), .brightness(-0.2...0.2)], callbacks: callbacks,
            maxSteps: maxSteps, resumingFrom: checkpoint)
    }
}

/// Takes a checkpoint whenever it can.
final class CheckpointTaker: Callback {
    var checkpoints: [Checkpoint] = []
    let stopsAtStep: Int?

    struct Stopped: Error {}

    init(stopsAtStep: Int? = nil) { self.stopsAtStep = stopsAtStep }

    func stateDidSettle(_ point: RestingPoint, _ training: Training) throws {
        checkpoints.append(try training.checkpoint())
        if point == .step, training.stepsDone == stopsAtStep { throw Stopped() }
    }
}

/// All of a checkpoint but the seconds.
struct TimelessCheckpoint: Hashable {
    let step: Int
    let progress: TrainingProgress
    let records: [[Figure]]
    let model: [Checkpoint.Entry]
    let optimizer: [Checkpoint.Entry]
    let sums: [UInt64]
    let callbacks: [String: CallbackState]
    let settings: [String: String]

    init(_ checkpoint: Checkpoint) {
        step = checkpoint.step
        var progress = checkpoint.progress
        progress.seconds = 0
        self.progress = progress
        records = timeless(checkpoint.history)
        (model, optimizer) = (checkpoint.model, checkpoint.optimizer)
        sums = checkpoint.sums.map(\.bitPattern)
        callbacks = checkpoint.callbacks
        settings = checkpoint.settings
    }
}

/// All figures of a history but the seconds.
func timeless(_ history: History) -> [[Figure]] { history.epochs.map { $0.columns.filter { $0.name != "seconds" } } }
