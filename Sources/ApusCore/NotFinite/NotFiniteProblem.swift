/// A number that should be finite and is not: what, when, and where it came up first.
public struct NotFiniteProblem: Hashable, Sendable {
    /// What is not finite, as in `loss`, `gradient of 'dense/kernel'`.
    public var quantity: String
    /// The step, counted from 1.
    public var step: Int
    /// The training's epoch, counted from 1; `nil` outside trainings.
    public var epoch: Int?
    /// Where it came up first, in words, if that was found.
    public var origin: String?
    /// What a second run of the step, with every operation checked, has found.
    public var report: NotFiniteReport?
    /// What it takes to run the step again.
    public var failedStep: FailedStep?

    public init(
        quantity: String, step: Int, origin: String? = nil, epoch: Int? = nil, report: NotFiniteReport? = nil,
        failedStep: FailedStep? = nil
    ) {
        self.quantity = quantity
        self.step = step
        self.origin = origin
        self.epoch = epoch
        self.report = report
        self.failedStep = failedStep
    }
}

/// A step as it was before it failed.
public struct FailedStep: Hashable, Sendable {
    /// The key of its random numbers.
    public var seed: UInt64
    /// The batch: inputs, targets and sample weights by name.
    public var batch: [NamedArray]
    /// The batch's samples by their places in the data set; empty where there is none.
    public var sampleIndices: [Int]
    /// All variables by path, with their values from before the step.
    public var variables: [NamedArray]

    public init(seed: UInt64, batch: [NamedArray], sampleIndices: [Int], variables: [NamedArray]) {
        self.seed = seed
        self.batch = batch
        self.sampleIndices = sampleIndices
        self.variables = variables
    }
}

/// An array and its name.
public struct NamedArray: Hashable, Sendable {
    public var name: String
    public var value: NDArray

    public init(_ name: String, _ value: NDArray) {
        self.name = name
        self.value = value
    }
}

extension ApusError {
    /// A quantity that is not finite at `step` (counted from 1).
    package static func notFinite(
        quantity: String, step: Int, origin: String? = nil, epoch: Int? = nil
    ) -> ApusError {
        .notFinite(NotFiniteProblem(quantity: quantity, step: step, origin: origin, epoch: epoch))
    }
}
