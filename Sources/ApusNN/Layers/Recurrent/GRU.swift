import ApusGraph

/// A gated recurrent unit, with the reset gate behind the product (Keras' `reset_after`, and PyTorch's form):
///
///     z = gate(x Wz + h Rz + bz),   r = gate(x Wr + h Rr + br)
///     n = activation(x Wn + bn + r (h Rn + cn)),   h' = z h + (1 - z) n
///
/// Shapes: input `[batch, steps, features]`; the kernel `[features, 3 units]`, the recurrent kernel
/// `[units, 3 units]`, the bias b and the recurrent bias c, `[3 units]` each, hold blocks in the order z, r, n; output
/// `[batch, units]`, or `[batch, steps, units]` with `returnsSequences`. Initial state and mask: see `RecurrentLayer`.
/// The kernel starts with Glorot's uniform distribution, the recurrent one orthogonal, biases at 0.
///
/// Applying it throws as `RecurrentLayer` says.
/// Source: Cho and others, Learning phrase representations using RNN encoder-decoder, 2014.
public struct GRU: RecurrentLayer {
    public var name: String?
    /// The size of the state and of the output's last axis, 1 or more.
    public var units: Int
    /// The candidate's: `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`; as is the gates'.
    public var activation: ActivationFunction
    public var gateActivation: ActivationFunction
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
    ///   - activation: the candidate's; `linear`, `relu`, `sigmoid`, `hardSigmoid` or `tanh`. Default `.tanh`.
    ///   - gateActivation: one of the same. Default `.sigmoid`.
    ///   - returnsSequences: whether the output has all steps. Default `false`, the last one taken.
    ///   - goesBackwards: whether the last step of a sequence is taken first. Default `false`.
    ///   - usesBias: whether a bias is added, to inputs and to products. Default `true`.
    ///   - kernelInitializer: the kernel's first values. Default `.glorotUniform`.
    ///   - recurrentInitializer: the recurrent kernel's first values. Default `.orthogonal`.
    ///   - biasInitializer: the bias's first values. Default `.zeros`.
    ///   - kernelRegularizer: what the kernel adds to the loss. Default nothing.
    ///   - recurrentRegularizer: what the recurrent kernel adds to the loss. Default nothing.
    ///   - biasRegularizer: what each bias adds to the loss. Default nothing.
    ///   - dropout: the probability by which a feature of the inputs is set to 0 in training, in `0..<1`, the others
    ///     divided by `1 - dropout`; one decision holds for all steps of a sample. Default 0.
    ///   - name: default: `gru`, numbered in the order of the model.
    public init(
        _ units: Int, activation: ActivationFunction = .tanh, gateActivation: ActivationFunction = .sigmoid,
        returnsSequences: Bool = false, goesBackwards: Bool = false, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal,
        biasInitializer: Initializer = .zeros, kernelRegularizer: (any VariableRegularizer)? = nil,
        recurrentRegularizer: (any VariableRegularizer)? = nil, biasRegularizer: (any VariableRegularizer)? = nil,
        dropout: Float = 0,
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
            .gru, activation: try scope.cellActivation(activation, "activation"),
            gateActivation: try scope.cellActivation(gateActivation, "gateActivation"))
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
