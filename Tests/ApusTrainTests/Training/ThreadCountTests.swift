import Apus
import ApusCore
import ApusTestSupport
import Foundation
import Testing

/// What a training is given does not depend on the number of threads: the order of the data, what augmentation makes of
/// them, and random numbers.
@Suite struct ThreadCountTests {
    @Test func batchesAreTheSame() throws {
        let random = Philox(seed: 99)
        let bytes = (0..<300 * 16 * 16 * 3).map { UInt8(truncatingIfNeeded: random.word($0)) }
        let data = try Dataset(
            inputs: [Dataset.Column(NDArray(bytes, shape: [300, 16, 16, 3]), scale: 1 / 255)],
            targets: [Dataset.Column(NDArray((0..<300).map { Int32($0 % 10) }))]
        ).oneHotTargets(classCount: 10)
        func epochs(threadCount: Int) throws -> [[UInt32]] {
            let loader = try BatchLoader(
                data, batchSize: 128, order: .shuffled(seed: 5),
                augmentation: [.horizontalFlip(), .rotation(degrees: -20...20), .crop(padding: 2), .mixup(alpha: 0.4)],
                seed: 5, threadCount: threadCount, usesThread: threadCount > 1)
            var words: [[UInt32]] = []
            for epoch in 1...2 {
                loader.start(epoch: epoch)
                while let batch = loader.next() {
                    words.append(batch.sampleIndices.map { UInt32(bitPattern: $0) })
                    for (address, size) in [(batch.inputs[0], 16 * 16 * 3), (batch.targets[0], 10)] {
                        let count = batch.sampleCount * size
                        let numbers = UnsafeBufferPointer(
                            start: address.assumingMemoryBound(to: UInt32.self), count: count)
                        words.append(Array(numbers))
                    }
                }
            }
            return words
        }
        let one = try epochs(threadCount: 1)
        #expect(one.count == 2 * 3 * 3)
        for count in [2, 3] { #expect(try epochs(threadCount: count) == one) }
    }

    /// 100,000 numbers of each kind: enough to be shared among threads.
    @Test func randomNumbersAreTheSame() throws {
        let before = CPUDescription.current.threadCount
        defer { Device.cpu(threadCount: before).prepare() }
        func numbers(threadCount: Int) throws -> [NDArray] {
            let device = Device.cpu(threadCount: threadCount)
            let x = Tensor.input([500])
            let dropped = try Dropout(0.3)(x)
            let noisy = try GaussianNoise(0.5)(x)
            let function = try Function(
                inputs: [x], outputs: [.randomNormal(like: x), .randomUniform([-1, 500]), dropped, noisy],
                mode: .training, seed: 3, device: device)
            _ = try function(NDArray(repeating: 1 as Float, shape: [200, 500]))
            return try function(NDArray(repeating: 1 as Float, shape: [200, 500]))
        }
        let one = try numbers(threadCount: 1)
        for count in [2, 3] { #expect(try numbers(threadCount: count) == one) }
        #expect(Set(one).count == 4)
    }
}

extension Device {
    /// Makes its number of threads the process's.
    fileprivate func prepare() { _ = try? Function(inputs: [], outputs: [.constant(1) + 1], device: self)([]) }
}
