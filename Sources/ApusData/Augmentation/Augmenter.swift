import ApusCore

/// Makes batches whose images are changed, large ones on several threads. It allocates nothing after it is made,
/// but for the threads that share a large batch, which begin and end with it.
final class Augmenter: @unchecked Sendable {
    private let changes: [Augmentation]
    private let seed: UInt64
    private let sampleCount: Int
    /// Inputs, targets, weights: as in `BatchBuffers`.
    private let columns: [Column]
    /// The place of `mixup` in the list, and its alpha.
    private let mixup: (place: Int, alpha: Double)?
    private let workers: [Worker]
    private let valuesPerSample: Int

    /// Work for one thread, in values: a fraction of a millisecond. It takes more to share it out among threads.
    private static let grain = 1 << 18

    private struct Column {
        let column: Dataset.Column
        /// The size of its images, where it has some.
        let size: ImageSize?
        /// What its values are held within where the change could lead beyond it.
        let bounds: ClosedRange<Float>?
        let sampleByteCount: Int
    }

    /// What one thread works with.
    private final class Worker {
        let stages: UnsafeMutablePointer<ImageStage>
        let sampler: ImageSampler
        /// An image between two passes.
        let image: UnsafeMutablePointer<Float>
        /// A sample of any column, to be mixed into another.
        let other: UnsafeMutablePointer<Float>

        init(stageCount: Int, sizes: [ImageSize], sampleSize: Int) {
            stages = .allocate(capacity: max(stageCount, 1))
            sampler = ImageSampler(
                rowLength: sizes.map(\.rowLength).max() ?? 0, width: sizes.map(\.width).max() ?? 0)
            image = .allocate(capacity: max(sizes.map(\.elementCount).max() ?? 0, 1))
            other = .allocate(capacity: max(sampleSize, 1))
        }

        deinit {
            stages.deallocate()
            image.deallocate()
            other.deallocate()
        }
    }

    /// - Parameters:
    ///   - weights: the data set's sample weights as a column.
    ///   - threadCount: at most so many threads work at a time.
    /// - Throws: `ApusError.setting` for a setting out of its range; `ApusError.shape` where there are no images, or no
    ///   targets that can be mixed.
    init(
        _ changes: [Augmentation], _ dataset: Dataset, weights: Dataset.Column?, seed: UInt64, threadCount: Int
    ) throws {
        try Augmentation.check(changes)
        let inputCount = dataset.inputs.count
        columns = (dataset.inputs + dataset.targets + (weights.map { [$0] } ?? [])).enumerated().map { place, column in
            let isBytes = column.values.elementType == .uint8
            let most = 255 * column.scale
            return Column(
                column: column, size: place < inputCount ? column.imageSize : nil,
                bounds: isBytes ? min(0, most)...max(0, most) : nil,
                sampleByteCount: column.sampleShape.elementCount * column.batchElementType.byteCount)
        }
        let sizes = columns.compactMap(\.size)
        var mixup: (place: Int, alpha: Double)?
        if case .mixup(let alpha) = changes.last { mixup = (changes.count - 1, alpha) }
        if sizes.isEmpty, changes.count > (mixup == nil ? 0 : 1) { throw Self.withoutImages(dataset) }
        if mixup != nil { try Self.checkMixing(dataset) }
        self.changes = changes
        self.seed = seed
        self.mixup = mixup
        sampleCount = dataset.count
        let sampleSize = columns.map { $0.column.sampleShape.elementCount }.max() ?? 0
        workers = (0..<max(threadCount, 1)).map { _ in
            Worker(stageCount: changes.count, sizes: sizes, sampleSize: sampleSize)
        }
        valuesPerSample = columns.reduce(0) { $0 + $1.column.sampleShape.elementCount } * (mixup == nil ? 1 : 2)
    }

    /// Gathers the samples `indices` into each column's `memory`, changed as in `epoch`.
    func fill(_ indices: UnsafeBufferPointer<Int32>, epoch: Int, into memory: [UnsafeMutableRawPointer]) {
        let workerCount = max(1, min(workers.count, indices.count * valuesPerSample / Self.grain, indices.count))
        guard workerCount > 1 else { return fill(indices, 0..<indices.count, epoch, workers[0], memory) }
        // Each thread writes to samples of its own.
        nonisolated(unsafe) let (indices, memory) = (indices, memory)
        // Dispatch waits for ever where the system gives no thread.
        WorkerThread.perform(count: workerCount, threadCount: workerCount) { number in
            let start = indices.count * number / workerCount
            let end = indices.count * (number + 1) / workerCount
            self.fill(indices, start..<end, epoch, self.workers[number], memory)
        }
    }

    private func fill(
        _ indices: UnsafeBufferPointer<Int32>, _ range: Range<Int>, _ epoch: Int, _ worker: Worker,
        _ memory: [UnsafeMutableRawPointer]
    ) {
        for place in range {
            let draw = AugmentationDraw(seed: seed, epoch: epoch, sample: indices[place])
            for number in columns.indices {
                make(draw, number, worker, into: memory[number] + place * columns[number].sampleByteCount)
            }
            guard let mixup else { continue }
            let (other, own) = draw.mixing(mixup.place, alpha: mixup.alpha, count: sampleCount)
            guard own < 1 else { continue }
            let otherDraw = AugmentationDraw(seed: seed, epoch: epoch, sample: other)
            let share = Float(1 - own)
            for number in columns.indices {
                make(otherDraw, number, worker, into: UnsafeMutableRawPointer(worker.other))
                let count = columns[number].sampleByteCount / MemoryLayout<Float>.size
                let values = (memory[number] + place * columns[number].sampleByteCount)
                    .assumingMemoryBound(to: Float.self)
                for index in 0..<count { values[index] += share * (worker.other[index] - values[index]) }
            }
        }
    }

    /// A sample of a column, converted and changed.
    private func make(_ draw: AugmentationDraw, _ number: Int, _ worker: Worker, into target: UnsafeMutableRawPointer) {
        let column = columns[number]
        guard let size = column.size else { return column.column.gather(draw.sample, into: target) }
        let stageCount = changes.settle(draw, size, into: worker.stages)
        let stages = UnsafeMutableBufferPointer(start: worker.stages, count: stageCount)
        let result = target.assumingMemoryBound(to: Float.self)
        // It goes to and fro between two places, so that it ends in the result.
        var moveCount = 0
        for stage in stages where stage.moves { moveCount += 1 }
        var (image, spare) = moveCount.isMultiple(of: 2) ? (result, worker.image) : (worker.image, result)
        column.column.gather(draw.sample, into: image)
        for stage in stages {
            switch stage {
            case .sample(let map): worker.sampler.sample(image, size, by: map, into: spare)
            case .crop(let row, let left): ImageChanges.crop(image, size, row: row, column: left, into: spare)
            case .add(let amount): ImageChanges.add(amount, to: image, size, within: column.bounds)
            case .stretch(let factor): ImageChanges.stretch(by: factor, image, size, within: column.bounds)
            case .erase(let row, let left, let side):
                ImageChanges.erase(image, size, row: row, column: left, side: side)
            }
            if stage.moves { swap(&image, &spare) }
        }
    }

    private static func withoutImages(_ dataset: Dataset) -> ApusError {
        let shapes = dataset.inputs.map { "\($0.batchElementType.rawValue) \($0.sampleShape)" }
        return .shape(
            ShapeProblem(
                operation: "Augmentation",
                expected: "an input of images, [height, width] or [height, width, channels] a sample",
                received: "\(shapes.joined(separator: ", ")) in '\(dataset.name)'",
                cure: "keep the images in their own shape, and begin the model with Flatten() where it takes vectors"))
    }

    private static func checkMixing(_ dataset: Dataset) throws {
        if dataset.targets.isEmpty || dataset.targets.contains(where: { $0.batchElementType == .int32 }) {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Augmentation.mixup", expected: "float32 targets",
                    received: dataset.targets.isEmpty ? "none in '\(dataset.name)'" : "int32 in '\(dataset.name)'",
                    cure: "use oneHotTargets(classCount:) of the data set, and a loss for them"))
        }
        if dataset.inputs.contains(where: { $0.batchElementType == .int32 }) {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Augmentation.mixup", expected: "float32 inputs",
                    received: "int32 in '\(dataset.name)'", cure: "leave mixup out, as indices cannot be mixed"))
        }
    }
}

extension Dataset.Column {
    /// The size of a sample as an image, if it is one.
    fileprivate var imageSize: ImageSize? {
        guard batchElementType == .float32, sampleShape.elementCount > 0 else { return nil }
        switch sampleShape.rank {
        case 2: return ImageSize(height: sampleShape[0], width: sampleShape[1], channelCount: 1)
        case 3: return ImageSize(height: sampleShape[0], width: sampleShape[1], channelCount: sampleShape[2])
        default: return nil
        }
    }
}
