import ApusCore
import ApusGraph
import ApusNN

/// A layer alone in a model, for inputs of these shapes (each without the batch).
func modelOf(_ layer: any Layer, _ shapes: Shape...) throws -> Model {
    let inputs = shapes.enumerated().map { Tensor.input($1, name: "x\($0)") }
    return try Model(inputs: inputs, outputs: [layer.apply(to: inputs, location: SourceLocation("Test.swift", 7))])
}

/// The output of a layer for an input of `shape` and the numbers `x`, with `weights` for its variables in order.
func output(
    _ layer: any Layer, _ shape: Shape, _ x: [Double], weights: [Float]..., mode: Mode = .inference,
    batchSize: Int = 1
) throws -> [Double] {
    let model = try modelOf(layer, shape)
    for (entry, values) in zip(model.variables, weights) {
        try entry.variable.assign(NDArray(values, shape: entry.variable.shape))
    }
    return try evaluate(model.outputs[0], at: model.inputs[0], x, mode: mode, batchSize: batchSize)
}

/// What applying a layer to inputs of these shapes throws, at line 7 of Test.swift; empty where it throws nothing.
func fault(_ layer: any Layer, _ shapes: Shape...) -> String {
    message { _ = try layer.apply(to: shapes.map { .input($0) }, location: SourceLocation("Test.swift", 7)) }
}
