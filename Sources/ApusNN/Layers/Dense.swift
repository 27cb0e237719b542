import ApusCore
import ApusGraph

/// A fully connected layer: `y = activation(x W + b)`.
///
/// Shapes: input `[batch, ..., features]`, kernel `W: [features, units]`, bias `b: [units]`, output
/// `[batch, ..., units]`. The kernel starts with Glorot's uniform distribution, the bias at 0.
///
/// Applying it throws `ApusError.setting` for settings out of range, `ApusError.shape` where there are no features
/// behind the batch.
public struct Dense: UnaryLayer {
    public var name: String?
    /// The size of the output's last axis, 1 or more.
    public var units: Int
    public var activation: ActivationFunction
    public var usesBias: Bool
    public var kernelInitializer: Initializer
    public var biasInitializer: Initializer
    public var kernelRegularizer: (any VariableRegularizer)?
    public var biasRegularizer: (any VariableRegularizer)?

    /// - Parameters:
    ///   - units: The size of the output's last axis, 1 or more.
    ///   - activation: Applied to the sum. Default `.linear`, none.
    ///   - usesBias: Whether a bias is added. Default `true`.
    ///   - kernelInitializer: The kernel's first values. Default `.glorotUniform`.
    ///   - biasInitializer: The bias's first values. Default `.zeros`.
    ///   - kernelRegularizer: What the kernel adds to the loss. Default nothing.
    ///   - biasRegularizer: What the bias adds to the loss. Default nothing.
    ///   - name: Default: `dense`, `dense2`, ... in the order of the model.
    public init(
        _ units: Int, activation: ActivationFunction = .linear, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
        kernelRegularizer: (any VariableRegularizer)? = nil, biasRegularizer: (any VariableRegularizer)? = nil,
        name: String? = nil
    ) {
        self.units = units
        self.activation = activation
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.biasRegularizer = biasRegularizer
        self.name = name
    }

    public func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor {
        try scope.require(units > 0, "units", units, mustBe: "1 or more")
        try scope.require(activation)
        guard input.shape.rank >= 2, input.shape[-1] > 0 else {
            throw scope.mismatch(
                expected: "[batch, ..., features]", received: "\(input.shape)",
                cure: "put the features on the last axis, behind the batch")
        }
        let features = input.shape[-1]
        let kernel = try scope.variable(
            "kernel", shape: [features, units], initializer: kernelInitializer, regularizer: kernelRegularizer)
        let leading = Array(input.shape.sizes.dropLast())
        let rows = leading.reduce(1, *)
        var result = matMul(input.reshaped(to: [rows, features]), kernel)
        if usesBias {
            result =
                try result
                + scope.variable("bias", shape: [units], initializer: biasInitializer, regularizer: biasRegularizer)
        }
        result = try activation(result).checked()
        return result.reshaped(to: Shape(leading + [result.shape[-1]]))
    }
}

extension LayerScope {
    /// Throws where a setting of `activation`, which the layer has as its `words`, makes no sense.
    func require(_ activation: ActivationFunction, words: String = "activation") throws {
        if let problem = activation.problem {
            try require(false, "the \(words)'s \(problem.name)", problem.value, mustBe: problem.expected)
        }
    }
}
