import ApusCore
import ApusData
import ApusGraph
import ApusPlan

/// Runs a step's function on a data set's batches and adds up what comes out. After the first epoch it allocates
/// nothing: batches go to the executable by pointer.
package final class BatchRunner {
    package let loader: BatchLoader
    private let function: Function
    private let fullSize: Int
    /// For whole batches and for the last, smaller one; made when first needed.
    private var full: (any Executable)?
    private var smaller: (any Executable)?
    private let pointers: UnsafeMutableBufferPointer<UnsafeRawPointer>
    /// Where `batch(_:epoch:)` stands.
    private var position: (epoch: Int, batch: Int)?

    /// Samples since `reset()`.
    private(set) var sampleCount = 0
    /// The sum of the losses of these samples.
    private(set) var lossSum = 0.0
    /// The sums of the other outputs, in their order.
    private(set) var sums: [Double]

    /// - Parameter function: its outputs are the loss and scalars that add up; its inputs are the data set's columns.
    package init(_ loader: BatchLoader, _ function: Function, outputCount: Int) {
        self.loader = loader
        self.function = function
        fullSize = min(loader.batchSize, loader.dataset.count)
        sums = [Double](repeating: 0, count: outputCount - 1)
        let dataset = loader.dataset
        pointers = .allocate(
            capacity: dataset.inputs.count + dataset.targets.count + (dataset.sampleWeights == nil ? 0 : 1))
        // A batch that cannot be planned fails when it is run.
        loader.readsInPlace = { [unowned self] input, sampleCount in
            (try? executable(batchSize: sampleCount))?.readsByteRows(ofInput: input) ?? false
        }
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
        try executable.run(inputs: UnsafeBufferPointer(pointers), byteRows: batch.byteRows, context: context)
        let loss = Double(executable.output(0).load(as: Float.self))
        sampleCount += batch.sampleCount
        lossSum += loss * Double(batch.sampleCount)
        for index in sums.indices { sums[index] += Double(executable.output(index + 1).load(as: Float.self)) }
        return loss
    }

    /// What steps change, and single numbers that they only read.
    func variables(for batch: Batch) throws -> (changed: [Variable], constant: [Variable]) {
        _ = try bind(batch)
        return (function.changedVariables, function.constantNumbers)
    }

    /// Batch `index` of an epoch. Batches that are asked for in their order are made once only.
    func batch(_ index: Int, epoch: Int) -> Batch? {
        if position.map({ $0.epoch != epoch || $0.batch >= index }) ?? true {
            loader.start(epoch: epoch, at: index)
        }
        while let batch = loader.next() {
            position = (epoch, batch.index)
            if batch.index == index { return batch }
        }
        return nil
    }

    /// What there is to say of a step on `batch` that failed: it is taken again, every operation checked, with the
    /// variables as they were before it.
    func examined(_ problem: NotFiniteProblem, _ batch: Batch, context: RunContext) throws -> NotFiniteProblem {
        loader.gatherRest()
        _ = try bind(batch)
        let found = try function.checkedStep(
            UnsafeBufferPointer(pointers), batchSize: batch.sampleCount, context: context)
        var problem = problem
        if var report = found?.report {
            report.sampleIndex = report.batchIndex.map { Int(batch.sampleIndices[$0]) }
            report.dataset = loader.dataset.name
            problem.report = report
            problem.quantity = found?.quantity ?? problem.quantity
            problem.origin = found?.input.map { name(ofInput: $0, report) } ?? found?.origin
        }
        problem.failedStep = FailedStep(
            seed: context.seed, batch: arrays(of: batch), sampleIndices: batch.sampleIndices.map { Int($0) },
            variables: try function.variableValues(batchSize: batch.sampleCount))
        return problem
    }

    private func name(ofInput place: Int, _ report: NotFiniteReport) -> String {
        let dataset = loader.dataset
        let target = place - dataset.inputs.count
        let name =
            target < 0
            ? "input '\(function.inputNames[place])'"
            : target == dataset.targets.count
                ? "the weights" : dataset.targets.count == 1 ? "the target" : "target \(target)"
        return name + (report.sampleIndex.map { ", sample \($0) of '\(dataset.name)'" } ?? "")
    }

    /// Copies of what `batch` holds.
    private func arrays(of batch: Batch) -> [NamedArray] {
        let dataset = loader.dataset
        let columns = zip(dataset.inputs + dataset.targets, batch.inputs + batch.targets)
        var arrays = zip(columns, function.inputNames).map { entry, name in
            let ((column, address), type) = (entry, entry.0.batchType.specialized(batchSize: batch.sampleCount))
            var array = NDArray(zeros: type.shape, column.batchElementType)
            array.withUnsafeMutableBytes {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: type.byteCount))
            }
            return NamedArray(name, array)
        }
        if let weights = batch.weights {
            arrays.append(
                NamedArray("weights", NDArray(Array(UnsafeBufferPointer(start: weights, count: batch.sampleCount)))))
        }
        return arrays.withUniqueNames
    }

    /// One run whose outputs are arrays.
    func outputs(_ batch: Batch, context: RunContext, count: Int) throws -> [NDArray] {
        let executable = try bind(batch)
        try executable.run(inputs: UnsafeBufferPointer(pointers), byteRows: batch.byteRows, context: context)
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
        return try executable(batchSize: batch.sampleCount)
    }

    private func executable(batchSize: Int) throws -> any Executable {
        batchSize == fullSize ? try executable(&full, batchSize) : try executable(&smaller, batchSize)
    }

    private func executable(_ known: inout (any Executable)?, _ batchSize: Int) throws -> any Executable {
        if let known { return known }
        let made = try function.executable(batchSize: batchSize)
        known = made
        return made
    }
}
