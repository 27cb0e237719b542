import ApusCore

/// Samples in memory: what a network reads (inputs) and what it should answer (targets).
///
/// A data set is a table. Each column is an array whose first axis is the sample, and all columns have equally many.
/// The numbers stay as they came (pixels as bytes); `BatchLoader` converts them when it gathers a batch.
public struct Dataset: Sendable {
    /// The columns that feed the network's inputs, in order. There is at least one.
    public private(set) var inputs: [Column]
    /// The columns that the loss compares with the network's outputs; none where a network has no targets.
    public private(set) var targets: [Column]
    /// How much each sample counts in the loss, float32 `[count]`; `nil` where all count the same.
    public private(set) var sampleWeights: NDArray?
    /// A short name for messages.
    public var name: String
    /// Where the samples came from, in words.
    public var source: String
    /// The SHA-256 of each (unpacked) file that the samples were read from.
    public var checksums: [String: String]

    /// A data set of the given columns.
    /// - Throws: `ApusError.shape` where there is no input, the columns differ in their number of samples, or the
    ///   weights are not one for each; `ApusError.setting` for a weight that is negative or not finite.
    public init(
        inputs: [Column], targets: [Column] = [], sampleWeights: NDArray? = nil, name: String = "data",
        source: String = "values given by the program", checksums: [String: String] = [:]
    ) throws {
        guard let first = inputs.first else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Dataset", expected: "at least one input column", received: "none",
                    cure: "give the arrays that feed the network's inputs"))
        }
        for (kind, columns) in [("input", inputs), ("target", targets)] {
            for (index, column) in columns.enumerated() where column.count != first.count {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "Dataset", expected: "\(first.count) samples in each column, as in input 0",
                        received:
                            "\(column.count) in \(kind) \(index)\(column.name.isEmpty ? "" : " (\(column.name))")",
                        cure: "give every column the same number of samples along its first axis"))
            }
        }
        self.inputs = inputs
        self.targets = targets
        self.name = name
        self.source = source
        self.checksums = checksums
        self.sampleWeights = try sampleWeights.map { try Self.checked(weights: $0, count: first.count) }
    }

    /// The number of samples.
    public var count: Int { inputs[0].count }
    public var isEmpty: Bool { count == 0 }

    private static func checked(weights: NDArray, count: Int) throws -> NDArray {
        guard weights.shape == [count] else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "Dataset", expected: "sample weights of shape [\(count)]", received: "\(weights.shape)",
                    cure: "give one weight for each sample"))
        }
        let weights = weights.converted(to: .float32)
        if let index = weights.floats.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
            throw ApusError.setting(
                owner: "Dataset", name: "sampleWeights[\(index)]", value: "\(weights.floats[index])",
                expected: "a finite number that is not negative")
        }
        return weights
    }

    /// The same data set with other columns; the caller answers for their numbers of samples.
    func replacing(inputs: [Column]? = nil, targets: [Column]? = nil, sampleWeights: NDArray?? = nil) -> Dataset {
        var result = self
        result.inputs = inputs ?? self.inputs
        result.targets = targets ?? self.targets
        if let sampleWeights { result.sampleWeights = sampleWeights }
        return result
    }
}

extension Dataset {
    /// A data set of one input array and, perhaps, one target array.
    ///
    /// - Parameters:
    ///   - inputs: `[n, ...]`.
    ///   - targets: `[n, ...]`; int32 `[n]` for labels.
    ///   - scale: What uint8 and float inputs are multiplied by; 1/255 brings bytes to 0...1. Default 1.
    /// - Throws: As `init(inputs:targets:sampleWeights:name:source:checksums:)`.
    public init(
        inputs: NDArray, targets: NDArray? = nil, scale: Float = 1, sampleWeights: NDArray? = nil, name: String = "data"
    ) throws {
        try self.init(
            inputs: [Column(inputs, scale: scale)], targets: targets.map { [try Column($0)] } ?? [],
            sampleWeights: sampleWeights, name: name)
    }

    /// A data set of plain Swift numbers: samples one after another, each row-major.
    ///
    /// - Parameters:
    ///   - inputs: All samples' numbers.
    ///   - inputShape: The shape of one sample; `[2]` for pairs.
    ///   - targets: All samples' target numbers.
    ///   - targetShape: The shape of one target; `[1]` for a single number. Default `[1]`.
    /// - Throws: `ApusError.shape` where the numbers do not divide into samples, or give more of one than of the other.
    public init(
        inputs: [Float], inputShape: Shape, targets: [Float], targetShape: Shape = [1], name: String = "data"
    ) throws {
        try self.init(
            inputs: [Column(inputs, sampleShape: inputShape, called: "inputs")],
            targets: [Column(targets, sampleShape: targetShape, called: "targets")], name: name)
    }

    /// A data set of plain Swift numbers with a class label for each sample.
    /// - Throws: As `init(inputs:inputShape:targets:targetShape:name:)`; `ApusError.setting` for a label that 32 bits do
    ///   not hold.
    public init(inputs: [Float], inputShape: Shape, labels: [Int], name: String = "data") throws {
        if let index = labels.firstIndex(where: { Int32(exactly: $0) == nil }) {
            throw ApusError.setting(
                owner: name, name: "the label of sample \(index)", value: "\(labels[index])",
                expected: "a class's number, from 0 on")
        }
        try self.init(
            inputs: [Column(inputs, sampleShape: inputShape, called: "inputs")],
            targets: [Column(NDArray(labels.map { Int32(clamping: $0) }))], name: name)
    }
}
