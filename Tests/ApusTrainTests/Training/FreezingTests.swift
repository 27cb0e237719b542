import ApusCPU
import ApusCore
import ApusData
import ApusGraph
import ApusNN
import ApusPlan
import ApusTrain
import Testing

/// Layers that are frozen and freed while a trainer lives, and the running averages that a trainer writes.
@Suite struct FreezingTests {
    /// `y = (x - mean) / sqrt(variance + epsilon)`, and the layer's variables: running mean and variance.
    private func normalized(epsilon: Double) throws -> (model: Model, trunk: Model) {
        let trunk = try Sequential(input: [1], name: "trunk") {
            BatchNormalization(momentum: 0.5, epsilon: epsilon, usesCenter: false, usesScale: false)
        }
        let x = Tensor.input([1])
        let head = Dense(1, usesBias: false, kernelInitializer: .ones)
        return (try Model(inputs: [x], outputs: [head(trunk(x))]), trunk)
    }

    private func values(_ model: Model) -> [Float] { flatWeights(model) }

    /// By hand: 1 and 5 have the mean 3 and the variance 4, 9 alone 9 and 0. From 0 and 1 with momentum 1/2: 1.5 and
    /// 2.5, then 5.25 and 1.25, and after another epoch 4.125 and 2.625, 6.5625 and 1.3125.
    @Test func runningAveragesOfATrainerByHand() throws {
        let (model, trunk) = try normalized(epsilon: 1)
        let trainer = try Trainer(
            model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0), device: .cpu)
        let data = try pairs([(1, 0), (5, 0), (9, 0)])
        try trainer.fit(data, batchSize: 2, epochs: 1, shuffles: false, maxSteps: 1)
        #expect(values(trunk) == [1.5, 2.5])
        try trainer.fit(pairs([(9, 0)]), batchSize: 2, epochs: 1, shuffles: false)
        #expect(values(trunk) == [5.25, 1.25])
        try trainer.fit(data, batchSize: 2, epochs: 1, shuffles: false)
        #expect(values(trunk) == [6.5625, 1.3125])
        // Evaluation uses them and leaves them: (9 - 6.5625) / sqrt(2.3125), squared.
        let loss = try trainer.evaluate(pairs([(9, 0)]))["loss"] ?? .nan
        #expect(isClose([loss], [2.4375 * 2.4375 / 2.3125], tolerance: 1e-6))
        #expect(values(trunk) == [6.5625, 1.3125])
    }

    /// By hand: after two steps of 1 and 5 the averages are 2.25 and 3.25, and sqrt(3.25 + 0.75) = 2. Frozen, the layer
    /// makes -0.625 and 1.375 of them, of which the mean square is 1.140625; free, -2 and 2 over sqrt(4.75).
    @Test func aFrozenNormalizationUsesItsAverages() throws {
        let (model, trunk) = try normalized(epsilon: 0.75)
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0), device: .cpu)
        let data = try pairs([(1, 0), (5, 0)])
        func loss() throws -> Double {
            try trainer.fit(data, epochs: 1).epochs.first?.training["loss"] ?? .nan
        }
        let free = try loss()
        _ = try loss()
        #expect(isClose([free], [4 / 4.75], tolerance: 1e-6))
        #expect(values(trunk) == [2.25, 3.25])
        trunk.isTrainable = false
        #expect(isClose([try loss()], [1.140625], tolerance: 1e-6))
        #expect(values(trunk) == [2.25, 3.25])
        trunk.isTrainable = true
        #expect(isClose([try loss()], [4 / 4.75], tolerance: 1e-6))
        #expect(values(trunk) == [2.625, 3.625])
    }

    /// `y = b a x` with a in the trunk.
    private func twoFactors() throws -> (model: Model, trunk: Model) {
        let trunk = try Sequential(input: [1], name: "trunk") {
            Dense(1, usesBias: false, kernelInitializer: .constant(2), kernelRegularizer: L2(0.5))
        }
        let x = Tensor.input([1])
        let head = Dense(1, usesBias: false, kernelInitializer: .constant(1))
        return (try Model(inputs: [x], outputs: [head(trunk(x))]), trunk)
    }

    /// By hand, x = 1, target 1, rate 1/4, momentum 1/2, penalty a^2 / 2: at a = 2, b = 1 the answer is 2, the slopes are
    /// 2 b + a = 4 and 2 a = 4, so a = 1 with velocity -1, b = 0 with velocity -1. Frozen, a stays, and is no part of the
    /// loss: the answer is 0, b's slope -2, its velocity -0.5 + 0.5, so b = 0. Free again, a's slope is a = 1 (b is 0):
    /// its velocity -0.5 - 0.25, so a = 0.25; b's is 0 + 0.5.
    @Test func parametersKeepTheirStateWhileFrozen() throws {
        let (model, trunk) = try twoFactors()
        let trainer = try Trainer(
            model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25, momentum: 0.5), device: .cpu)
        let data = try pairs([(1, 1)])
        func loss() throws -> Double { try trainer.fit(data, epochs: 1).epochs.first?.training["loss"] ?? .nan }
        #expect(try loss() == 3)
        #expect(values(model) == [1, 0])
        trunk.isTrainable = false
        #expect(try trainer.evaluate(data)["loss"] == 1)
        #expect(try loss() == 1)
        #expect(values(model) == [1, 0])
        trunk.isTrainable = true
        #expect(try trainer.evaluate(data)["loss"] == 1.5)
        #expect(try loss() == 1.5)
        #expect(values(model) == [0.25, 0.5])
    }

    /// What is frozen when the trainer is made can be freed.
    @Test func aTrunkThatIsFreedLater() throws {
        let (model, trunk) = try twoFactors()
        trunk.isTrainable = false
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: Adam(learningRate: 0.5), device: .cpu)
        try trainer.fit(pairs([(1, 1)]), epochs: 3)
        #expect(values(trunk) == [2])
        trunk.isTrainable = true
        try trainer.fit(pairs([(1, 1)]), epochs: 1)
        #expect(values(trunk) != [2])
        model.isTrainable = false
        let before = values(model)
        try trainer.fit(pairs([(1, 1)]), epochs: 1)
        #expect(values(model) == before)
    }

    /// A freeze during an epoch counts from the next `fit` on, also for the last batch, whose size is met later.
    @Test func whatAFunctionIsMadeOfStays() throws {
        final class Freezer: Callback {
            let model: Model
            init(_ model: Model) { self.model = model }
            func stepDidEnd(_ step: StepRecord, _ training: Training) { model.isTrainable = false }
        }
        let data = try pairs([(1, 0), (5, 0), (9, 0)])
        let (model, trunk) = try normalized(epsilon: 1)
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0), device: .cpu)
        try trainer.fit(data, batchSize: 2, epochs: 1, shuffles: false, callbacks: [Freezer(trunk)])
        #expect(!trunk.isTrainable && values(trunk) == [5.25, 1.25])
        try trainer.fit(data, batchSize: 2, epochs: 1, shuffles: false)
        #expect(values(trunk) == [5.25, 1.25])
        // A function keeps to what was frozen when it was made.
        trunk.isTrainable = true
        let function = try Function(inputs: model.inputs, outputs: model.outputs, mode: .training, device: .cpu)
        trunk.isTrainable = false
        _ = try function(NDArray([Float(7)], shape: [1, 1]))
        #expect(values(trunk) == [6.125, 0.625])
    }
}
