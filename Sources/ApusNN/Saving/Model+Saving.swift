import ApusCore
import ApusGraph
import Foundation

/// A saved model is a folder of two files: `model.json`, what it is, and `weights.safetensors`, its variables by path.
extension Model {
    package static let descriptionFile = "model.json"
    package static let weightsFile = "weights.safetensors"

    /// Saves the model into the folder `url`, which is made where it is missing.
    ///
    /// Each file appears only when it is complete. Initializers and regularizers of your own types are not kept.
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func save(to url: URL) throws {
        try makeFolder(at: url)
        try saveWeights(to: url.appendingPathComponent(Self.weightsFile))
        try saveDescription(to: url.appendingPathComponent(Self.descriptionFile))
    }

    /// Saves the values of all variables as one safetensors file.
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func saveWeights(to url: URL) throws {
        try Safetensors.write(variables.map { ($0.path, $0.variable.value) }, to: url)
    }

    /// Saves what the model is, without values, as one JSON file.
    /// - Throws: `ApusError.file` with `.unwritable`.
    public func saveDescription(to url: URL) throws {
        try AtomicFile.write(try descriptionData(), to: url)
    }

    /// What the model is, as JSON: the same model gives the same bytes.
    public func descriptionData() throws -> Data { try ModelDescription(self).data() }

    /// The model of a description, with first values drawn by `seed`.
    /// - Throws: `ApusError.file` with `.foreign` or `.damaged`, which name the description by `path`.
    public convenience init(description: Data, path: String = "description", seed: UInt64 = 0) throws {
        try self.init(description: description, path: path, seed: seed, memoryLimit: MemoryLimit.byteCount)
    }

    /// - Parameter memoryLimit: The most bytes that the variables and their first values may take.
    package convenience init(description: Data, path: String, seed: UInt64 = 0, memoryLimit: Int) throws {
        try self.init(ModelDescription(description, path: path), path: path, seed: seed, memoryLimit: memoryLimit)
    }

    /// The model saved in the folder `url`, with its values.
    /// - Throws: `ApusError.file`, and `ApusError.shape` where the two files do not belong together.
    public convenience init(contentsOf url: URL) throws {
        let file = url.appendingPathComponent(Self.descriptionFile)
        let description = try ModelDescription(
            contents(of: file, byteLimit: ModelDescription.fileByteLimit), path: file.path)
        let wanted = description.variables.map { ($0.path, $0.type) }
        let values = try Self.values(for: wanted, from: url.appendingPathComponent(Self.weightsFile))
        try self.init(description, path: file.path, values: values)
    }

    /// Replaces the values of all variables by those of a safetensors file, or of a saved model's folder.
    /// - Throws: `ApusError.file`; `ApusError.shape` where a tensor is missing, too many, or of another type. No
    ///   variable is changed then.
    public func loadWeights(from url: URL) throws {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
        let file = isFolder.boolValue ? url.appendingPathComponent(Self.weightsFile) : url
        let values = try Self.values(for: variables.map { ($0.path, $0.variable.type) }, from: file)
        for entry in variables {
            if let value = values[entry.path] { try entry.variable.assign(value) }
        }
    }

    /// The tensors of a file, which are just the `wanted` ones.
    private static func values(
        for wanted: [(path: String, type: TensorType)], from url: URL
    ) throws -> [String: NDArray] {
        let found = Dictionary(uniqueKeysWithValues: try Safetensors.read(url).map { ($0.name, $0.value) })
        func mismatch(_ layer: String?, _ expected: String, _ received: String) -> ApusError {
            .shape(
                ShapeProblem(
                    layer: layer, operation: "weights in \(url.path)", expected: expected, received: received,
                    cure: "load weights that were saved from the same model"))
        }
        let missing = wanted.filter { found[$0.path] == nil }
        if !missing.isEmpty {
            throw mismatch(nil, "tensors for all variables", "none named \(listed(missing.map(\.path)))")
        }
        let unexpected = Set(found.keys).subtracting(wanted.map(\.path)).sorted()
        if !unexpected.isEmpty { throw mismatch(nil, "tensors for the model's variables only", listed(unexpected)) }
        for (path, type) in wanted {
            guard let value = found[path], value.shape == type.shape, value.elementType == type.elementType else {
                let received = found[path].map { "\(TensorType($0.shape, $0.elementType))" } ?? "nothing"
                throw mismatch(path, "\(type)", received)
            }
        }
        return found
    }
}

/// The first three names, and how many more.
private func listed(_ names: [String]) -> String {
    let shown = names.prefix(3).map { "'\(excerpt($0))'" }.joined(separator: ", ")
    return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
}
