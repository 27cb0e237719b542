import ApusCore
import ApusData
import Testing

@Suite struct DatasetTargetsTests {
    @Test func oneHotVectors() throws {
        let data = try DatasetTests.six().prefix(3).oneHotTargets(classCount: 4)
        #expect(data.targets[0].values.shape == [3, 4])
        #expect(data.targets[0].values.floats == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])
        #expect(data.labels == nil)
    }

    @Test func labelsOutOfRangeAreNamed() throws {
        let data = try DatasetTests.six()
        #expect(
            message { _ = try data.oneHotTargets(classCount: 2) }
                == "six: sample 2 has label 2, but labels go from 0 to 1. "
                + "Check the file, or give the last layer as many units as there are classes.")
        let negative = try Dataset(inputs: [1], inputShape: [1], labels: [-1])
        #expect(throws: ApusError.label(-1, index: 0, classCount: 5, source: "data")) {
            try negative.checkLabels(classCount: 5)
        }
        #expect(
            message { try data.withoutTargets().checkLabels(classCount: 3) }
                == "six: expected labels as the first target, int32 of shape [6], received no target. "
                + "Cure: give the class of each sample as a whole number.")
    }

    @Test func classWeightsMultiplySampleWeights() throws {
        let data = try DatasetTests.six().prefix(3)
        #expect(try data.weighted(byClass: [1: 0.5, 2: 4]).sampleWeights?.floats == [1, 0.5, 4])
        let twice = try data.weighted(byClass: [1: 0.5]).weighted(byClass: [0: 3, 1: 3])
        #expect(twice.sampleWeights?.floats == [3, 1.5, 1])
        let oneHot = try data.oneHotTargets(classCount: 3)
        #expect(try oneHot.weighted(byClass: [1: 0.5, 2: 4]).sampleWeights?.floats == [1, 0.5, 4])
        #expect(
            message { _ = try data.weighted(byClass: [1: -1]) }
                == "six: the weight of class 1 is -1.0; it must be a finite number that is not negative.")
        #expect(message { _ = try data.withoutTargets().weighted(byClass: [0: 2]) }.contains("no target"))
        #expect(
            message { _ = try data.weighted(byClass: [-1: 1, 2: 1]) }
                == "six: a class with a weight is -1; it must be 0 or more.")
        #expect(
            message { _ = try data.weighted(byClass: [1: .nan]) }
                == "six: the weight of class 1 is nan; it must be a finite number that is not negative.")
    }

    /// One number a sample is the class itself, whatever its type.
    @Test func classWeightsOfSingleNumbers() throws {
        for targets in [NDArray([Float(1), 0]), try NDArray([UInt8(1), 0], shape: [2, 1])] {
            let data = try Dataset(inputs: NDArray(zeros: [2, 1]), targets: targets)
            #expect(try data.weighted(byClass: [1: 5]).sampleWeights?.floats == [5, 1])
        }
        let data = try Dataset(inputs: NDArray(zeros: [2, 1]), targets: NDArray([Float(1), 0.5]))
        #expect(
            message { _ = try data.weighted(byClass: [1: 5]) }
                == "data: the class of sample 1 is 0.5; it must be a whole number.")
    }

    @Test func labelsBeyond32Bits() {
        #expect(
            message { _ = try Dataset(inputs: [0, 0], inputShape: [1], labels: [3, 1_000_000_000_000], name: "p") }
                == "p: the label of sample 1 is 1000000000000; it must be a class's number, from 0 on.")
    }

    @Test func sampleShapesBeyondCounting() {
        #expect(
            message { _ = try Dataset(inputs: [0], inputShape: [1 << 62, 4], targets: [0], name: "p") }
                == "Dataset: expected a shape of one sample's inputs, sizes of 1 or more, received "
                + "[4611686018427387904, 4]. Cure: leave the batch axis out.")
    }

    @Test func targetsCanBeExchanged() throws {
        let data = try DatasetTests.six()
        #expect(data.withInputsAsTargets().targets == data.inputs)
        #expect(data.withoutTargets().targets.isEmpty)
        #expect(throws: ApusError.self) { try data.withTargets([Dataset.Column(NDArray([1] as [Float]))]) }
    }

    @Test func inputsTakeAnotherShape() throws {
        let images = try Dataset(inputs: NDArray((0..<8).map { UInt8($0) }, shape: [2, 2, 2]), scale: 0.5)
        let vectors = try images.reshapingInputs(to: [4])
        #expect(vectors.inputs[0].values.shape == [2, 4])
        #expect(vectors.inputs[0].scale == 0.5)
        #expect(
            message { _ = try images.reshapingInputs(to: [3]) }
                == "reshapingInputs(to:): expected a shape of 4 elements, as in [2, 2], received [3]. "
                + "Cure: keep the number of elements of a sample.")
    }
}
