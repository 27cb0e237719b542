/// How far a call of `fit` has come.
public struct TrainingProgress: Hashable, Sendable {
    /// The number of epochs before its first one.
    public var initialEpoch = 0
    /// The trainer's steps before its first one.
    public var initialStep = 0
    /// The epoch of the last step, counted from 1; `initialEpoch` before the first.
    public var epoch = 0
    /// The steps of that epoch so far.
    public var stepInEpoch = 0
    /// Whether that epoch has ended, with validation and all callbacks.
    public var epochIsDone = true
    /// Whether a callback has stopped the training.
    public var isStopped = false
    /// Seconds of training so far.
    public var seconds = 0.0

    public init() {}
}

/// When the whole state of a training is at rest; see `Callback.stateDidSettle(_:_:)`.
public enum RestingPoint: Hashable, Sendable {
    /// After a step.
    case step
    /// After an epoch and its validation.
    case epoch
    /// An error is about to end the training; the state is that after the last whole step.
    case failure
}
