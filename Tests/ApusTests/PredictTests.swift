import Apus
import Testing

@Suite struct PredictTests {
    /// y = 2 a + 3 b + 1.
    private func plane() throws -> Model {
        let model = try Sequential(input: [2]) { Dense(1) }
        for entry in model.variables {
            let isKernel = entry.path.hasSuffix("kernel")
            try entry.variable.assign(
                try NDArray(isKernel ? [Float(2), 3] : [Float(1)], shape: entry.variable.shape))
        }
        return model
    }

    @Test func outputsAreComputedForEverySample() throws {
        let samples = try NDArray([Float(0), 0, 1, 0, 0, 1, 1, 1, -1, 2], shape: [5, 2])
        // Batches of two: the last one holds a single sample.
        for batchSize in [1, 2, 5, 100] {
            let result = try plane().predict(samples, batchSize: batchSize)
            #expect(result.shape == [5, 1])
            #expect(result.floats == [1, 3, 4, 6, 5])
        }
    }

    @Test func aSecondPredictionSeesNewWeights() throws {
        let model = try plane()
        let sample = try NDArray([Float(1), 1], shape: [1, 2])
        #expect(try model.predict(sample).floats == [6])
        for entry in model.variables where entry.path.hasSuffix("bias") {
            try entry.variable.assign(NDArray([Float(10)]))
        }
        #expect(try model.predict(sample).floats == [15])
    }

    @Test func bytesAreTakenAsNumbers() throws {
        let samples = try NDArray([UInt8(255), 1], shape: [1, 2])
        #expect(try plane().predict(samples).floats == [514])
    }

    private func text(_ body: () throws -> Void) -> String {
        let error = #expect(throws: ApusError.self) { try body() }
        return error.map { "\($0)" } ?? "no error"
    }

    @Test func noSamplesAreRefused() throws {
        #expect(
            text { _ = try plane().predict(NDArray(zeros: [0, 2])) }
                == "the samples to predict: the number of samples is 0; it must be 1 or more.")
        #expect(
            text { _ = try plane().predictAll([]) }
                == "Dataset: expected at least one input column, received none. "
                + "Cure: give the arrays that feed the network's inputs.")
    }

    @Test func arraysOfUnequalCountsAreRefused() throws {
        let (a, b) = (Tensor.input([2]), Tensor.input([2]))
        let model = try Model(inputs: [a, b], outputs: [a + b])
        #expect(
            text { _ = try model.predictAll([NDArray(zeros: [3, 2]), NDArray(zeros: [0, 2])]) }
                == "Dataset: expected 3 samples in each column, as in input 0, received 0 in input 1. "
                + "Cure: give every column the same number of samples along its first axis.")
    }

    @Test func aMissingBatchAxisIsNamed() throws {
        #expect(
            text { _ = try plane().predict(NDArray(zeros: [2])) }
                == "sequential: input 'input': expected float32[batch, 2], received float32[batch] from 'the samples to "
                + "predict'. Cure: add the batch axis: reshaped(to: [1, 2]) makes one sample of the array.")
    }

    /// Plans are made for a number of threads: devices of other numbers do not share them.
    @Test func devicesOfOtherThreadCountsHaveTheirOwnPlans() throws {
        let model = try plane()
        let sample = try NDArray([Float(1), 1], shape: [1, 2])
        for count in [1, 2, 1, nil] {
            let device = Device(name: "cpu", threadCount: count, compile: Device.cpu.compile)
            #expect(try model.predict(sample, device: device).floats == [6])
        }
        #expect(model.companions.count == 3)
    }

    @Test func severalOutputsComeTogether() throws {
        let input = Tensor.input([2])
        let model = try Model(inputs: [input], outputs: [input + 1, 2 * input], name: "pair")
        let samples = try NDArray([Float(1), 2, 3, 4], shape: [2, 2])
        #expect(try model.predictAll([samples]).map(\.floats) == [[2, 3, 4, 5], [2, 4, 6, 8]])
        let error = #expect(throws: ApusError.self) { try model.predict(samples) }
        #expect(
            error.map { "\($0)" } == "Model 'pair', predict: expected a model of 1 output, received 2 outputs. "
                + "Cure: call predictAll, which gives all of them.")
    }

    @Test func samplesThatDoNotFitAreRefused() throws {
        let model = try plane()
        #expect(throws: ApusError.self) { try model.predict(NDArray(zeros: [4, 3])) }
        #expect(throws: ApusError.self) { try model.predict(NDArray(zeros: [2, 2]), batchSize: 0) }
    }

    @Test func aModelThatHasPredictedIsStillLetGo() throws {
        weak var remembered: Model?
        do {
            let model = try plane()
            _ = try model.predict(NDArray(zeros: [1, 2]))
            remembered = model
        }
        #expect(remembered == nil)
    }
}

@Suite struct DeviceNameTests {
    @Test func theProcessorIsFoundByName() throws {
        #expect(try Device.named("cpu").name == "cpu")
        #expect(try Device.named("CPU").name == "cpu")
    }

    @Test func otherNamesAndThreadCountsAreRefused() {
        let error = #expect(throws: ApusError.self) { try Device.named("cuda") }
        #expect(error.map { "\($0)" } == "Unknown device 'cuda'. Known: cpu.")
        let setting = #expect(throws: ApusError.self) { try Device.named("cpu", threadCount: 0) }
        #expect(setting.map { "\($0)" } == "Device: threadCount is 0; it must be at least 1.")
    }
}
