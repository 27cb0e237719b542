import ApusCore
import Foundation

/// Hands out a data set's batches, epoch by epoch. A thread of its own gathers, converts and augments the next batches
/// while the caller works on one.
///
///     let loader = try BatchLoader(data, batchSize: 128, order: .shuffled(seed: 7))
///     for epoch in 1...epochCount {
///         loader.start(epoch: epoch)
///         while let batch = loader.next() { train(batch) }
///     }
///
/// After the first epoch has begun, `next()` allocates nothing. An epoch may be left at any batch: begin another, or
/// let go of the loader. Use a loader from one thread at a time.
public final class BatchLoader {
    public let dataset: Dataset
    public let batchSize: Int
    public let order: BatchOrder
    private let producer: BatchProducer
    private let usesThread: Bool
    private let usesTeam: Bool
    /// Whether there is one, where the system has one to give.
    private var hasThread = false

    /// Whether the caller reads an input's samples, in batches of so many, where they stand in the data set.
    package typealias ReadsInPlace = (_ input: Int, _ sampleCount: Int) -> Bool
    /// Asked for each batch that the steps' threads would make: bytes that are read in place are not gathered. Default:
    /// none.
    package var readsInPlace: ReadsInPlace? {
        didSet { if usesTeam { producer.readsInPlace = readsInPlace } }
    }

    /// A loader that stands before the first epoch.
    ///
    /// - Parameters:
    ///   - dataset: The samples.
    ///   - batchSize: Samples a batch, at least 1. The last batch of an epoch holds what is left.
    ///   - order: Default: as the samples stand.
    ///   - augmentation: Random changes of the images. Default none.
    ///   - seed: What the augmentation draws depend on, besides epoch and sample. Default 0.
    ///   - threadCount: How many threads augment a batch, at most. Default: as many as there are processors to run on;
    ///     without augmentation none is needed.
    ///   - usesThread: Whether batches are made ahead by a thread; `false` makes each one when it is asked for, as where
    ///     the system has no thread to give. Default `true`.
    /// - Throws: `ApusError.setting` for a batch size or a thread count below 1, and for an augmentation with a setting
    ///   out of its range; `ApusError.shape` where the data set has nothing that could be augmented.
    public convenience init(
        _ dataset: Dataset, batchSize: Int, order: BatchOrder = .natural, augmentation: [Augmentation] = [],
        seed: UInt64 = 0, threadCount: Int? = nil, usesThread: Bool = true
    ) throws {
        try self.init(
            dataset, batchSize: batchSize, order: order, augmentation: augmentation, seed: seed,
            threadCount: threadCount, usesThread: usesThread, team: nil)
    }

    /// A loader for steps on `team`.
    ///
    /// Where these threads take all processors, a thread of the loader's own only delays them: then batches are made by
    /// the team between two steps, unless they are augmented, which takes too long for that.
    package convenience init(
        _ dataset: Dataset, batchSize: Int, order: BatchOrder = .natural, augmentation: [Augmentation] = [],
        seed: UInt64 = 0, for team: ParallelTeam?
    ) throws {
        let processorCount = HostProcessors.usableCount
        let usesTeam = augmentation.isEmpty && (team.map { $0.size() >= processorCount } ?? false)
        try self.init(
            dataset, batchSize: batchSize, order: order, augmentation: augmentation, seed: seed, threadCount: nil,
            usesThread: !usesTeam, team: usesTeam ? team : nil)
    }

    private init(
        _ dataset: Dataset, batchSize: Int, order: BatchOrder, augmentation: [Augmentation], seed: UInt64,
        threadCount: Int?, usesThread: Bool, team: ParallelTeam?
    ) throws {
        // Only an augmentation asks for threads. To count processors takes longer than to predict one sample.
        let threadCount = threadCount ?? (augmentation.isEmpty ? 1 : HostProcessors.usableCount)
        for (name, value) in [("batchSize", batchSize), ("threadCount", threadCount)] where value < 1 {
            throw ApusError.setting(owner: "BatchLoader", name: name, value: "\(value)", expected: "at least 1")
        }
        self.dataset = dataset
        self.batchSize = batchSize
        self.order = order
        self.usesThread = usesThread
        usesTeam = team != nil
        // Of three one is in use, one is ready and one is being filled.
        producer = try BatchProducer(
            dataset, batchSize: batchSize, order: order, augmentation: augmentation, seed: seed,
            threadCount: threadCount, bufferCount: usesThread ? 3 : 1, team: team)
    }

    deinit { producer.stop() }

    /// Batches an epoch, the smaller last one included.
    public var batchCount: Int { producer.batchCount }

    /// Begins an epoch at its batch number `batch`, from 0; what was left of another epoch is dropped. The batches
    /// before are not made: each is a function of its number.
    public func start(epoch: Int, at batch: Int = 0) {
        producer.begin(epoch: epoch, at: batch)
        hasThread = usesThread && producer.startThread()
    }

    /// The epoch's next batch, or `nil` after its last (and before the first epoch). It waits where the batch is not
    /// ready yet. The batch before it is no longer valid.
    public func next() -> Batch? {
        if !hasThread { producer.produceOne() }
        return producer.takeNext()
    }

    /// Gathers what was left where it stands of the batch that `next()` gave last, which must still be valid.
    package func gatherRest() { producer.gatherRest() }
}
