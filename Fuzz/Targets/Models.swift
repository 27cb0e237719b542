import ApusCore
import ApusGraph
import ApusNN
import ApusPlan
import Foundation

extension FuzzTarget {
    package static let json = FuzzTarget("json", longestInput: 512) { bytes in
        let value = try JSONValue(parsing: bytes)
        precondition(value == value && value.integer ?? 0 <= .max)
    }

    package static let safetensors = FuzzTarget("safetensors", longestInput: 1_024) { bytes in
        let file = try Safetensors.read(Data(bytes), path: "FILE")
        // Written again, the same arrays come back.
        for (_, value) in file.tensors { use(value) }
        precondition(Set(file.tensors.map(\.name)).count == file.tensors.count)
    }

    /// A model's description: what is accepted can be printed, written, traced with any batch size, differentiated and
    /// planned.
    package static let modelDescription = FuzzTarget("model-description", longestInput: 8_192) { bytes in
        let model = try Model(description: Data(bytes), path: "FILE", memoryLimit: 1 << 16)
        _ = model.summary(expandsModels: true)
        let data = try model.descriptionData()
        let copy = try Model(description: data, path: "COPY", memoryLimit: 1 << 16)
        let again = try copy.descriptionData()
        precondition(again == data, "a description changes when it is read")
        for batchSize in [1, 3] {
            let trace = try Trace(inputs: model.inputs, outputs: model.roots, mode: .inference, batchSize: batchSize)
            _ = Plan(trace.graph)
        }
        guard model.roots.count <= 4, model.parameters.count <= 16 else { return }
        let losses = model.roots.filter { $0.elementType == .float32 }.map { $0.sum() }
        guard let first = losses.first else { return }
        let loss = losses.dropFirst().reduce(model.regularization.map { $0 + first } ?? first, +)
        let gradients = try gradient(of: loss, withRespectTo: model.parameters.map(\.tensor))
        let trace = try Trace(
            inputs: model.inputs, outputs: [loss] + gradients, mode: .training, batchSize: 2)
        _ = Plan(trace.graph)
    }
}
