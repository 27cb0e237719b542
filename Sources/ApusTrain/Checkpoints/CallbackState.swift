import ApusCore
import ApusNN

/// What a callback keeps from one step to the next, as arrays by name, for a checkpoint.
public struct CallbackState: Hashable, Sendable {
    public var arrays: [String: NDArray]

    public init(_ arrays: [String: NDArray] = [:]) { self.arrays = arrays }

    /// A single number, with all its bits; `nil` where there is none of that name.
    public subscript(number name: String) -> Double? {
        get { numbers(name)?.first }
        set { arrays[name] = newValue.map { NDArray(scalar: $0) } }
    }

    /// A whole number up to 2^53; `nil` where there is none of that name.
    public subscript(count name: String) -> Int? {
        get { self[number: name].flatMap { Int(exactly: $0) } }
        set { self[number: name] = newValue.map { Double($0) } }
    }

    /// Whole numbers up to 2^53; none where there is nothing of that name.
    public subscript(counts name: String) -> [Int] {
        get { numbers(name)?.compactMap { Int(exactly: $0) } ?? [] }
        set { arrays[name] = NDArray(newValue.map { Double($0) }) }
    }

    private func numbers(_ name: String) -> [Double]? { arrays[name].map(\.doubles) }
}

extension CallbackState {
    /// Keeps the values of `model`'s variables.
    mutating func keep(_ weights: [NDArray], of model: Model) {
        for (entry, value) in zip(model.variables, weights) { arrays["weights/\(entry.path)"] = value }
    }

    /// The values that `keep(_:of:)` kept, in the model's order; empty where it kept none.
    /// - Throws: `ApusError.shape` where they are another model's.
    func weights(of model: Model) throws -> [NDArray] {
        guard arrays.keys.contains(where: { $0.hasPrefix("weights/") }) else { return [] }
        return try model.variables.map { entry in
            let value = arrays["weights/\(entry.path)"]
            guard let value, value.shape == entry.variable.shape, value.elementType == entry.variable.type.elementType
            else { throw Checkpoint.mismatch(entry, value) }
            return value
        }
    }
}
