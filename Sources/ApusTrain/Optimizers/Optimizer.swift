import ApusCore
import ApusGraph

/// A rule that turns gradients into new parameters: settings, the state it keeps for each parameter, and one step.
///
/// What is common to all (the walk over the parameters, gradient clipping, weight decay, the state's variables) stands
/// in `Optimizer+Updates.swift`; a rule gives `slots` and `step(_:)`.
public protocol Optimizer: Sendable, Codable {
    /// The step size, as a function of the steps taken.
    var learningRate: Schedule { get }
    /// Decoupled weight decay: before a step a parameter w loses `weightDecay * learningRate * w`. 0 is none.
    var weightDecay: Double { get }
    /// What is done to gradients before they are used; `nil` for nothing.
    var clipping: GradientClipping? { get }
    /// The state for each parameter, of the parameter's shape.
    var slots: [OptimizerSlot] { get }
    /// State that all parameters share: scalars.
    var sharedSlots: [OptimizerSlot] { get }

    /// - Throws: `ApusError.setting` for the first of the rule's own settings that is outside its range.
    func checkSettings() throws
    /// The shared state after a step, given the state before it.
    func sharedStep(_ shared: [Tensor]) -> [Tensor]
    /// One parameter's step.
    func step(_ step: ParameterStep) -> ParameterChange
}

/// A piece of an optimizer's state: its name and what it starts from.
public struct OptimizerSlot: Hashable, Sendable {
    public let name: String
    public let initialValue: Float

    public init(_ name: String, initialValue: Float = 0) {
        self.name = name
        self.initialValue = initialValue
    }
}

/// What a rule is given for one parameter.
public struct ParameterStep {
    /// The parameter's value before the step.
    public let parameter: Tensor
    /// The loss's gradient, after clipping, of the parameter's shape.
    public let gradient: Tensor
    /// The step size, a scalar.
    public let learningRate: Tensor
    /// The parameter's state before the step, in the order of `Optimizer.slots`.
    public let slots: [Tensor]
    /// The shared state after this step, in the order of `Optimizer.sharedSlots`.
    public let shared: [Tensor]
}

/// What a rule answers for one parameter.
public struct ParameterChange {
    /// What is subtracted from the parameter.
    public let decrease: Tensor
    /// The parameter's state after the step, in the order of `Optimizer.slots`.
    public let slots: [Tensor]

    public init(decrease: Tensor, slots: [Tensor] = []) {
        self.decrease = decrease
        self.slots = slots
    }
}

extension Optimizer {
    public var slots: [OptimizerSlot] { [] }
    public var sharedSlots: [OptimizerSlot] { [] }
    public func checkSettings() throws {}
    public func sharedStep(_ shared: [Tensor]) -> [Tensor] { [] }

    /// Its name in messages, as in `Adam`.
    public var name: String { String(describing: Self.self) }

    /// - Throws: `ApusError.setting` unless `0 <= value < 1`.
    public func requireFraction(_ setting: String, _ value: Double) throws {
        try requireSetting(name, setting, value, "from 0 up to, not including, 1") { $0 >= 0 && $0 < 1 }
    }

    /// - Throws: `ApusError.setting` unless `value` is finite and above 0.
    public func requirePositive(_ setting: String, _ value: Double) throws {
        try requireSetting(name, setting, value, "a finite number above 0") { $0 > 0 && $0.isFinite }
    }

    /// - Throws: `ApusError.setting` unless `value` is finite and not negative.
    public func requireNotNegative(_ setting: String, _ value: Double) throws {
        try requireSetting(name, setting, value, "a finite number, 0 or more") { $0 >= 0 && $0.isFinite }
    }
}
