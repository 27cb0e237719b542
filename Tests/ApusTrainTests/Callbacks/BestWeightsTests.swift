import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusTrain
import Foundation
import Testing

@Suite struct BestWeightsTests {
    /// w goes half of the way to 2 each epoch: 1, 1.5, 1.75. Validation wants 1.5, so the second epoch is the best.
    private func run(_ callback: BestWeights) throws -> Model {
        let model = try line()
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        try trainer.fit(pairs([(1, 2)]), epochs: 3, validation: pairs([(1, 1.5)]), callbacks: [callback])
        return model
    }

    @Test func keepsTheBestInMemory() throws {
        let callback = BestWeights()
        let model = try run(callback)
        #expect(callback.bestEpoch == 2 && callback.bestValue == 0)
        #expect(callback.weights.map(\.path) == ["dense/kernel"] && callback.weights.map(\.value.floats) == [[1.5]])
        #expect(flatWeights(model) == [1.75])
        try callback.restore(to: model)
        #expect(flatWeights(model) == [1.5])
        #expect(
            errorText { try callback.restore(to: quadrantModel()) }
                == "sequential: BestWeights: expected the variables of the model that was trained, received "
                + "dense/kernel, dense/bias, dense2/kernel, dense2/bias. "
                + "Cure: give the model that was trained, or one with the same layers.")
    }

    @Test func writesTheBestToAFile() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("best-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        let model = try run(BestWeights(to: url))
        try model.loadWeights(from: url)
        #expect(flatWeights(model) == [1.5])
    }

    @Test func aFileThatCannotBeWrittenEndsTheTrainingWithItsPath() {
        let text = errorText { _ = try run(BestWeights(to: URL(fileURLWithPath: "/no/such/folder/best.safetensors"))) }
        #expect(text.hasPrefix("/no/such/folder"))
    }
}
