import ApusCore

/// One figure of a run, by the name that logs have.
public struct Figure: Hashable, Sendable, Codable {
    public let name: String
    public let value: Double

    public init(_ name: String, _ value: Double) {
        self.name = name
        self.value = value
    }

    private enum CodingKeys: String, CodingKey { case name, value }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        value = try container.decode(Double?.self, forKey: .value) ?? .nan
    }

    /// JSON has no word for numbers that are not finite: they are written as null, and read as NaN.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(value.isFinite ? value : nil, forKey: .value)
    }
}

/// The figures of a run in order: the loss, then each metric.
public struct Figures: Hashable, Sendable, Codable {
    public var entries: [Figure]

    public init(_ entries: [Figure]) { self.entries = entries }

    /// The value of the figure called `name`.
    public subscript(name: String) -> Double? { entries.first { $0.name == name }?.value }

    public var names: [String] { entries.map(\.name) }
}

extension Figures: CustomStringConvertible {
    /// `loss: 0.0370  accuracy: 0.8492`.
    public var description: String {
        entries.map { "\($0.name): \(figureText($0.value))" }.joined(separator: "  ")
    }
}
