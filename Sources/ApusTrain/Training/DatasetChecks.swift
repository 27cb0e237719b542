import ApusCore
import ApusData
import ApusGraph
import ApusNN

// Whether data fit a model, before anything runs.

extension Model {
    /// - Throws: `ApusError.shape` where the data set's inputs are not the model's, `ApusError.setting` where it is
    ///   empty.
    func checkInputs(of dataset: Dataset) throws {
        guard !dataset.isEmpty else {
            throw ApusError.setting(
                owner: dataset.name, name: "the number of samples", value: "0", expected: "1 or more")
        }
        guard dataset.inputs.count == inputs.count else {
            throw ApusError.shape(
                ShapeProblem(
                    layer: name, operation: "inputs", expected: "\(inputs.count) input columns",
                    received: "\(dataset.inputs.count) in '\(dataset.name)'",
                    cure: "give the data set one input column for each input of the model"))
        }
        for (input, column) in zip(inputs, dataset.inputs) {
            let (wanted, given) = (input.type, column.batchType)
            guard wanted != given else { continue }
            let cure =
                if wanted.elementType != given.elementType {
                    "convert the values to \(wanted.elementType.rawValue)"
                } else if wanted.shape.elementCount == given.shape.elementCount {
                    "use reshapingInputs(to: \(Shape(Array(wanted.shape.sizes.dropFirst())))) of the data set, "
                        + "or a Reshape layer"
                } else {
                    "give the model the input shape \(column.sampleShape)"
                }
            throw ApusError.shape(
                ShapeProblem(
                    layer: name, operation: "input '\(input.inputName)'", expected: "\(wanted)",
                    received: "\(given) from '\(dataset.name)'", cure: cure))
        }
    }

    /// - Throws: `ApusError.shape` unless the data set has a target for each output, `ApusError.label` for a label that
    ///   is no class where the loss takes labels.
    func checkTargets(of dataset: Dataset, loss: Loss?) throws {
        guard dataset.targets.count == outputs.count else {
            throw ApusError.shape(
                ShapeProblem(
                    layer: name, operation: "targets", expected: "\(outputs.count) target columns, one for each output",
                    received: "\(dataset.targets.count) in '\(dataset.name)'",
                    cure: dataset.targets.isEmpty
                        ? "give the data set targets (withInputsAsTargets() for an autoencoder)"
                        : "give one target column for each output of the model"))
        }
        guard case .sparseCategoricalCrossentropy = loss?.kind else { return }
        for (output, column) in zip(outputs, dataset.targets) {
            // Predictions that are no scores for classes are the loss's to report.
            guard output.shape.rank >= 2, let classCount = output.shape.sizes.last, classCount > 1 else { continue }
            let perSample = max(column.sampleShape.elementCount, 1)
            let labels = column.values.converted(to: .int32)
            try labels.withUnsafeBytes { bytes in
                let labels = bytes.assumingMemoryBound(to: Int32.self)
                guard let place = labels.firstIndex(where: { $0 < 0 || $0 >= classCount }) else { return }
                throw ApusError.label(
                    Int(labels[place]), index: place / perSample, classCount: classCount,
                    source: column.name.isEmpty ? dataset.name : column.name)
            }
        }
    }
}

extension Dataset.Column {
    /// The type of its values in a batch of open size.
    var batchType: TensorType { TensorType(Shape([-1] + sampleShape.sizes), batchElementType) }
}
