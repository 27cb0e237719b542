import ApusCore
import ApusNN
import Foundation

/// What an epoch came to.
public struct EpochRecord: Hashable, Sendable, Codable {
    /// Counted from 1.
    public let epoch: Int
    /// Steps taken in this epoch.
    public let stepCount: Int
    /// The averages over the epoch's batches, while the weights changed.
    public let training: Figures
    /// The figures of the whole validation set after the epoch; `nil` without one.
    public let validation: Figures?
    /// The learning rate of the epoch's last step.
    public let learningRate: Double
    /// Seconds since the training started.
    public let seconds: Double

    public init(
        epoch: Int, stepCount: Int, training: Figures, validation: Figures?, learningRate: Double, seconds: Double
    ) {
        self.epoch = epoch
        self.stepCount = stepCount
        self.training = training
        self.validation = validation
        self.learningRate = learningRate
        self.seconds = seconds
    }

    /// The figure called `name`; those of the validation set begin with `val_`.
    public subscript(name: String) -> Double? {
        name.hasPrefix("val_") ? validation?[String(name.dropFirst(4))] : training[name]
    }

    /// The figures of training, then those of the validation set, whose names begin with `val_`.
    private var figures: [Figure] {
        training.entries + (validation?.entries.map { Figure("val_\($0.name)", $0.value) } ?? [])
    }

    /// All that the record holds, by the names that log files have, in their order.
    public var columns: [Figure] {
        let ends = [Figure("learning_rate", learningRate), Figure("seconds", seconds)]
        return [Figure("epoch", Double(epoch)), Figure("steps", Double(stepCount))] + figures + ends
    }
}

/// What every epoch of a training came to.
public struct History: Hashable, Sendable, Codable {
    public var epochs: [EpochRecord]

    public init(epochs: [EpochRecord] = []) { self.epochs = epochs }

    /// The figure called `name` after each epoch, as in `history["val_loss"]`; empty where there is none such.
    public subscript(name: String) -> [Double] { epochs.compactMap { $0[name] } }
}

extension EpochRecord: CustomStringConvertible {
    /// `epoch 3  loss: 0.0370  accuracy: 0.8492  val_loss: 0.0401  val_accuracy: 0.8377`.
    public var description: String { "epoch \(epoch)  \(Figures(figures))" }
}

extension History: CustomStringConvertible {
    /// A line an epoch.
    public var description: String { epochs.map(\.description).joined(separator: "\n") }
}

// MARK: JSON lines

extension EpochRecord {
    /// The columns as one line of JSON: `{"epoch":1,"steps":469,"loss":0.0541,...}`.
    public var jsonLine: String {
        let members = columns.map { column in
            let isWhole = column.name == "epoch" || column.name == "steps"
            let value = isWhole ? "\(Int(column.value))" : column.value.isFinite ? "\(column.value)" : "null"
            return "\"\(column.name)\":\(value)"
        }
        return "{\(members.joined(separator: ","))}"
    }

    /// The record that `jsonLine` gave; `nil` for any other text.
    public init?(jsonLine: String) {
        self.init(jsonLine: jsonLine.utf8)
    }

    package init?(jsonLine: some Sequence<UInt8>) {
        guard case .object(let members)? = try? JSONValue(parsing: jsonLine, depth: 1) else { return nil }
        var (epoch, stepCount) = (Int?.none, Int?.none)
        var (learningRate, seconds) = (Double?.none, Double?.none)
        var figures: [Figure] = []
        for member in members {
            let value: Double
            switch member.value {
            case .null: value = .nan
            case .number(let text):
                guard let number = Double(text), number.isFinite else { return nil }
                value = number
            default: return nil
            }
            switch member.key {
            case "epoch": epoch = Int(exactly: value)
            case "steps": stepCount = Int(exactly: value)
            case "learning_rate": learningRate = value
            case "seconds": seconds = value
            default: figures.append(Figure(member.key, value))
            }
        }
        guard let epoch, epoch >= 1, let stepCount, stepCount >= 0, let learningRate, let seconds else { return nil }
        let validation = figures.filter { $0.name.hasPrefix("val_") }
        self.init(
            epoch: epoch, stepCount: stepCount, training: Figures(figures.filter { !$0.name.hasPrefix("val_") }),
            validation: validation.isEmpty
                ? nil : Figures(validation.map { Figure(String($0.name.dropFirst(4)), $0.value) }),
            learningRate: learningRate, seconds: seconds)
    }
}

extension History {
    /// The history in a file of JSON lines, as `JSONLinesLog` writes it. What a process that was killed has left of a
    /// last line is passed over.
    /// - Throws: `ApusError.file` where the file cannot be read or holds something else.
    public init(jsonLines url: URL) throws {
        try self.init(jsonLines: contents(of: url, byteLimit: Self.fileByteLimit), path: url.path)
    }

    /// As `init(jsonLines:)`, of a file's bytes.
    package init(jsonLines bytes: Data, path: String) throws {
        epochs = try RecordLines(bytes, start: "{\"epoch\":").records(path: path, called: "epoch's record") {
            EpochRecord(jsonLine: $0)
        }
    }

    /// The longest file that is read: a million epochs and more.
    private static let fileByteLimit = 1 << 28
}

/// A loss or a metric as people read it: four digits after the point, and powers of ten from a million on.
func figureText(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    return abs(value) < 1e6 ? fixed(value, digits: 4) : String(format: "%.4e", value)
}

/// `value` with `digits` digits after the point.
func fixed(_ value: Double, digits: Int) -> String { String(format: "%.\(digits)f", value) }
