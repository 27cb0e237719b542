import ApusGraph

/// Long short-term memory: besides the hidden state h it carries cells c, guarded by gates.
///
///     i = gate(x Wi + h Ri + bi),   f = gate(x Wf + h Rf + bf),   o = gate(x Wo + h Ro + bo)
///     c' = f c + i activation(x Wg + h Rg + bg),   h' = o activation(c')
///
/// Shapes: input `[batch, steps, features]`; the kernel `[features, 4 units]`, the recurrent kernel
/// `[units, 4 units]` and the bias `[4 units]` hold blocks in the order i, f, g, o; output `[batch, units]`, or
/// `[batch, steps, units]` with `returnsSequences`. Initial state (h and c) and mask: see `RecurrentLayer`. The kernel
/// starts with Glorot's uniform distribution, the recurrent one orthogonal, the bias at 0, but for the forget gate's:
/// at 1.
///
/// Applying it throws as `RecurrentLayer` says.
/// Sources: Hochreiter and Schmidhuber, 1997; Gers, Schmidhuber and Cummins, Learning to forget, 2000; the bias
/// of 1: Jozefowicz, Zaremba and Sutskever, 2015.
public struct LSTM: RecurrentLayer {
    public var name: String?
    /// The size of the state and of the output's last axis, 1 or more.
    public var units: Int
    /// `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`; as is the gates'.
    public var activation: ActivationFunction
    public var gateActivation: ActivationFunction
    public var returnsSequences: Bool
    public var goesBackwards: Bool
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var recurrentInitializer: Initializer
    public var biasInitializer: Initializer
    /// Whether the forget gate's bias starts at 1, whatever `biasInitializer` says.
    public var unitForgetBias: Bool
    public var kernelRegularizer: (any VariableRegularizer)?
    public var recurrentRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?
    /// The probability by which a feature of the inputs is left out in training, in `0..<1`.
    public var dropout: Float

    /// - Parameters:
    ///   - units: the size of the state and of the output's last axis, 1 or more.
    ///   - activation: that of the candidate g and of the cells; `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`.
    ///     Default `.tanh`.
    ///   - gateActivation: one of the same. Default `.sigmoid`.
    ///   - returnsSequences: whether the output has all steps. Default `false`, the last one taken.
    ///   - goesBackwards: whether the last step of a sequence is taken first. Default `false`.
    ///   - usesBias: whether a bias is added. Default `true`.
    ///   - kernelInitializer: the kernel's first values. Default `.glorotUniform`.
    ///   - recurrentInitializer: the recurrent kernel's first values. Default `.orthogonal`.
    ///   - biasInitializer: the bias's first values. Default `.zeros`.
    ///   - unitForgetBias: whether the forget gate's bias starts at 1, whatever `biasInitializer` says. Default
    ///     `true`.
    ///   - kernelRegularizer: what the kernel adds to the loss. Default nothing.
    ///   - recurrentRegularizer: what the recurrent kernel adds to the loss. Default nothing.
    ///   - biasRegularizer: what the bias adds to the loss. Default nothing.
    ///   - dropout: the probability by which a feature of the inputs is set to 0 in training, in `0..<1`, the others
    ///     divided by `1 - dropout`; one decision holds for all steps of a sample. Default 0.
    ///   - name: default: `lstm`, numbered in the order of the model.
    public init(
        _ units: Int, activation: ActivationFunction = .tanh, gateActivation: ActivationFunction = .sigmoid,
        returnsSequences: Bool = false, goesBackwards: Bool = false, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal,
        biasInitializer: Initializer = .zeros, unitForgetBias: Bool = true,
        kernelRegularizer: (any VariableRegularizer)? = nil, recurrentRegularizer: (any VariableRegularizer)? = nil,
        biasRegularizer: (any VariableRegularizer)? = nil, dropout: Float = 0,
        name: String? = nil
    ) {
        self.units = units
        self.activation = activation
        self.gateActivation = gateActivation
        self.returnsSequences = returnsSequences
        self.goesBackwards = goesBackwards
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.recurrentInitializer = recurrentInitializer
        self.biasInitializer = biasInitializer
        self.unitForgetBias = unitForgetBias
        self.kernelRegularizer = kernelRegularizer
        self.recurrentRegularizer = recurrentRegularizer
        self.biasRegularizer = biasRegularizer
        self.dropout = dropout
        self.name = name
    }

    public func build(
        _ sequence: Tensor, initialState: [Tensor], mask: Tensor?, in scope: inout LayerScope
    ) throws -> (output: Tensor, state: [Tensor]) {
        let cell = RecurrentCell(
            .lstm, activation: try scope.cellActivation(activation, "activation"),
            gateActivation: try scope.cellActivation(gateActivation, "gateActivation"))
        let bias = biasInitializer
        let variables = RecurrentVariables(
            units: units, usesBias: usesBias, dropout: dropout, kernelInitializer: kernelInitializer,
            recurrentInitializer: recurrentInitializer,
            biasInitializer: unitForgetBias ? .parts([bias, .ones, bias, bias]) : bias,
            kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
            biasRegularizer: biasRegularizer)
        return try scope.recurrence(
            cell, variables, of: sequence, initialState: initialState, mask: mask, isReversed: goesBackwards,
            returnsSequences: returnsSequences)
    }
}
