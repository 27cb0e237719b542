import Apus
import ApusExperiments
import Foundation

/// Options that several commands share.
enum RunOptions {
    static let data = Option.path(
        "data", "FOLDER", help: "Read the data set's files from this folder",
        default: "APUS_DATA, the cache, the system's packages, the network; at last the part of MNIST in the program")
    static let dataset = Option.choice(
        "dataset", of: "data set", PublishedDataset.all.map(\.name), help: "The data set", default: "the experiment's")
    static let runDataset = Option.choice(
        "dataset", of: "data set", PublishedDataset.all.map(\.name), help: "The data set", default: "the run's")
    static let runData = Option.path(
        "data", "FOLDER", help: "Read the data set's files from this folder", default: "where the run read them")
    static let device = Option.choice("device", of: "device", Device.names, help: "Where it runs", default: "cpu")
    private static let mostThreads = 1_024
    static let threads = Option.integer(
        "threads", in: 1...mostThreads, help: "Threads of the processor",
        default: "OMP_NUM_THREADS, or one for each core")
    static let runThreads = Option.integer(
        "threads", in: 1...mostThreads, help: "Threads of the processor", default: "the run's")
    private static let precisions = Precision.allCases.map(\.rawValue)
    private static let precisionHelp = "How products are computed: bfloat16 rounds factors, float32-fast needs AMX"
    static let precision = Option.choice(
        "precision", of: "precision", precisions, help: precisionHelp, default: Precision.float32.rawValue)
    static let runPrecision = Option.choice(
        "precision", of: "precision", precisions, help: precisionHelp, default: "the run's")
    static let batchSize = Option.integer(
        "batch-size", in: 1...1_000_000, help: "Samples a step", default: "the experiment's, 128")

    /// The precision that the options name; `nil` where they name none.
    static func chosenPrecision(_ arguments: Arguments) -> Precision? {
        (arguments[precision] ?? arguments[runPrecision]).flatMap { Precision(rawValue: $0) }
    }

    /// Says so where a device does not compute as it was asked to.
    static func announce(_ precision: Precision, on device: Device) {
        guard precision == .float32Fast, !device.hasFastBfloat16 else { return }
        Console.report("float32-fast: without AMX it would be slower here; products are computed in float32.")
    }

    /// The device that the options name.
    /// - Parameter defaultThreadCount: what holds without `--threads`; `nil` for what OpenMP gives.
    /// - Throws: `ApusError.usage` where OMP_NUM_THREADS asks for more threads than `--threads` may.
    static func chosenDevice(_ arguments: Arguments, defaultThreadCount: Int? = nil) throws -> Device {
        let count = CPUDescription.current.threadCount
        let chosen = arguments[threads] ?? defaultThreadCount
        if chosen == nil, count > mostThreads {
            throw ApusError.usage(
                problem: "OMP_NUM_THREADS asks for \(count.grouped) threads.",
                cure: "Set it to at most \(mostThreads.grouped), or give --threads.")
        }
        let processorCount = HostProcessors.usableCount
        if let asked = arguments[threads], asked > processorCount {
            Console.report(
                "NOTE: --threads \(asked): this process may use \(processorCount) processors; more threads than that "
                    + "wait for each other.")
        }
        let wanted = chosen ?? count
        let available = CPUDescription.availableThreadCount(wanted)
        if available < wanted {
            Console.report(
                "WARNING: The system gives this process \(available) of \(wanted) threads (its limits of processes and "
                    + "memory, as ulimit -u and -v show them); it does with that.")
        }
        return try .named(arguments[device] ?? "cpu", threadCount: available < wanted ? available : chosen)
    }
}

/// A data set, found and read, with what the user should know of it.
struct ChosenData {
    let name: String
    let loaded: LoadedDataset

    /// - Throws: `ApusError.usage` as `check(_:for:)`, `.file` where images have another shape than `experiment` takes,
    ///   and what loading throws.
    init(_ name: String, folder: String?, for experiment: any Experiment) throws {
        try Self.check(name, for: experiment)
        self.name = name
        let reporter = FetchReporter()
        defer { reporter.finish() }
        do {
            loaded = try .load(name, from: DataLocations(folder: folder), progress: reporter.callAsFunction)
        } catch ApusError.download(let url, let reason, let cure) {
            throw ApusError.download(
                url: url, reason: reason,
                cure: "\(cure) With a network, 'apus data fetch \(name)' brings them into the cache.")
        }
        let shape = loaded.train.inputs[0].sampleShape
        guard shape == experiment.imageShape else {
            throw ApusError.file(
                path: "\(loaded.source)",
                .foreign(
                    expected: "images of \(experiment.imageShape.inPixels), which \(experiment.name) takes",
                    found: "images of \(shape.inPixels)"))
        }
    }

    /// Finds out before anything is read whether the images of the data set `name` are such as `experiment` takes.
    /// - Throws: `ApusError.usage`, `ApusError.unknownName`.
    static func check(_ name: String, for experiment: any Experiment) throws {
        let dataset = try PublishedDataset.named(name)
        guard dataset.imageShape != experiment.imageShape else { return }
        let fitting = PublishedDataset.all.filter { $0.imageShape == experiment.imageShape }.map(\.name)
        throw ApusError.usage(
            problem: "\(experiment.name) takes images of \(experiment.imageShape.inPixels); those of \(name) have "
                + "\(dataset.imageShape.inPixels).",
            cure: "Take another data set (--dataset): \(fitting.joined(separator: ", ")).")
    }

    /// Says what it is; loudly where it is only the part of MNIST inside the program.
    func announce() throws {
        let counts = "\(loaded.train.count.grouped) training and \(loaded.test.count.grouped) test images"
        try Console.line("Data: \(name), \(counts), from \(loaded.source).")
        for warning in loaded.warnings { Console.report("WARNING: \(warning)") }
        if case .builtIn = loaded.source {
            Console.report("WARNING: NOT ALL OF MNIST. To fetch all of it: apus data fetch mnist")
        }
    }
}

/// A run that has been trained: its card, and its network with its weights.
struct TrainedRun {
    let folder: RunFolder
    let card: RunCard
    let experiment: any Experiment
    let network: ExperimentNetwork

    /// The run in the folder `path`; says so where it was not trained to its end.
    /// - Throws: `ApusError.file` where the folder is no run's or a file of it cannot be used.
    static func open(_ path: String) throws -> TrainedRun {
        let (run, checkpoint) = try opened(path)
        if let shortcoming = run.card.shortcoming(checkpoint) { Console.report("WARNING: \(shortcoming)") }
        return run
    }

    /// A run that has not ended has its newest weights in a checkpoint, which is given then.
    private static func opened(_ path: String) throws -> (TrainedRun, Checkpoint?) {
        let folder = try RunFolder(opening: path)
        let card = try RunCard(readingFrom: folder)
        let experiment = try Experiments.named(card.experiment)
        let network = try experiment.network(seed: card.seed)
        let run = TrainedRun(folder: folder, card: card, experiment: experiment, network: network)
        if card.state == .running, let checkpoint = try folder.checkpoints.newest(reportingTo: Console.reportCheckpoint)
        {
            try checkpoint.restoreWeights(of: network.model)
            return (run, checkpoint)
        }
        guard card.state != .running || FileManager.default.fileExists(atPath: folder.weights.path) else {
            throw ApusError.file(
                path: path, .foreign(expected: "a run with weights", found: "one without a whole checkpoint so far"))
        }
        try network.model.loadWeights(from: folder.weights)
        return (run, nil)
    }

    /// The data set that it was trained with, from the same place, unless the options name another.
    func data(_ arguments: Arguments) throws -> ChosenData {
        let name = arguments[RunOptions.runDataset] ?? card.data.name
        let folder = name == card.data.name ? card.data.existingFolder : nil
        let data = try ChosenData(name, folder: arguments[RunOptions.runData] ?? folder, for: experiment)
        try data.announce()
        if name == card.data.name, RunCard.Data(name, data.loaded).checksums != card.data.checksums {
            Console.report(
                "WARNING: The run was trained with other files: \(excerpt(card.data.source))"
                    + (card.data.isGone ? ", which is not there any more; name its new place with --data." : "."))
        }
        return data
    }
}

extension RunCard.Data {
    /// The folder that the user named, where it is still there.
    var existingFolder: String? { isGone ? nil : folder }

    /// Whether there was such a folder, and is no more.
    var isGone: Bool { folder.map { FileManager.default.isFolder(atPath: $0) != true } ?? false }
}

extension Console {
    /// Says why a checkpoint is passed over.
    static func reportCheckpoint(_ problem: ApusError) { report("WARNING: \(problem) It is passed over.") }
}

extension Shape {
    /// An image's shape in words: as in `28 x 28 grey pixels`.
    fileprivate var inPixels: String {
        rank == 3 && self[2] == 3
            ? "\(self[0]) x \(self[1]) coloured pixels"
            : "\(sizes.map(String.init).joined(separator: " x ")) grey pixels"
    }
}
