import ApusCore
import ApusNN
import ApusPlan
import Foundation

extension NotFiniteProblem {
    /// The names of what `write(to:)` writes.
    public enum FileName {
        public static let text = "report.txt"
        public static let report = "report.json"
        public static let batch = "batch.safetensors"
        public static let variables = "variables.safetensors"
    }

    /// Writes all that is known into `folder`, which is made where it is missing: the report as text and as JSON, the
    /// batch with its samples' places in the data set (`sampleIndices`, where there are such), and the values of all
    /// variables from before the step.
    ///
    ///     do { try trainer.fit(data, epochs: 10) } catch ApusError.notFinite(let problem) {
    ///         try problem.write(to: URL(fileURLWithPath: "failure"))
    ///     }
    ///
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func write(to folder: URL) throws {
        try makeFolder(at: folder)
        try AtomicFile.write(Data((description + "\n").utf8), to: folder.appendingPathComponent(FileName.text))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let summary = Summary(
            quantity: quantity, epoch: epoch, step: step, origin: origin, seed: failedStep?.seed,
            sampleIndices: failedStep?.sampleIndices ?? [], report: report)
        try AtomicFile.write(
            try encoder.encode(summary) + Data("\n".utf8), to: folder.appendingPathComponent(FileName.report))
        guard let failedStep else { return }
        var batch = failedStep.batch
        if !failedStep.sampleIndices.isEmpty {
            batch.append(NamedArray("sampleIndices", NDArray(failedStep.sampleIndices.map { Int32($0) })))
        }
        try Safetensors.write(
            batch.withUniqueNames.map { ($0.name, $0.value) }, to: folder.appendingPathComponent(FileName.batch))
        try Safetensors.write(
            failedStep.variables.map { ($0.name, $0.value) }, to: folder.appendingPathComponent(FileName.variables))
    }

    private struct Summary: Encodable {
        let quantity: String
        let epoch: Int?
        let step: Int
        let origin: String?
        let seed: UInt64?
        let sampleIndices: [Int]
        let report: NotFiniteReport?
    }
}
