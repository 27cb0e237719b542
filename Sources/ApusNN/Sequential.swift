import ApusCore
import ApusGraph

/// A model whose layers follow one another.
///
///     let model = try Sequential(input: [28, 28]) {
///         Flatten()
///         Dense(512, activation: .relu)
///         Dense(10, activation: .softmax)
///     }
public final class Sequential: Model {
    /// - Parameters:
    ///   - input: the shape of one sample, sizes of 1 or more, without the batch.
    ///   - elementType: int32 for whole numbers, as `Embedding` takes them.
    ///   - name: `sequential` by default.
    ///   - seed: for the first values of the variables; see `Model.initialize(seed:)`.
    ///   - layers: layers and models, in order; `if` and `for` may stand between them.
    /// - Throws: as `Model` and the layers do.
    public init(
        input: Shape, _ elementType: ElementType = .float32, name: String? = nil, seed: UInt64 = 0,
        @LayerBuilder _ layers: () throws -> [LayerStage]
    ) throws {
        guard input.sizes.allSatisfy({ $0 > 0 }) else {
            throw ApusError.setting(
                owner: "Sequential '\(name ?? "sequential")'", name: "input", value: "\(input.sizes)",
                expected: "the shape of one sample, sizes of 1 or more, without the batch")
        }
        let start = Tensor.input(input, elementType)
        let stages = try layers()
        guard !stages.isEmpty else {
            throw ApusError.setting(
                owner: "Sequential '\(name ?? "sequential")'", name: "layers", value: "[]", expected: "1 or more")
        }
        let end = try stages.reduce(start) { try $1.apply($0) }
        try super.init(inputs: [start], outputs: [end], name: name, seed: seed, kind: "Sequential")
    }
}

/// One step of a `Sequential`: a layer or a model.
public struct LayerStage {
    package let apply: (Tensor) throws -> Tensor
}

/// Collects the layers of a `Sequential`.
@resultBuilder
public enum LayerBuilder {
    public static func buildExpression(
        _ layer: any Layer, fileID: String = #fileID, line: Int = #line
    ) -> [LayerStage] {
        [LayerStage { try layer.apply(to: [$0], location: SourceLocation(fileID, line)) }]
    }
    public static func buildExpression(
        _ model: Model, fileID: String = #fileID, line: Int = #line
    ) -> [LayerStage] {
        [LayerStage { try model.callAsFunction($0, fileID: fileID, line: line) }]
    }
    public static func buildBlock(_ parts: [LayerStage]...) -> [LayerStage] { parts.flatMap { $0 } }
    public static func buildOptional(_ part: [LayerStage]?) -> [LayerStage] { part ?? [] }
    public static func buildEither(first: [LayerStage]) -> [LayerStage] { first }
    public static func buildEither(second: [LayerStage]) -> [LayerStage] { second }
    public static func buildArray(_ parts: [[LayerStage]]) -> [LayerStage] { parts.flatMap { $0 } }
}
