import Apus
import Foundation

/// Weights that a run begins with, from a file.
struct FirstWeights {
    let path: String
    /// SHA-256.
    let checksum: String

    /// Gives them to `model`.
    /// - Throws: `ApusError.file`, `ApusError.shape`.
    init(_ path: String, for model: Model) throws {
        let url = URL(fileURLWithPath: path)
        try model.loadWeights(from: url)
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        let file = isFolder.boolValue ? url.appendingPathComponent(Model.weightsFile) : url
        self.path = url.path
        checksum = try contents(of: file).withUnsafeBytes { try SHA256.hexadecimal(of: $0) }
    }

    /// Gives a run's first weights to `model` again; does nothing where the seed gave them.
    /// - Throws: `ApusError.file`, also where the file is not the one that the run began with.
    static func restore(_ card: RunCard, to model: Model) throws {
        guard let path = card.firstWeights else { return }
        let weights = try FirstWeights(path, for: model)
        if let checksum = card.firstWeightsChecksum, checksum != weights.checksum {
            throw ApusError.file(
                path: path, .foreign(expected: "the weights that the run began with", found: "other ones"))
        }
    }
}
