import Foundation

/// Writes a line of JSON for each epoch, with the columns of `CSVLog`; `History(jsonLines:)` reads it.
///
///     {"epoch":1,"steps":469,"loss":0.0541,"accuracy":0.7663,"val_loss":0.037,...,"learning_rate":0.5,"seconds":1.02}
///
/// A figure that is not finite is written as `null`. Where a training goes on from a checkpoint, the file holds the
/// epochs before it, whatever was written after.
public final class JSONLinesLog: Callback, RecordKeeping {
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
        if !appends { try training.earlierHistory.epochs.forEach { try file?.write(line: $0.jsonLine) } }
    }

    /// - Throws: `ApusError.file` where the line cannot be written.
    public func epochDidEnd(_ record: EpochRecord, _ training: Training) throws -> TrainingDecision {
        try file?.write(line: record.jsonLine)
        return .continue
    }

    var openFile: OpenFile? { file?.file }
    public func state(in training: Training) -> CallbackState? { file?.state(appends: appends) }
    public func restore(_ state: CallbackState, _ training: Training) throws { try file?.restore(state) }

    public func trainingDidEnd(_ history: History, _ training: Training) { file = nil }
    public func trainingDidFail(_ error: any Error, _ training: Training) { file = nil }
}
