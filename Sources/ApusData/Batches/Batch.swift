import ApusCore

/// Some samples of an epoch, gathered and converted. Its memory belongs to the loader, or to the data set where the
/// samples stand in it as a batch wants them: valid until the next call of the loader's `next()` or `start(epoch:)`.
public struct Batch {
    /// The batch's number in its epoch, from 0.
    public let index: Int
    /// The number of samples; smaller in an epoch's last batch where the batch size does not divide the count.
    public let sampleCount: Int
    /// The place of the batch's first sample in the epoch's order.
    public let firstPosition: Int
    /// Which samples of the data set these are, `sampleCount` of them.
    public let sampleIndices: UnsafeBufferPointer<Int32>
    /// For each input column `[sampleCount, ...]`, packed, row-major, aligned to 64 bytes: float32, or int32.
    public let inputs: [UnsafeRawPointer]
    /// For each target column, likewise.
    public let targets: [UnsafeRawPointer]
    /// The samples' weights; `nil` where the data set has none.
    public let weights: UnsafePointer<Float>?
    /// For each input the rows that were not gathered, see `BatchLoader.readsInPlace`: what `inputs` points to is
    /// undefined there. `nil` for all else.
    package let byteRows: UnsafeBufferPointer<ByteRows?>
}

/// The memory of one batch, used again and again.
final class BatchBuffers {
    private let memory: [UnsafeMutableRawPointer]
    private let columns: [Dataset.Column]
    private var inputs: [UnsafeRawPointer]
    private var targets: [UnsafeRawPointer]
    private var weights: UnsafePointer<Float>?
    private let byteRows: UnsafeMutableBufferPointer<ByteRows?>
    private let team: ParallelTeam?
    private var index = 0
    private var firstPosition = 0
    private var sampleIndices = UnsafeBufferPointer<Int32>(start: nil, count: 0)
    /// What the team gathers now.
    private var column = 0

    /// Of a column's memory, in bytes; an array's own is as much.
    static let alignment = 64
    /// Values that are worth waking a thread for.
    private static let grain = 1 << 15

    /// - Parameter team: what gathers; by default the caller alone.
    init(for dataset: Dataset, weights: Dataset.Column?, batchSize: Int, team: ParallelTeam? = nil) {
        self.team = team
        columns = dataset.inputs + dataset.targets + (weights.map { [$0] } ?? [])
        memory = columns.map { column in
            let byteCount = batchSize * column.sampleShape.elementCount * column.batchElementType.byteCount
            return .allocate(byteCount: max(byteCount, 1), alignment: Self.alignment)
        }
        let pointers = memory.map { UnsafeRawPointer($0) }
        inputs = Array(pointers.prefix(dataset.inputs.count))
        targets = Array(pointers.dropFirst(dataset.inputs.count).prefix(dataset.targets.count))
        self.weights = weights == nil ? nil : pointers.last?.assumingMemoryBound(to: Float.self)
        byteRows = .allocate(capacity: inputs.count)
        byteRows.initialize(repeating: nil)
    }

    deinit {
        byteRows.deallocate()
        for block in memory { block.deallocate() }
    }

    /// Gathers the samples at `positions` of an epoch's `order`, changed by `augmenter`, but for the inputs that are
    /// read in place.
    func fill(
        index: Int, positions: Range<Int>, of order: UnsafeBufferPointer<Int32>, areInOrder: Bool, epoch: Int,
        augmenter: Augmenter?, readsInPlace: BatchLoader.ReadsInPlace?
    ) {
        self.index = index
        firstPosition = positions.lowerBound
        sampleIndices = UnsafeBufferPointer(rebasing: order[positions])
        if let augmenter { return augmenter.fill(sampleIndices, epoch: epoch, into: memory) }
        for place in inputs.indices {
            let rows = readsInPlace == nil ? nil : columns[place].byteRows(sampleIndices)
            byteRows[place] = rows != nil && readsInPlace?(place, sampleIndices.count) == true ? rows : nil
        }
        for place in columns.indices where place >= inputs.count || byteRows[place] == nil {
            let found = areInOrder ? columns[place].address(ofSample: positions.lowerBound) : nil
            if found == nil { gather(place) }
            point(place, at: found ?? UnsafeRawPointer(memory[place]))
        }
    }

    private func point(_ place: Int, at address: UnsafeRawPointer) {
        let target = place - inputs.count
        // Only where it changes: who still has the batch before has the array, too, which would be copied.
        if target < 0 {
            if inputs[place] != address { inputs[place] = address }
        } else if target < targets.count {
            if targets[target] != address { targets[target] = address }
        } else {
            weights = address.assumingMemoryBound(to: Float.self)
        }
    }

    /// Gathers what was left where it stands.
    func gatherRest() {
        for place in inputs.indices where byteRows[place] != nil {
            byteRows[place] = nil
            gather(place)
        }
    }

    /// All of the batch's samples of a column.
    private func gather(_ place: Int) {
        let sampleSize = columns[place].values.elementCount / max(columns[place].count, 1)
        guard let team, sampleIndices.count * sampleSize > Self.grain else {
            return gather(place, 0..<sampleIndices.count)
        }
        column = place
        team.run(
            Int64(sampleIndices.count), Int64(Self.grain / sampleSize + 1),
            { context, begin, end, _ in
                guard let context else { return }
                let buffers = Unmanaged<BatchBuffers>.fromOpaque(context).takeUnretainedValue()
                buffers.gather(buffers.column, Int(begin)..<Int(end))
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Some of the batch's samples of a column.
    private func gather(_ place: Int, _ rows: Range<Int>) {
        let column = columns[place]
        let sampleSize = column.values.elementCount / max(column.count, 1)
        column.gather(
            UnsafeBufferPointer(rebasing: sampleIndices[rows]),
            into: memory[place] + rows.lowerBound * sampleSize * column.batchElementType.byteCount)
    }

    var batch: Batch {
        Batch(
            index: index, sampleCount: sampleIndices.count, firstPosition: firstPosition, sampleIndices: sampleIndices,
            inputs: inputs, targets: targets, weights: weights, byteRows: UnsafeBufferPointer(byteRows))
    }
}
