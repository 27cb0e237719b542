import Foundation

/// Writes a table with a line for each epoch: a header, then numbers, divided by commas.
///
/// Columns: `epoch`, `steps`, the training's figures, those of the validation with `val_` before them,
/// `learning_rate`, `seconds`. Where a training goes on from a checkpoint, the file holds the epochs before it, whatever
/// was written after.
public final class CSVLog: Callback, RecordKeeping {
    public let url: URL
    public let appends: Bool
    private var file: LogFile?

    /// - Parameters:
    ///   - url: The file; its folder must be there.
    ///   - appends: Whether lines are added to a file that is already there. Default `false`: it is written anew.
    public init(_ url: URL, appends: Bool = false) {
        self.url = url
        self.appends = appends
    }

    /// - Throws: `ApusError.file` where the file cannot be opened for writing.
    public func trainingWillStart(_ training: Training) throws {
        file = try LogFile(url, appends: appends)
        if !appends { try training.earlierHistory.epochs.forEach(write) }
    }

    /// - Throws: `ApusError.file` where the line cannot be written.
    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try write(record)
        return .continue
    }

    private func write(_ record: EpochRecord) throws {
        let columns = record.columns
        if let file, file.isEmpty { try file.write(line: columns.map(\.name).joined(separator: ",")) }
        let values = columns.map {
            $0.value == $0.value.rounded() && abs($0.value) < 1e15 ? whole($0.value) : "\($0.value)"
        }
        try file?.write(line: values.joined(separator: ","))
    }

    var openFile: OpenFile? { file?.file }
    public func state(in training: Training) -> CallbackState? { file?.state(appends: appends) }
    public func restore(_ state: CallbackState, _ training: Training) throws { try file?.restore(state) }

    public func trainingDidEnd(_ history: History, _ training: Training) { file = nil }
    public func trainingDidFail(_ error: any Error, _ training: Training) { file = nil }

    private func whole(_ value: Double) -> String { "\(Int(value))" }
}
