import ApusCore

extension Dataset {
    /// The class of each sample, where the first target holds labels (int32 `[n]`).
    public var labels: [Int32]? {
        guard let target = targets.first?.values, target.elementType == .int32, target.shape.rank == 1 else {
            return nil
        }
        return target.values()
    }

    /// Checks that every label is one of `classCount` classes.
    /// - Throws: `ApusError.label` for the first that is not, `ApusError.shape` where the first target holds no labels.
    public func checkLabels(classCount: Int) throws { _ = try checkedLabels(classCount: classCount) }

    /// The same samples with one-hot vectors, float32 `[n, classCount]`, in place of the labels.
    /// - Throws: As `checkLabels(classCount:)`.
    public func oneHotTargets(classCount: Int) throws -> Dataset {
        let labels = try checkedLabels(classCount: classCount)
        let vectors = NDArray(shape: [count, classCount]) { (values: UnsafeMutableBufferPointer<Float>) in
            for (index, label) in labels.enumerated() { values[index * classCount + Int(label)] = 1 }
        }
        return replacing(targets: [targets[0].replacing(values: vectors)] + targets.dropFirst())
    }

    /// The same samples, each with its weight multiplied by that of its class. A class that is not named has 1.
    ///
    /// Classes are labels, of any element type, or the places of the largest numbers of one-hot vectors.
    /// - Throws: `ApusError.shape` where the first target holds neither; `ApusError.setting` for a class below 0, for a
    ///   weight that is negative or not finite, and for a label that is no whole number.
    public func weighted(byClass classWeights: [Int: Float]) throws -> Dataset {
        for (label, weight) in classWeights.sorted(by: { $0.key < $1.key }) where !(weight >= 0 && weight.isFinite) {
            throw ApusError.setting(
                owner: name, name: "the weight of class \(label)", value: "\(weight)",
                expected: "a finite number that is not negative")
        }
        if let wrong = classWeights.keys.filter({ $0 < 0 }).min() {
            throw ApusError.setting(
                owner: name, name: "a class with a weight", value: "\(wrong)", expected: "0 or more")
        }
        let classes = try sampleClasses()
        let old = sampleWeights?.floats
        let weights = classes.enumerated().map { index, label in
            (old?[index] ?? 1) * (classWeights[label] ?? 1)
        }
        return replacing(sampleWeights: .some(NDArray(weights)))
    }

    /// The same samples with other targets.
    /// - Throws: `ApusError.shape` where a target has another number of samples.
    public func withTargets(_ targets: [Column]) throws -> Dataset {
        try Dataset(
            inputs: inputs, targets: targets, sampleWeights: sampleWeights, name: name, source: source,
            checksums: checksums)
    }

    /// The same samples with no targets: for networks that bring their own loss.
    public func withoutTargets() -> Dataset { replacing(targets: []) }

    /// The same samples with the inputs as targets: for autoencoders.
    public func withInputsAsTargets() -> Dataset { replacing(targets: inputs) }

    /// The same samples with every input in another shape: `[784]` makes vectors of images of `[28, 28]`.
    /// - Parameter sampleShape: The shape of one sample.
    /// - Throws: `ApusError.shape` where the number of elements of a sample differs.
    public func reshapingInputs(to sampleShape: Shape) throws -> Dataset {
        let columns = try inputs.map { column in
            guard !sampleShape.isSymbolic, Shape.product(of: sampleShape.sizes) == column.sampleShape.elementCount
            else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "reshapingInputs(to:)",
                        expected: "a shape of \(column.sampleShape.elementCount) elements, as in \(column.sampleShape)",
                        received: "\(sampleShape)", cure: "keep the number of elements of a sample"))
            }
            return column.replacing(values: try column.values.reshaped(to: Shape([count] + sampleShape.sizes)))
        }
        return replacing(inputs: columns)
    }

    private func checkedLabels(classCount: Int) throws -> [Int32] {
        guard let labels else { throw targetProblem(expected: "labels as the first target, int32 of shape [\(count)]") }
        if let index = labels.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
            let source = targets[0].name.isEmpty ? name : targets[0].name
            throw ApusError.label(Int(labels[index]), index: index, classCount: classCount, source: source)
        }
        return labels
    }

    private func sampleClasses() throws -> [Int] {
        if let target = targets.first, target.sampleShape.elementCount == 1 {
            return try target.values.doubles.enumerated().map { index, value in
                let number = value * Double(target.scale)
                guard let label = Int(exactly: number) else {
                    throw ApusError.setting(
                        owner: name, name: "the class of sample \(index)", value: "\(number)",
                        expected: "a whole number")
                }
                return label
            }
        }
        guard let target = targets.first, target.values.shape.rank == 2, target.sampleShape[0] > 0 else {
            throw targetProblem(expected: "labels or one-hot vectors as the first target")
        }
        let (values, classCount) = (target.values.floats, target.sampleShape[0])
        return (0..<count).map { sample in
            let scores = values[sample * classCount..<(sample + 1) * classCount]
            return (scores.indices.max { scores[$0] < scores[$1] } ?? scores.startIndex) - scores.startIndex
        }
    }

    private func targetProblem(expected: String) -> ApusError {
        let received =
            targets.first.map { "\($0.values.elementType.rawValue) of shape \($0.values.shape)" } ?? "no target"
        return ApusError.shape(
            ShapeProblem(
                operation: name, expected: expected, received: received,
                cure: "give the class of each sample as a whole number"))
    }
}
