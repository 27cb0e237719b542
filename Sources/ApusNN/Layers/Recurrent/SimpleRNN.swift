import ApusGraph

/// A fully connected recurrent layer: `h' = activation(x W + h R + b)`.
///
/// Shapes: input `[batch, steps, features]`, kernel `W: [features, units]`, recurrent kernel `R: [units, units]`, bias
/// `b: [units]`; output `[batch, units]`, or `[batch, steps, units]` with `returnsSequences`. Initial state and mask:
/// see `RecurrentLayer`. The kernel starts with Glorot's uniform distribution, the recurrent one orthogonal, the bias
/// at 0.
///
/// Applying it throws as `RecurrentLayer` says.
/// Source: Elman, Finding structure in time, 1990.
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
    /// The probability by which a feature of the inputs is left out in training, in `0..<1`.
    public var dropout: Float

    /// - Parameters:
    ///   - units: the size of the state and of the output's last axis, 1 or more.
    ///   - activation: the sum's; `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`. Default `.tanh`.
    ///   - returnsSequences: whether the output has all steps. Default `false`, the last one taken.
    ///   - goesBackwards: whether the last step of a sequence is taken first. Default `false`.
    ///   - usesBias: whether a bias is added. Default `true`.
    ///   - kernelInitializer: the kernel's first values. Default `.glorotUniform`.
    ///   - recurrentInitializer: the recurrent kernel's first values. Default `.orthogonal`.
    ///   - biasInitializer: the bias's first values. Default `.zeros`.
    ///   - kernelRegularizer: what the kernel adds to the loss. Default nothing.
    ///   - recurrentRegularizer: what the recurrent kernel adds to the loss. Default nothing.
    ///   - biasRegularizer: what the bias adds to the loss. Default nothing.
    ///   - dropout: the probability by which a feature of the inputs is set to 0 in training, in `0..<1`, the others
    ///     divided by `1 - dropout`; one decision holds for all steps of a sample. Default 0.
    ///   - name: default: `simpleRNN`, numbered in the order of the model.
    public init(
        _ units: Int, activation: ActivationFunction = .tanh, returnsSequences: Bool = false,
        goesBackwards: Bool = false, usesBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
        recurrentInitializer: Initializer = .orthogonal, biasInitializer: Initializer = .zeros,
        kernelRegularizer: (any VariableRegularizer)? = nil, recurrentRegularizer: (any VariableRegularizer)? = nil,
        biasRegularizer: (any VariableRegularizer)? = nil, dropout: Float = 0,
        name: String? = nil
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
        self.dropout = dropout
        self.name = name
    }

    public func build(
        _ sequence: Tensor, initialState: [Tensor], mask: Tensor?, in scope: inout LayerScope
    ) throws -> (output: Tensor, state: [Tensor]) {
        let cell = RecurrentCell(.simple, activation: try scope.cellActivation(activation, "activation"))
        let variables = RecurrentVariables(
            units: units, usesBias: usesBias, dropout: dropout, kernelInitializer: kernelInitializer,
            recurrentInitializer: recurrentInitializer, biasInitializer: biasInitializer,
            kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
            biasRegularizer: biasRegularizer)
        return try scope.recurrence(
            cell, variables, of: sequence, initialState: initialState, mask: mask, isReversed: goesBackwards,
            returnsSequences: returnsSequences)
    }
}
