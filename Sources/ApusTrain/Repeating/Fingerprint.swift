import ApusCore
import ApusData
import ApusNN
import Foundation

/// What all variables were at a moment, as a 64-bit hash of each: a line of JSON.
///
///     {"step":469,"epoch":1,"variables":{"dense/kernel":"4b1f0c...","optimizer/dense/kernel/momentum":"..."}}
package struct Fingerprint: Hashable, Sendable {
    /// A variable's path, and the first 8 bytes of the SHA-256 of its values as 16 hexadecimal digits.
    package struct Entry: Hashable, Sendable {
        package let path: String
        package let hash: String
    }

    /// Steps of the training so far.
    package let step: Int
    /// The epoch that has just ended; `nil` inside one.
    package let epoch: Int?
    /// The model's variables, then the optimizer's.
    package let entries: [Entry]

    static let optimizerPrefix = "optimizer/"

    /// The variables as they are now.
    /// - Throws: `ApusError.library` where libcrypto fails.
    package init(_ training: Training, step: Int, epoch: Int?) throws {
        self.step = step
        self.epoch = epoch
        let own = training.model.variables.map { ($0.path, $0.variable) }
        let optimizers = training.optimizerVariables.map { (Self.optimizerPrefix + $0.path, $0.variable) }
        entries = try (own + optimizers).map { path, variable in
            let bytes = UnsafeRawBufferPointer(start: variable.storage, count: variable.type.byteCount)
            return Entry(path: path, hash: String(try SHA256.hexadecimal(of: bytes).prefix(Self.digitCount)))
        }
    }

    private static let digitCount = 16

    /// One hash of all the model's variables.
    package var ofWeights: String {
        get throws {
            let own = entries.filter { !$0.path.hasPrefix(Self.optimizerPrefix) }
            return String(
                try SHA256.hexadecimal(of: Array(own.map(\.hash).joined().utf8)).prefix(Self.digitCount))
        }
    }
}

extension Fingerprint {
    package var jsonLine: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .withoutEscapingSlashes
            let members = try entries.map { entry in
                "\(String(decoding: try encoder.encode(entry.path), as: UTF8.self)):\"\(entry.hash)\""
            }
            let epoch = epoch.map { ",\"epoch\":\($0)" } ?? ""
            return "{\"step\":\(step)\(epoch),\"variables\":{\(members.joined(separator: ","))}}"
        }
    }

    /// What `jsonLine` gave; `nil` for any other text.
    package init?(jsonLine: String) {
        guard let value = try? JSONValue(parsing: Array(jsonLine.utf8), depth: 4),
            let step = value["step"]?.integer, case .object(let members)? = value["variables"]
        else { return nil }
        self.step = step
        epoch = value["epoch"]?.integer
        var entries: [Entry] = []
        for member in members {
            guard case .string(let hash) = member.value else { return nil }
            entries.append(Entry(path: member.key, hash: hash))
        }
        self.entries = entries
    }

    /// The fingerprints in a file of lines, as `Fingerprints` writes it; none where there is no file. What a process that
    /// was killed has left of a last line is passed over.
    /// - Throws: `ApusError.file` where it cannot be read or holds something else.
    package static func read(_ url: URL) throws -> [Fingerprint] {
        guard FileManager.default.fileExists(atPath: url.path) else { return [] }
        return try RecordLines(contents(of: url), start: "{\"step\":").records(path: url.path, called: "fingerprint") {
            Fingerprint(jsonLine: String(decoding: $0, as: UTF8.self))
        }
    }
}

/// Writes a fingerprint of all variables after each epoch, and after every so many steps.
///
/// Where a training goes on from a checkpoint, the file is cut back to what it held then.
package final class Fingerprints: Callback, RecordKeeping {
    private let url: URL
    private let interval: Int?
    private var file: LogFile?

    /// - Parameter interval: Steps from one to the next. Default: after epochs only.
    package init(_ url: URL, every interval: Int? = nil) {
        self.url = url
        self.interval = interval
    }

    package func trainingWillStart(_ training: Training) throws {
        file = try LogFile(url, appends: training.isResumed)
    }

    package func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
        guard let interval, training.stepsDone % interval == 0 else { return }
        try write(Fingerprint(training, step: training.stepsDone, epoch: nil))
    }

    package func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try write(Fingerprint(training, step: training.stepsDone, epoch: record.epoch))
        return .continue
    }

    private func write(_ fingerprint: Fingerprint) throws { try file?.write(line: fingerprint.jsonLine) }

    package func trainingDidEnd(_ history: History, _ training: Training) { file = nil }
    package func trainingDidFail(_ error: any Error, _ training: Training) { file = nil }

    var openFile: OpenFile? { file?.file }
    package func state(in training: Training) -> CallbackState? { file?.state(appends: true) }
    package func restore(_ state: CallbackState, _ training: Training) throws { try file?.restore(state) }
}
