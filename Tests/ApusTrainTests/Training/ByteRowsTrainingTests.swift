import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusTrain
import Testing

/// Small layers read a data set's bytes where they stand, if the processor has AVX-512 and the steps' threads take all
/// processors; anywhere else the tests hold as well.
@Suite struct ByteRowsTrainingTests {
    private static let (size, scale) = (300, Float(1) / 255)

    private static func model(kernel: Initializer = .uniform(-0.01, 0.01)) throws -> Model {
        try Sequential(input: [size], seed: 4) { Dense(10, activation: .sigmoid, kernelInitializer: kernel) }
    }

    /// Random bytes and what these stand for, with labels in one column of ten.
    private static func images(_ count: Int) throws -> (bytes: Dataset, floats: Dataset) {
        let random = Philox(seed: 6)
        let bytes = (0..<count * size).map { UInt8(truncatingIfNeeded: random.word($0)) }
        let labels = NDArray((0..<count).map { Int32($0 % 10) })
        let shape: Shape = [count, size]
        return (
            try Dataset(inputs: NDArray(bytes, shape: shape), targets: labels, scale: scale)
                .oneHotTargets(classCount: 10),
            try Dataset(inputs: NDArray(bytes.map { Float($0) * scale }, shape: shape), targets: labels)
                .oneHotTargets(classCount: 10)
        )
    }

    /// Batches of 64, and one more of 40 or of 8, which is too small for the loops that read bytes.
    @Test(arguments: [168, 136], [true, false]) func bytesTrainLikeTheirNumbers(count: Int, shuffles: Bool) throws {
        let (bytes, floats) = try Self.images(count)
        func result(_ data: Dataset) throws -> (losses: [Double], weights: [Float], predictions: NDArray) {
            let model = try Self.model()
            let trainer = try Trainer(
                model, loss: .meanSquaredError, metrics: [.accuracy], optimizer: SGD(learningRate: 0.5), device: .cpu)
            let history = try trainer.fit(data, batchSize: 64, epochs: 3, validation: data, shuffles: shuffles)
            return (
                history["loss"] + history["val_loss"], flatWeights(model), try trainer.predict(data, batchSize: 64)[0]
            )
        }
        let (first, second) = (try result(bytes), try result(floats))
        #expect(first.losses.count == 6 && first.losses == second.losses)
        #expect(first.weights == second.weights)
        #expect(first.predictions == second.predictions)
    }

    /// The report of a step that fails holds the numbers of its batch.
    @Test func aFailedStepHoldsNumbers() throws {
        let (bytes, floats) = try Self.images(128)
        let model = try Sequential(input: [Self.size], seed: 4) { Dense(10, kernelInitializer: .constant(1e30)) }
        let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        do {
            try trainer.fit(bytes, batchSize: 64, epochs: 1, shuffles: false)
            Issue.record("no error")
        } catch ApusError.notFinite(let problem) {
            let batch = try #require(problem.failedStep?.batch.first)
            #expect(batch.value.floats == Array(floats.inputs[0].values.floats.prefix(64 * Self.size)))
            #expect(problem.step == 1)
        }
    }

    /// What the loader is told when a runner is made; a team of one that claims all processors.
    @Test(.enabled(if: CPUDescription.current.instructionSet.hasPrefix("AVX-512")), arguments: [168, 136])
    func stepsTakeBytesWhereTheyStand(count: Int) throws {
        let team = ParallelTeam(size: { .max }) { count, _, body, context in body(context, 0, count, 0) }
        let (bytes, floats) = try Self.images(count)
        let trainer = try Trainer(Self.model(), loss: .meanSquaredError, optimizer: SGD(), device: .cpu)
        func areInPlace(_ data: Dataset, for team: ParallelTeam?) throws -> [Bool] {
            let loader = try BatchLoader(data, batchSize: 64, order: .shuffled(seed: 1), for: team)
            let runner = BatchRunner(loader, try trainer.function(for: data, training: true), outputCount: 1)
            runner.loader.start(epoch: 1)
            var found: [Bool] = []
            while let batch = runner.loader.next() { found.append(batch.byteRows[0] != nil) }
            return found
        }
        #expect(try areInPlace(bytes, for: team) == [true, true, count % 64 >= 32])
        #expect(try areInPlace(bytes, for: nil) == [false, false, false])
        #expect(try areInPlace(floats, for: team) == [false, false, false])
    }
}
