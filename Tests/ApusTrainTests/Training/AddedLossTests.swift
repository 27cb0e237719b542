import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusTrain
import Testing

/// Losses that a model adds, before and after its trainer is made.
@Suite struct AddedLossTests {
    /// y = w x from w = 1, x = 1 and t = 1: the loss is 0, and its gradient too. With 3 w x added the loss is 3 and the
    /// gradient 3: a rate of 0.25 takes w to 0.25.
    @Test func aLossThatComesAfterTheTrainerCounts() throws {
        let model = try line(start: 1)
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        let data = try pairs([(1, 1)])
        try trainer.fit(data, epochs: 1)
        #expect(flatWeights(model) == [1])
        try model.addLoss(3 * model.outputs[0].sum(-1))
        #expect(try trainer.evaluate(data)["loss"] == 3)
        try trainer.fit(data, epochs: 1)
        #expect(flatWeights(model) == [0.25])
    }

    @Test func aLossThatBringsVariablesAfterTheTrainerIsRefused() throws {
        let model = try line(start: 1)
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        try model.addLoss(Dense(1, usesBias: false, name: "critic")(model.outputs[0]).mean())
        #expect(
            errorText { try trainer.fit(pairs([(1, 1)]), epochs: 1) }
                == "Trainer: variable 'critic/kernel' is newer than the trainer; it must be in the model when its trainer "
                + "is made: make the trainer after adding the loss.")
        #expect(trainer.step == 0)
    }

    /// The noise of a loss has a stream of its own: the model's noise stays what it is without the loss.
    @Test func theNoiseOfALossLeavesTheModelsNoiseAlone() throws {
        func weights(withLoss: Bool) throws -> [UInt32] {
            let model = try quadrantModel(dropout: 0.5)
            if withLoss { try model.addLoss(0 * Tensor.randomNormal(like: model.outputs[0]).sum(-1)) }
            let trainer = try Trainer(
                model, loss: .sparseCategoricalCrossentropy, optimizer: SGD(learningRate: 0.1), device: .cpu, seed: 4)
            try trainer.fit(quadrants(40), batchSize: 16, epochs: 2)
            return flatWeights(model).map(\.bitPattern)
        }
        #expect(try weights(withLoss: true) == weights(withLoss: false))
    }
}
