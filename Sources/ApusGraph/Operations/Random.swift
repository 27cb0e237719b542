import ApusCore

/// Random numbers: element `i` is number `i` of Philox with the run's seed and step and this operation's stream.
///
/// Each use in a graph has a stream of its own, given when the graph is traced.
package struct Random: OperationRule {
    package enum Distribution: Hashable, Sendable, Codable {
        /// On [0, 1).
        case uniform
        /// Mean 0, deviation 1.
        case normal
        /// 1 with the probability, else 0.
        case bernoulli(probability: Float)
    }

    package var distribution: Distribution
    package var shape: Shape
    package var stream: UInt32 = 0

    package init(distribution: Distribution, shape: Shape, stream: UInt32 = 0) {
        self.distribution = distribution
        self.shape = shape
        self.stream = stream
    }

    package var name: String {
        switch distribution {
        case .uniform: "randomUniform"
        case .normal: "randomNormal"
        case .bernoulli: "randomBernoulli"
        }
    }
    package var settings: String {
        if case .bernoulli(let probability) = distribution { return "probability: \(probability), stream: \(stream)" }
        return "stream: \(stream)"
    }
    package func resultType(of inputs: [TensorType]) throws -> TensorType { TensorType(shape) }
    package func specialized(batchSize: Int) -> Operation {
        .random(Random(distribution: distribution, shape: shape.specialized(batchSize: batchSize), stream: stream))
    }
    package func gradients(_ context: GradientContext) -> [Tensor?] { [] }
    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        let philox = Philox(seed: context.seed, stream: stream, step: UInt64(truncatingIfNeeded: context.step))
        let indices = 0..<shape.elementCount
        return switch distribution {
        case .uniform: ReferenceArray(shape, indices.map { Scalar(philox.uniform($0)) })
        case .normal: ReferenceArray(shape, indices.map { Scalar(philox.normal($0)) })
        case .bernoulli(let probability):
            ReferenceArray(shape, indices.map { Scalar(philox.bernoulli($0, probability: probability)) })
        }
    }
    package func flopCount(inputs: [TensorType], output: TensorType) -> Int { output.shape.elementCount }
}

extension Tensor {
    /// Numbers from the uniform distribution on [0, 1), new ones each step.
    public static func randomUniform(_ shape: Shape) -> Tensor {
        Tensor(.random(Random(distribution: .uniform, shape: shape)), [])
    }
    /// Numbers from the normal distribution with mean 0 and deviation 1, new ones each step.
    public static func randomNormal(_ shape: Shape) -> Tensor {
        Tensor(.random(Random(distribution: .normal, shape: shape)), [])
    }
    /// 1 with `probability`, else 0, new ones each step.
    public static func randomBernoulli(_ shape: Shape, probability: Float) -> Tensor {
        Tensor(.random(Random(distribution: .bernoulli(probability: probability), shape: shape)), [])
    }
    /// As `randomUniform(_:)`, in the shape of `other`.
    public static func randomUniform(like other: Tensor) -> Tensor { other.asError ?? randomUniform(other.shape) }
    /// As `randomNormal(_:)`, in the shape of `other`.
    public static func randomNormal(like other: Tensor) -> Tensor { other.asError ?? randomNormal(other.shape) }
    /// As `randomBernoulli(_:probability:)`, in the shape of `other`.
    public static func randomBernoulli(like other: Tensor, probability: Float) -> Tensor {
        other.asError ?? randomBernoulli(other.shape, probability: probability)
    }

    private var asError: Tensor? { node.failure == nil ? nil : self }
}
