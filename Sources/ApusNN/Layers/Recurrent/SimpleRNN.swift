import ApusGraph

/// A fully connected recurrent layer: `h' = activation(x W + h R + b)`.
///
/// Shapes: input `[batch, steps, features]`, kernel `W: [features, units]`, recurrent kernel `R: [units, units]`, bias
/// `b: [units]`; output `[batch, units]`, or `[batch, steps, units]` with `returnsSequences`. Initial state and mask:
/// see `RecurrentLayer`. The kernel starts with Glorot's uniform distribution, the recurrent one orthogonal, the bias
/// at 0. Source: Elman, Finding structure in time, 1990.
public struct SimpleRNN: RecurrentLayer {
    public var name: String?
    /// The size of the state and of the output's last axis, 1 or more.
    public var units: Int
    /// `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`.
    public var activation: ActivationFunction
    public var returnsSequences: Bool
    public var goesBackwards: Bool
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var recurrentInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var recurrentRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?

    public init(
        _ units: Int, activation: ActivationFunction = .tanh, returnsSequences: Bool = false,
        goesBackwards: Bool = false, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        recurrentInitializer: Initializer = .orthogonal, biasInitializer: Initializer = .zeros,
        kernelRegularizer: (any VariableRegularizer)? = nil, recurrentRegularizer: (any VariableRegularizer)? = nil,
        biasRegularizer: (any VariableRegularizer)? = nil, name: String? = nil
    ) {
        self.units = units
        self.activation = activation
        self.returnsSequences = returnsSequences
        self.goesBackwards = goesBackwards
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.recurrentInitializer = recurrentInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.recurrentRegularizer = recurrentRegularizer
        self.biasRegularizer = biasRegularizer
        self.name = name
    }

    public func build(
        _ sequence: Tensor, initialState: [Tensor], mask: Tensor?, in scope: inout LayerScope
    ) throws -> (output: Tensor, state: [Tensor]) {
        let cell = RecurrentCell(.simple, activation: try scope.cellActivation(activation, "activation"))
        let variables = RecurrentVariables(
            units: units, usesBias: usesBias, kernelInitializer: kernelInitializer,
            recurrentInitializer: recurrentInitializer, biasInitializer: biasInitializer,
            kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
            biasRegularizer: biasRegularizer)
        return try scope.recurrence(
            cell, variables, of: sequence, initialState: initialState, mask: mask, isReversed: goesBackwards,
            returnsSequences: returnsSequences)
    }
}
