import ApusCore
import Foundation

/// A ring of batch buffers between the thread that fills them and the caller that uses them.
///
/// Batch `i` of an epoch lives in buffer `i % bufferCount`. `produced` batches are filled, `consumed` are given back;
/// the buffer of batch `consumed` may be in the caller's hands. All that both sides touch is guarded by `condition`,
/// except the buffers and the order, which belong to the producer from `isBusy` on until the batch is announced.
final class BatchProducer: @unchecked Sendable {
    let batchCount: Int
    private let sampleCount: Int
    private let batchSize: Int
    private let order: BatchOrder
    private let buffers: [BatchBuffers]
    private let indices: UnsafeMutableBufferPointer<Int32>
    private let augmenter: Augmenter?
    /// Only where no thread of the producer's runs.
    var readsInPlace: BatchLoader.ReadsInPlace?

    private let condition = NSCondition()
    private var epoch: Int?
    /// Whether the order of the epoch's samples is yet to be made.
    private var needsOrder = false
    private var produced = 0
    private var consumed = 0
    private var isHeld = false
    private var isBusy = false
    private var isStopping = false
    private var threadRuns = false

    init(
        _ dataset: Dataset, batchSize: Int, order: BatchOrder, augmentation: [Augmentation], seed: UInt64,
        threadCount: Int, bufferCount: Int, team: ParallelTeam? = nil
    ) throws {
        sampleCount = dataset.count
        self.batchSize = min(batchSize, max(dataset.count, 1))
        self.order = order
        batchCount = (dataset.count + self.batchSize - 1) / self.batchSize
        let weights = try dataset.sampleWeights.map { try Dataset.Column($0) }
        augmenter =
            augmentation.isEmpty
            ? nil : try Augmenter(augmentation, dataset, weights: weights, seed: seed, threadCount: threadCount)
        let size = self.batchSize
        buffers = (0..<min(bufferCount, max(batchCount, 1))).map { _ in
            BatchBuffers(for: dataset, weights: weights, batchSize: size, team: team)
        }
        indices = .allocate(capacity: dataset.count)
    }

    deinit { indices.deallocate() }

    // MARK: The caller's side

    /// Sets the ring to batch `first` of `epoch`, as soon as a batch that is being filled is done.
    func begin(epoch: Int, at first: Int) {
        let first = min(max(first, 0), batchCount)
        condition.lock()
        defer { condition.unlock() }
        while isBusy { condition.wait() }
        self.epoch = epoch
        (produced, consumed, isHeld, needsOrder) = (first, first, false, true)
        condition.broadcast()
    }

    /// Gives back the last batch and waits for the next.
    func takeNext() -> Batch? {
        condition.lock()
        defer { condition.unlock() }
        if isHeld {
            isHeld = false
            consumed += 1
            condition.broadcast()
        }
        guard epoch != nil, consumed < batchCount else { return nil }
        while produced == consumed { condition.wait() }
        isHeld = true
        return buffers[consumed % buffers.count].batch
    }

    /// - Returns: whether there is one; without it, the caller makes the batches.
    func startThread() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        if !threadRuns { threadRuns = WorkerThread.start { [self] in run() } }
        return threadRuns
    }

    /// Ends the thread, and returns when it has ended its work.
    func stop() {
        condition.lock()
        defer { condition.unlock() }
        isStopping = true
        condition.broadcast()
        while threadRuns { condition.wait() }
    }

    /// Gathers what was left where it stands of the batch that the caller holds.
    func gatherRest() { buffers[consumed % buffers.count].gatherRest() }

    // MARK: The producer's side

    private func run() {
        condition.lock()
        while !isStopping {
            if canProduce { produceLocked() } else { condition.wait() }
        }
        threadRuns = false
        condition.broadcast()
        condition.unlock()
    }

    /// Makes the next batch on the caller's thread: the caller is done with the one before, which is given back first.
    func produceOne() {
        condition.lock()
        defer { condition.unlock() }
        if isHeld {
            isHeld = false
            consumed += 1
        }
        if canProduce { produceLocked() }
    }

    private var canProduce: Bool {
        epoch != nil && produced < batchCount && produced - consumed < buffers.count
    }

    /// Fills the next buffer, with the lock held on entry and exit but not while it works.
    private func produceLocked() {
        guard let epoch else { return }
        let (index, isFirst) = (produced, needsOrder)
        (isBusy, needsOrder) = (true, false)
        condition.unlock()
        if isFirst { _ = indices.update(fromContentsOf: order.indices(count: sampleCount, epoch: epoch)) }
        let positions = index * batchSize..<min((index + 1) * batchSize, sampleCount)
        buffers[index % buffers.count].fill(
            index: index, positions: positions, of: UnsafeBufferPointer(indices), areInOrder: order == .natural,
            epoch: epoch, augmenter: augmenter, readsInPlace: readsInPlace)
        condition.lock()
        isBusy = false
        produced += 1
        condition.broadcast()
    }
}
