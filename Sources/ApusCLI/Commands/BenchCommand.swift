import Apus
import ApusExperiments

/// `apus bench`: milliseconds a training step, data in memory.
struct BenchCommand: Command {
    static let phase = Option.choice(
        "phase", of: "phase", BenchPhase.allCases.map(\.rawValue), help: "What is timed", default: "training")

    let syntax = CommandSyntax(
        "bench", summary: "Time a training step of each workload; print a line of JSON for each",
        operands: [
            .init(
                "WORKLOAD",
                help: "the experiments (\(Self.names(Experiments.all))), which are timed by default, or "
                    + Self.names(Workloads.timedOnly),
                isRequired: false, isRepeated: true)
        ],
        options: [RunOptions.batchSize, phase, RunOptions.device, RunOptions.threads, RunOptions.precision]
            + ProfileOptions.all,
        notes: "A step is forward, backward, the optimizer's update and the loss read back. After a few to warm up, 4\n"
            + "blocks of steps are timed, of 0.3 s each; the time is that of the best block.\n\n"
            + "inference: a call of Model.predict with one batch, timed likewise. epoch: an epoch of Trainer.fit on random\n"
            + "bytes, shuffled and augmented as the experiment has it, divided by its steps; ms_per_step_alone is that of\n"
            + "steps whose batch is ready, epoch_over_steps the median ratio. peak_memory_bytes is the most memory that the\n"
            + "process had so far, first_step_s the time from its start to the end of the first step of all (where the\n"
            + "system tells when a process started).\n\n"
            + ProfileOptions.notes)

    private static func names(_ workloads: [any Workload]) -> String {
        workloads.map(\.name).joined(separator: ", ")
    }

    func run(_ arguments: Arguments) throws {
        let workloads =
            try arguments.operands.isEmpty ? Experiments.all : arguments.operands.map { try Workloads.named($0) }
        let device = try RunOptions.chosenDevice(arguments)
        let precision = RunOptions.chosenPrecision(arguments) ?? .float32
        RunOptions.announce(precision, on: device)
        let batchSize = arguments[RunOptions.batchSize] ?? 128
        let phase = arguments[Self.phase].flatMap(BenchPhase.init) ?? .training
        var profiler = try Profiler(arguments, phase: phase)
        var isFirst = true
        for workload in workloads {
            var line = BenchLine(
                workload: workload.name, phase: phase, precision: precision, device: device.name, batchSize: batchSize)
            switch phase {
            case .training:
                let step = try TrainingStep(workload, batchSize: batchSize, device: device, precision: precision)
                let benchmark = Benchmark(step)
                var firstStep: Double?
                let time = try benchmark.bestMilliseconds { firstStep = StartupClock.processSeconds }
                line.add("ms_per_step", time)
                if isFirst, let firstStep { line.add("first_step_s", firstStep) }
                if let profile = try profiler?.add(benchmark, batchSize: batchSize) {
                    line.add("profiled_ms", profile.stepSeconds * 1e3)
                    line.add("bound_ms", profile.boundSeconds * 1e3)
                }
            case .inference:
                let timing = try InferenceTiming(
                    workload, batchSize: batchSize, device: device, precision: precision)
                line.add("ms_per_step", try timing.bestMilliseconds())
            case .epoch:
                let result = try EpochTiming(
                    workload, batchSize: batchSize, device: device, precision: precision
                ).measure()
                line.add("ms_per_step", result.epoch)
                line.add("ms_per_step_alone", result.steps)
                line.add("epoch_over_steps", result.ratio)
                line.add("step_count", result.stepCount)
            }
            isFirst = false
            line.add("peak_memory_bytes", ProcessMemory.peakByteCount)
            try Console.line("\(line)")
        }
        try profiler?.finish()
    }
}

/// A training step on random data, to be timed.
final class Benchmark {
    let step: TrainingStep
    /// Steps so far; optimizers and random numbers depend on it.
    private var number = 0
    private let arrays: [NDArray]

    init(_ step: TrainingStep) {
        self.step = step
        let random = Philox(seed: 0, stream: 0)
        arrays = step.plan.inputTypes.enumerated().map { index, type in
            // The first input is images, uniform; a second one is the one-hot vectors of random classes.
            let (count, width) = (type.shape[0], type.shape.elementCount / max(type.shape[0], 1))
            return NDArray(shape: type.shape) { (values: UnsafeMutableBufferPointer<Float>) in
                if index == 0 {
                    for place in values.indices { values[place] = random.uniform(place) }
                } else {
                    for row in 0..<count { values[row * width + Int(random.uniform(row) * Float(width))] = 1 }
                }
            }
        }
    }

    /// - Parameter firstStepDidEnd: called once, after the first step.
    func bestMilliseconds(firstStepDidEnd: () -> Void = {}) throws -> Double {
        _ = try milliseconds(stepCount: 1)
        firstStepDidEnd()
        return try BestTime.milliseconds { try milliseconds(stepCount: $0) }
    }

    /// Milliseconds a step of a block of steps, the loss read back in each.
    func milliseconds(stepCount: Int) throws -> Double {
        try withInputs { pointers in
            try BestTime.time(stepCount) {
                let context = RunContext(seed: 0, step: self.number)
                try self.step.executable.run(inputs: pointers, context: context)
                self.number += 1
                try self.checkLoss(context)
            }
        }
    }

    /// Reads the loss of the run just done.
    func checkLoss(_ context: RunContext) throws {
        let loss = step.executable.output(0).load(as: Float.self)
        guard loss.isFinite else { throw ApusError.notFinite(quantity: "loss", step: context.step + 1) }
    }

    /// The addresses of the data that a step is given.
    func withInputs<Result>(_ body: (UnsafeBufferPointer<UnsafeRawPointer>) throws -> Result) throws -> Result {
        try withPointers(to: arrays[...], [], body)
    }

    private func withPointers<Result>(
        to arrays: ArraySlice<NDArray>, _ pointers: [UnsafeRawPointer],
        _ body: (UnsafeBufferPointer<UnsafeRawPointer>) throws -> Result
    ) throws -> Result {
        guard let first = arrays.first else { return try pointers.withUnsafeBufferPointer(body) }
        return try first.withUnsafeBytes { bytes in
            try withPointers(to: arrays.dropFirst(), pointers + [bytes.baseAddress].compactMap { $0 }, body)
        }
    }
}
