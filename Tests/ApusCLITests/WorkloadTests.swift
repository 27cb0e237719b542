import Apus
import ApusExperiments
import ApusTestSupport
import Testing

@Suite struct WorkloadTests {
    /// Counted by hand, kernels and biases, and what batch normalisation keeps:
    /// - wide-n: 784 n + n, n n + n, 10 n + 10;
    /// - convolution-n: 27 n + n, twice 9 n n + n, three times 4 n, 10 n + 10;
    /// - gru: in both directions 28 * 384 + 128 * 384 + 2 * 384, then 256 * 10 + 10;
    /// - resnet20: kernels 432, 6 * 2304, 4608 + 5 * 9216, 18432 + 5 * 36864, shortcuts 512 and 2048; normalisation
    ///   4 * (7 * 16 + 7 * 32 + 7 * 64), the shortcuts' included; 650;
    /// - transformer: 28 * 128 + 128; in each block four products of 128 * 128 + 128, 128 * 256 + 256, 256 * 128 + 128,
    ///   two normalisations of 256; 1290.
    @Test(arguments: [
        ("wide-100", 78_500 + 10_100 + 1_010), ("wide-1000", 785_000 + 1_001_000 + 10_010),
        ("convolution-48", 1_344 + 2 * 20_784 + 576 + 490), ("convolution-200", 5_600 + 2 * 360_200 + 2_400 + 2_010),
        ("gru", 2 * (10_752 + 49_152 + 768) + 2_570),
        ("resnet20", 432 + 13_824 + 50_688 + 202_752 + 2_560 + 3_136 + 650),
        ("transformer", 3_712 + 2 * (66_048 + 33_024 + 32_896 + 512) + 1_290),
    ]) func parametersAreThese(_ name: String, _ count: Int) throws {
        #expect(try Workloads.named(name).network(seed: 0).model.parameterCount == count)
    }

    @Test func namesAreAllDifferentAndKnown() throws {
        #expect(Set(Workloads.all.map(\.name)).count == Workloads.all.count)
        let error = #expect(throws: ApusError.self) { try Workloads.named("resnet2") }
        #expect("\(try #require(error))".contains("resnet20"))
    }

    /// A few steps on samples of their own classes lower the loss.
    @Test(arguments: ["wide-100", "convolution-48", "gru", "resnet20", "transformer"])
    func lossFalls(_ name: String) throws {
        let workload = try Workloads.named(name)
        let (count, size) = (16, workload.imageShape.elementCount)
        let random = Philox(seed: 1)
        let images = try Dataset(
            inputs: NDArray(
                (0..<count * size).map { UInt8(truncatingIfNeeded: random.word($0) % 256) },
                shape: Shape([count] + workload.imageShape.sizes)),
            targets: NDArray((0..<count).map { Int32($0 % 10) }, shape: [count]), scale: 1 / 255)
        let network = try workload.network(seed: 1)
        let trainer = try Trainer(
            network.model, loss: network.loss, metrics: workload.metrics,
            optimizer: workload.optimizer(learningRate: workload.defaults.learningRate / 10), device: .cpu)
        let history = try trainer.fit(workload.prepare(images), batchSize: count, epochs: 12)
        let losses = history.epochs.compactMap(\.training["loss"])
        let (first, last) = (try #require(losses.first), try #require(losses.last))
        #expect(last < first, "\(losses)")
    }
}
