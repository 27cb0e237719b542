import ApusCore
import ApusData
import Testing

@Suite struct DatasetTests {
    /// Samples 0...5: pairs (2i, 2i + 1), labels i % 3.
    static func six() throws -> Dataset {
        try Dataset(
            inputs: (0..<12).map { Float($0) }, inputShape: [2], labels: [0, 1, 2, 0, 1, 2], name: "six")
    }

    @Test func countsSamplesAlongTheFirstAxis() throws {
        let data = try Self.six()
        #expect(data.count == 6)
        #expect(data.inputs[0].sampleShape == [2])
        #expect(data.labels == [0, 1, 2, 0, 1, 2])
        #expect(data.targets[0].batchElementType == .int32)
        #expect(data.inputs[0].batchElementType == .float32)
        let single = try Dataset(inputs: [1, 2, 3, 4], inputShape: [2], targets: [5, 6])
        #expect(single.targets[0].values.shape == [2, 1])
    }

    @Test func partsKeepInputsTargetsAndWeightsTogether() throws {
        let data = try Dataset(
            inputs: Self.six().inputs, targets: Self.six().targets,
            sampleWeights: NDArray([1, 2, 3, 4, 5, 6] as [Float]))
        let (first, rest) = try data.split(at: 4)
        #expect(first.count == 4 && rest.count == 2)
        #expect(rest.inputs[0].values.floats == [8, 9, 10, 11])
        #expect(rest.labels == [1, 2])
        #expect(rest.sampleWeights?.floats == [5, 6])
        let picked = try data.subset([5, 0, 5])
        #expect(picked.inputs[0].values.floats == [10, 11, 0, 1, 10, 11])
        #expect(picked.labels == [2, 0, 2])
        #expect(picked.sampleWeights?.floats == [6, 1, 6])
    }

    @Test func partsAtTheEdges() throws {
        let data = try Self.six()
        #expect(data.prefix(0).isEmpty)
        #expect(data.prefix(100).count == 6)
        #expect(data.prefix(-1).count == 0)
        #expect(data.dropFirst(6).isEmpty)
        #expect(data.dropFirst().count == 5)
        #expect(try data.split(fraction: 0.5).first.count == 3)
        #expect(try data.split(fraction: 0).first.isEmpty)
        #expect(try data.split(fraction: 1).rest.isEmpty)
        #expect(try data.subset([]).isEmpty)
        #expect(
            message { _ = try data.split(fraction: 1.5) }
                == "six: the fraction to split off is 1.5; it must be from 0 to 1.")
        #expect(message { _ = try data.split(fraction: .nan) } != "")
        #expect(message { _ = try data.split(at: 7) } == "six: the place to split at is 7; it must be from 0 to 6.")
        #expect(message { _ = try data.subset([0, 6]) } == "six: subset index 1 is 6; it must be from 0 to 5.")
    }

    @Test func shufflingIsAFunctionOfTheSeed() throws {
        let data = try Self.six()
        let mixed = data.shuffled(seed: 3)
        #expect(mixed.inputs[0].values == data.shuffled(seed: 3).inputs[0].values)
        #expect(mixed.inputs[0].values != data.shuffled(seed: 4).inputs[0].values)
        #expect(mixed.inputs[0].values.floats.sorted() == data.inputs[0].values.floats)
        // A sample's label moves with it: sample i begins with 2i and has label i % 3.
        let firsts = stride(from: 0, to: 12, by: 2).map { mixed.inputs[0].values.floats[$0] }
        #expect(mixed.labels == firsts.map { Int32($0) / 2 % 3 })
    }

    @Test func refusesWhatDoesNotFit() throws {
        #expect(
            message { _ = try Dataset(inputs: [1, 2, 3], inputShape: [2], labels: [0]) }
                == "Dataset: expected a multiple of 2 numbers for inputs of shape [2], received 3. "
                + "Cure: give every sample all of its numbers.")
        #expect(
            message { _ = try Dataset(inputs: [1, 2, 3, 4], inputShape: [2], labels: [0]) }
                == "Dataset: expected 2 samples in each column, as in input 0, received 1 in target 0. "
                + "Cure: give every column the same number of samples along its first axis.")
        #expect(
            message { _ = try Dataset(inputs: [Dataset.Column]()) }
                == "Dataset: expected at least one input column, received none. "
                + "Cure: give the arrays that feed the network's inputs.")
        #expect(message { _ = try Dataset(inputs: NDArray(scalar: 1 as Float)) }.contains("a single number"))
        #expect(message { _ = try Dataset(inputs: [1], inputShape: [-1], labels: [0]) } != "")
        let pair = NDArray([1, 2] as [Float])
        #expect(
            message { _ = try Dataset(inputs: pair, sampleWeights: NDArray([1] as [Float])) }
                == "Dataset: expected sample weights of shape [2], received [1]. Cure: give one weight for each sample."
        )
        for wrong in [-1, Float.nan, .infinity] {
            #expect(
                message { _ = try Dataset(inputs: pair, sampleWeights: NDArray([1, wrong])) }
                    == "Dataset: sampleWeights[1] is \(wrong); it must be a finite number that is not negative.")
        }
        #expect(
            message { _ = try Dataset.Column(NDArray([1] as [Int32]), scale: 2) }
                == "Dataset.Column: scale is 2.0; it must be 1 for int32 values, which stay whole.")
        #expect(message { _ = try Dataset.Column(pair, scale: .infinity) } != "")
    }

    @Test func doublesBecomeFloats() throws {
        #expect(try Dataset(inputs: NDArray([0.5, 0.25])).inputs[0].values == NDArray([0.5, 0.25] as [Float]))
    }
}
