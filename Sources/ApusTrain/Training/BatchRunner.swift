import ApusCore
import ApusData
import ApusGraph
import ApusPlan

/// Runs a step's function on a data set's batches and adds up what comes out. After the first epoch it allocates
/// nothing: batches go to the executable by pointer.
final class BatchRunner {
    let loader: BatchLoader
    private let function: Function
    private let fullSize: Int
    /// For whole batches and for the last, smaller one; made when first needed.
    private var full: (any Executable)?
    private var smaller: (any Executable)?
    private let pointers: UnsafeMutableBufferPointer<UnsafeRawPointer>

    /// Samples since `reset()`.
    private(set) var sampleCount = 0
    /// The sum of the losses of these samples.
    private(set) var lossSum = 0.0
    /// The sums of the other outputs, in their order.
    private(set) var sums: [Double]

    /// - Parameter function: its outputs are the loss and scalars that add up; its inputs are the data set's columns.
    init(_ loader: BatchLoader, _ function: Function, outputCount: Int) {
        self.loader = loader
        self.function = function
        fullSize = min(loader.batchSize, loader.dataset.count)
        sums = [Double](repeating: 0, count: outputCount - 1)
        let dataset = loader.dataset
        pointers = .allocate(
            capacity: dataset.inputs.count + dataset.targets.count + (dataset.sampleWeights == nil ? 0 : 1))
    }

    deinit { pointers.deallocate() }

    /// Starts the sums at zero.
    func reset() {
        (sampleCount, lossSum) = (0, 0)
        for index in sums.indices { sums[index] = 0 }
    }

    /// Goes on with sums that `allSums` gave.
    func restore(_ all: [Double]) {
        (sampleCount, lossSum) = (Int(exactly: all[0]) ?? 0, all[1])
        sums = Array(all.dropFirst(2))
    }

    /// One step; its loss is returned and everything is added to the sums.
    func run(_ batch: Batch, context: RunContext) throws -> Double {
        let executable = try bind(batch)
        do {
            try executable.run(inputs: UnsafeBufferPointer(pointers), context: context)
        } catch ApusError.notFinite(let quantity, let step, let origin, _) {
            throw ApusError.notFinite(quantity: quantity, step: step, origin: firstNotFinite(in: batch) ?? origin)
        }
        let loss = Double(executable.output(0).load(as: Float.self))
        sampleCount += batch.sampleCount
        lossSum += loss * Double(batch.sampleCount)
        for index in sums.indices { sums[index] += Double(executable.output(index + 1).load(as: Float.self)) }
        return loss
    }

    /// The first number of the batch's inputs and targets that is not finite, in words.
    private func firstNotFinite(in batch: Batch) -> String? {
        let dataset = loader.dataset
        let columns = zip(dataset.inputs + dataset.targets, batch.inputs + batch.targets)
        for (place, (column, address)) in columns.enumerated() where column.batchElementType == .float32 {
            let size = column.sampleShape.elementCount
            let values = UnsafeBufferPointer(
                start: address.assumingMemoryBound(to: Float.self), count: batch.sampleCount * size)
            guard let wrong = values.firstIndex(where: { !$0.isFinite }) else { continue }
            let target = place - dataset.inputs.count
            let name =
                target < 0
                ? "input '\(function.inputNames[place])'"
                : dataset.targets.count == 1 ? "the target" : "target \(target)"
            return "\(name), sample \(batch.sampleIndices[wrong / size]) of '\(dataset.name)'"
        }
        return nil
    }

    /// One run whose outputs are arrays.
    func outputs(_ batch: Batch, context: RunContext, count: Int) throws -> [NDArray] {
        let executable = try bind(batch)
        try executable.run(inputs: UnsafeBufferPointer(pointers), context: context)
        return (0..<count).map { executable.outputArray($0) }
    }

    /// The executable for the batch's size, with `pointers` set to the batch.
    private func bind(_ batch: Batch) throws -> any Executable {
        var place = 0
        for pointer in batch.inputs {
            pointers[place] = pointer
            place += 1
        }
        for pointer in batch.targets {
            pointers[place] = pointer
            place += 1
        }
        if let weights = batch.weights { pointers[place] = UnsafeRawPointer(weights) }
        return batch.sampleCount == fullSize
            ? try executable(&full, batch.sampleCount) : try executable(&smaller, batch.sampleCount)
    }

    private func executable(_ known: inout (any Executable)?, _ batchSize: Int) throws -> any Executable {
        if let known { return known }
        let made = try function.executable(batchSize: batchSize)
        known = made
        return made
    }
}
