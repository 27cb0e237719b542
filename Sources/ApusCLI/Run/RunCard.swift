import Apus
import ApusExperiments
import Foundation

/// What it takes to repeat a run: written before it begins, and again when it has ended.
package struct RunCard: Codable, Sendable {
    package struct Data: Codable, Sendable {
        package var name: String
        /// Where it was read from, in words.
        package var source: String
        /// The folder that the user named; `nil` where none was.
        package var folder: String?
        package var trainingCount: Int
        package var testCount: Int
        /// SHA-256 of the unpacked files, by name.
        package var checksums: [String: String]
    }

    package struct Machine: Codable, Sendable {
        package var device: String
        package var threadCount: Int
        package var oneDNNVersion: String
        package var oneDNNInstructionSet: String
        package var instructionSet: String
        /// As the system calls it; `nil` where it has no word.
        package var processor: String?
        /// The C library, whose functions first weights and schedules use, as in `glibc 2.36`; `nil` where it has no
        /// word, and in cards of earlier versions.
        package var cLibrary: String?
    }

    /// What is kept on the way.
    package struct Keeping: Codable, Sendable {
        /// Steps and minutes from one checkpoint to the next; where both are `nil`, after epochs and minutes, as often
        /// as it costs next to nothing.
        package var checkpointSteps: Int?
        package var checkpointMinutes: Double?
        /// How many of the newest checkpoints.
        package var checkpointCount: Int
        /// Steps from one fingerprint to the next, besides those of epochs.
        package var fingerprintSteps: Int?
    }

    /// A process that trained the run.
    package struct Session: Codable, Sendable {
        /// When it began, ISO 8601.
        package var date: String
        /// The steps of the run before it.
        package var firstStep: Int
        package var machine: Machine
        package var apusVersion: String
        /// The linker's hash of the program; `nil` where it has none, and in cards of earlier versions.
        package var build: String?
        /// How many kernels of each kind a whole batch's step had; `nil` in cards of earlier versions.
        package var kernels: [String: Int]?
        /// What was other than where the run was begun, in words, where that may change bits; `nil` where nothing was,
        /// and in cards of earlier versions.
        package var differences: [String]?
        package var commandLine: [String]

        package init(
            date: String, firstStep: Int, machine: Machine, apusVersion: String, build: String?, commandLine: [String]
        ) {
            (self.date, self.firstStep, self.machine) = (date, firstStep, machine)
            (self.apusVersion, self.build, self.commandLine) = (apusVersion, build, commandLine)
        }
    }

    package enum State: String, Codable, Sendable {
        case running, finished, stopped, failed
    }

    package var experiment: String
    package var settings: TrainingSettings
    package var seed: UInt64
    /// How its products are computed; `nil`, for float32, in cards of earlier versions.
    package var precision: Precision?
    /// `nil` where all epochs are run to their ends.
    package var maximumStepCount: Int?
    /// The file that the first weights came from; `nil` where the seed gave them.
    package var firstWeights: String?
    /// Their SHA-256.
    package var firstWeightsChecksum: String?
    package var data: Data
    /// Where it was begun.
    package var machine: Machine
    /// How many kernels of each kind a whole batch's step had where it was begun.
    package var kernels: [String: Int]?
    /// What is kept on the way; `nil` in cards of earlier versions.
    package var keeping: Keeping?
    /// The processes that trained it, one after another; `nil` in cards of earlier versions.
    package var sessions: [Session]?
    package var apusVersion: String
    package var commandLine: [String]
    /// When it began, ISO 8601.
    package var date: String
    package var state: State
    /// What ended it too early.
    package var failure: String?
    package var epochsDone: Int
    package var stepsDone: Int
    /// Seconds of training, validation included.
    package var seconds: Double
    /// A hash of all weights after each epoch; `nil` before the run has ended.
    package var weightHashes: [String]?

    /// The card of a run that begins now, by this process.
    init(
        experiment: String, settings: TrainingSettings, seed: UInt64, precision: Precision = .float32,
        maximumStepCount: Int?, firstWeights: String?, firstWeightsChecksum: String? = nil,
        data: Data, machine: Machine, keeping: Keeping
    ) {
        self.experiment = experiment
        self.settings = settings
        self.seed = seed
        self.precision = precision
        self.maximumStepCount = maximumStepCount
        self.firstWeights = firstWeights
        self.firstWeightsChecksum = firstWeightsChecksum
        self.data = data
        self.machine = machine
        self.keeping = keeping
        apusVersion = ApusVersion.current
        commandLine = CommandLine.arguments
        date = ISO8601DateFormatter().string(from: Date())
        state = .running
        (epochsDone, stepsDone, seconds) = (0, 0, 0)
        begin(firstStep: 0, machine: machine)
    }

    /// Nothing of the run is left: its bits will be those of this process.
    mutating func forgetBegin(on machine: Machine) {
        (self.machine, apusVersion, kernels, sessions) = (machine, ApusVersion.current, nil, nil)
    }

    /// This process goes on with the run.
    mutating func begin(firstStep: Int, machine: Machine) {
        let session = Session(
            date: ISO8601DateFormatter().string(from: Date()), firstStep: firstStep, machine: machine,
            apusVersion: ApusVersion.current, build: CPUDescription.programBuild, commandLine: CommandLine.arguments)
        sessions = (sessions ?? []) + [session]
        (state, failure) = (.running, nil)
    }

    /// Notes something of the process that trains the run now.
    mutating func noteSession(_ change: (inout Session) -> Void) {
        guard var all = sessions, let last = all.indices.last else { return }
        change(&all[last])
        sessions = all
    }

    /// - Throws: `ApusError.file`.
    package func write(to folder: RunFolder) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(try encoder.encode(self) + Foundation.Data("\n".utf8), to: folder.card)
    }

    /// - Throws: `ApusError.file` with `.foreign` where the card cannot be understood.
    package init(readingFrom folder: RunFolder) throws {
        try self.init(contents(of: folder.card, byteLimit: Self.fileByteLimit), path: folder.card.path)
    }

    /// The longest card that is read, in bytes.
    private static let fileByteLimit = 1 << 24

    /// The card that a file's bytes hold; `path` is for the error alone.
    package init(_ bytes: Foundation.Data, path: String) throws {
        do {
            // By the letter first: no key stands twice, nothing is nested deeply.
            _ = try JSONValue(parsing: bytes)
            self = try JSONDecoder().decode(RunCard.self, from: bytes)
        } catch {
            let found = bytes.isEmpty ? "an empty file" : Self.words(for: error)
            throw ApusError.file(path: path, .foreign(expected: "the card of a run of Apus", found: found))
        }
    }

    /// What is wrong with a card, by the error that reading it has thrown.
    private static func words(for error: any Error) -> String {
        switch error {
        case let fault as JSONFault: "a damaged one (\(fault))"
        case DecodingError.keyNotFound(let key, let context): "one without \(name(context.codingPath + [key]))"
        case DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty,
            DecodingError.valueNotFound(_, let context) where !context.codingPath.isEmpty,
            DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            "one with another kind of value for \(name(context.codingPath))"
        default: "another file"
        }
    }

    private static func name(_ path: [any CodingKey]) -> String {
        "'\(excerpt(path.map(\.stringValue).joined(separator: ".")))'"
    }
}

extension RunCard.Machine {
    /// This machine, now.
    init(device: Device) {
        let processor = CPUDescription.current
        self.init(
            device: device.name, threadCount: device.threadCount ?? processor.threadCount,
            oneDNNVersion: processor.oneDNNVersion,
            oneDNNInstructionSet: processor.oneDNNInstructionSet, instructionSet: processor.instructionSet,
            processor: Self.processorName, cLibrary: Self.cLibraryName)
    }

    private static var cLibraryName: String? {
        #if canImport(Glibc)
            var name = [CChar](repeating: 0, count: 64)
            let count = confstr(Int32(_CS_GNU_LIBC_VERSION), &name, name.count)
            guard (1...name.count).contains(count) else { return nil }
            return String(decoding: name.prefix(count - 1).map(UInt8.init(bitPattern:)), as: UTF8.self)
        #else
            return nil
        #endif
    }

    private static var processorName: String? {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last
            .map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// What is different on `other`, in words, where that may change bits; empty where nothing is.
    package func differences(from other: RunCard.Machine) -> [String] {
        let rows: [(String, String?, String?)] = [
            ("device", device, other.device), ("threads", "\(threadCount)", "\(other.threadCount)"),
            ("processor", processor, other.processor), ("instruction set", instructionSet, other.instructionSet),
            ("oneDNN", oneDNNVersion, other.oneDNNVersion),
            ("oneDNN's instruction set", oneDNNInstructionSet, other.oneDNNInstructionSet),
            ("C library", cLibrary, other.cLibrary),
        ]
        return rows.compactMap { name, old, new in
            guard let old, let new, old != new else { return nil }
            return "\(name): \(old), now \(new)"
        }
    }
}

extension RunCard {
    /// What is different now from where the run was begun, in words, where that may change bits; empty where nothing is.
    /// - Parameters:
    ///   - kernels: those of a step now.
    ///   - amongSessions: whether the processes that took the run up count, too.
    package func differences(on machine: Machine, kernels: [String: Int]?, amongSessions: Bool) -> [String] {
        let all = sessions ?? []
        let later = amongSessions ? all : []
        let begun = amongSessions ? all : Array(all.prefix(1))
        let (version, build) = (ApusVersion.current, CPUDescription.programBuild)
        var words = ([self.machine] + later.map(\.machine)).flatMap { $0.differences(from: machine) }
        words += ([apusVersion] + later.map(\.apusVersion)).filter { $0 != version }
            .map { "Apus: \(excerpt($0)), now \(version)" }
        for old in begun.compactMap(\.build) {
            guard let build, old != build else { continue }
            words.append("the program's build: \(excerpt(old, limit: 8)), now \(excerpt(build, limit: 8))")
        }
        // Those of cards of earlier versions have other names.
        words += begun.map(\.kernels).flatMap { Self.differences(between: $0, and: kernels) }
        var found: [String] = []
        for difference in words where !found.contains(difference) { found.append(difference) }
        return found
    }

    private static func differences(between old: [String: Int]?, and new: [String: Int]?) -> [String] {
        guard let old, let new else { return [] }
        return Set(old.keys).union(new.keys).sorted().compactMap { kind in
            let (before, now) = (old[kind] ?? 0, new[kind] ?? 0)
            return before == now ? nil : "kernels of kind \(excerpt(kind)): \(before), now \(now)"
        }
    }
}

extension RunCard.Data {
    init(_ name: String, _ loaded: LoadedDataset) {
        var folder: String?
        if case .folder(let url) = loaded.source { folder = url.path }
        self.init(
            name: name, source: "\(loaded.source)", folder: folder, trainingCount: loaded.train.count,
            testCount: loaded.test.count,
            checksums: loaded.train.checksums.merging(loaded.test.checksums) { first, _ in first })
    }
}

extension RunCard {
    /// `failure`, as it can be shown: whoever wrote the card wrote it.
    private var reason: String? { failure.map { excerpt($0, limit: 1_000) } }

    /// What the user of its weights should know; `nil` for a run that came to its end.
    /// - Parameter checkpoint: that which the weights were taken from, where they were.
    package func shortcoming(_ checkpoint: Checkpoint?) -> String? {
        switch state {
        case .finished: nil
        case .stopped: "This run was \(reason ?? "stopped early"). Its weights are those of that step."
        case .failed: "This run failed after \(stepsDone.grouped) steps: \(reason ?? "nobody knows why.")"
        case .running:
            "This run has not ended, or was ended by force. Its weights are "
                + (checkpoint.map { "of epoch \($0.progress.epoch), step \($0.step.grouped)." }
                    ?? "of epoch \(epochsDone) or later.")
        }
    }
}
