import ApusCore
import ApusGraph
import ApusNN
import Foundation

/// Writes the descriptions of small models that have every kind of operation between them.
func writeModelSeeds(to folder: URL) throws {
    let dense = try Sequential(input: [3]) {
        Dense(2, activation: .relu, kernelRegularizer: L1L2(l1: 0.1, l2: 0.2))
        Dropout(0.5)
        Dense(2, activation: .softmax)
    }
    let image = try Sequential(input: [6, 6, 2]) {
        Conv2D(2, kernel: 3, kernelInitializer: .heNormal)
        BatchNormalization()
        MaxPool2D(2)
        GlobalAveragePool2D()
    }
    let sequence = try Sequential(input: [3, 2]) {
        LSTM(2, returnsSequences: true)
        GRU(2)
    }
    let words = Tensor.input([3], .int32, name: "words")
    let table = try Embedding(4, 2)(words)
    let code = try Flatten()(table)
    let noise = code + exp(0.5 * code) * .randomNormal(like: code)
    let text = try Model(inputs: [words], outputs: [noise.sum(-1), code], name: "text")
    try text.addLoss(square(code).sum(-1), name: "size")
    let x = Tensor.input([4], name: "x")
    let steady = Variable("steady", value: NDArray([1, .infinity] as [Float]), isTrainable: false)
    let parts = concatenate([x.slice(0..<2, axis: 1), maximum(x.slice(2..<4, axis: 1), steady.tensor)])
    let movement = try Model(
        inputs: [x], outputs: [parts.padded(before: 1, after: 0, axis: 1).argMax(), parts.mean(-1)])
    for (name, model) in [
        ("dense", dense), ("image", image), ("sequence", sequence), ("text", text), ("movement", movement),
    ] as [(String, Model)] {
        try model.descriptionData().write(to: folder.appendingPathComponent(name))
    }
}
