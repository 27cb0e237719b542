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
                } else if column.values.shape.sizes == Array(wanted.shape.sizes.dropFirst()) {
                    "add the batch axis: reshaped(to: \([1] + column.values.shape.sizes)) makes one sample of the array"
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

    /// - Throws: `ApusError.shape` unless the data set has a target for each output; where the loss takes labels,
    ///   `ApusError.label` for one that is no class, and `ApusError.setting` for one that is no whole number; where it
    ///   takes probabilities, for a target that is none.
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
        try checkTargetRanges(of: dataset, loss: loss)
        guard case .sparseCategoricalCrossentropy = loss?.kind else { return }
        for (output, column) in zip(outputs, dataset.targets) {
            // Predictions that are no scores for classes are the loss's to report.
            guard output.shape.rank >= 2, let classCount = output.shape.sizes.last, classCount > 1 else { continue }
            try column.checkLabels(classCount: classCount, source: column.name.isEmpty ? dataset.name : column.name)
        }
    }

    /// The entropies of targets below 0, or of answers beyond 1, go down for ever as predictions get worse. (One-hot
    /// targets may be larger, to count more.)
    private func checkTargetRanges(of dataset: Dataset, loss: Loss?) throws {
        guard let loss else { return }
        let (range, words): (ClosedRange<Float>, String)
        switch loss.kind {
        case .binaryCrossentropy: (range, words) = (0...1, "from 0 to 1")
        case .categoricalCrossentropy: (range, words) = (0...Float.infinity, "0 or more")
        default: return
        }
        for column in dataset.targets {
            guard let (value, index) = column.firstValue(outside: range) else { continue }
            throw ApusError.setting(
                owner: column.name.isEmpty ? dataset.name : column.name, name: "a target of sample \(index)",
                value: "\(value)",
                expected: "\(words) for \(loss.name): scale the data, bytes by 1/255, or take another "
                    + "loss")
        }
    }

    /// - Throws: `ApusError.setting` for a weight of a class that the model's first output does not have.
    func checkClassWeights(_ classWeights: [Int: Float]) throws {
        let shape = outputs[0].shape
        // One number a sample says yes or no.
        let classCount = shape.rank >= 2 && shape[-1] > 1 ? shape[-1] : 2
        guard let wrong = classWeights.keys.filter({ !(0..<classCount).contains($0) }).min() else { return }
        throw ApusError.setting(
            owner: "fit", name: "a class of classWeights", value: "\(wrong)", expected: "from 0 to \(classCount - 1)")
    }
}

extension Dataset.Column {
    /// Checks that every value, as a batch has it, is one of `classCount` classes.
    fileprivate func checkLabels(classCount: Int, source: String) throws {
        let numbers =
            values.elementType == .int32 ? values.doubles : values.floats.map { Double($0 * scale) }
        let wrong = numbers.firstIndex { !($0 >= 0 && $0 < Double(classCount) && $0 == $0.rounded()) }
        guard let wrong else { return }
        let index = wrong / max(sampleShape.elementCount, 1)
        if let label = Int(exactly: numbers[wrong]) {
            throw ApusError.label(label, index: index, classCount: classCount, source: source)
        }
        throw ApusError.setting(
            owner: source, name: "the label of sample \(index)", value: "\(numbers[wrong])",
            expected: "a whole number from 0 to \(classCount - 1)")
    }

    /// The first value outside `range`, as a batch has it, and its sample. What is no number is reported in training.
    fileprivate func firstValue(outside range: ClosedRange<Float>) -> (value: Float, sample: Int)? {
        // Products of scales are rounded.
        let (low, high) = (range.lowerBound - 1e-5, range.upperBound + 1e-5)
        func first<Number>(_: Number.Type, _ converted: (Number) -> Float) -> (value: Float, sample: Int)? {
            values.withUnsafeBytes { bytes in
                let place = bytes.bindMemory(to: Number.self).firstIndex {
                    let value = converted($0) * scale
                    return value < low || value > high
                }
                return place.map {
                    (converted(bytes.bindMemory(to: Number.self)[$0]) * scale, $0 / max(sampleShape.elementCount, 1))
                }
            }
        }
        switch values.elementType {
        case .uint8: return scale >= 0 && 255 * scale <= high ? nil : first(UInt8.self) { Float($0) }
        case .int32: return first(Int32.self) { Float($0) }
        case .float32: return first(Float.self) { $0 }
        case .float64: return first(Double.self) { Float($0) }
        }
    }

    /// The type of its values in a batch of open size.
    var batchType: TensorType { TensorType(Shape([-1] + sampleShape.sizes), batchElementType) }
}
