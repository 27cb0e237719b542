/// What running a step again, operation by operation, has found: the first operation that made something else than
/// finite numbers of finite ones, on the way to what failed.
public struct NotFiniteReport: Hashable, Sendable, Codable {
    /// To which part of a step an operation belongs.
    public enum Position: Hashable, Sendable, Codable {
        /// On the way to the loss.
        case forward
        /// On the way from the loss to the gradients.
        case gradient
        /// On the way from a variable's gradient to its next value; the variable's path.
        case update(String)
    }

    /// The operation as graphs print it, as in `matMul(left transposed)`.
    public var operation: String
    /// Its layer, as in `encoder/dense2`; empty outside layers.
    public var layer: String
    public var position: Position
    /// What it made.
    public var result: ArrayRange
    /// What it made that of.
    public var inputs: [ArrayRange]
    /// The place of the first number that is not finite, an index for each axis.
    public var element: [Int]
    /// The sample that this number belongs to, by its place in the batch; `nil` where no axis is the batch.
    public var batchIndex: Int?
    /// The same sample by its place in the data set.
    public var sampleIndex: Int?
    /// The data set's name; empty where there is none.
    public var dataset: String
    /// The operations from this one to what failed, in words; each has taken in the one before it.
    public var path: [String]
    /// Every value of the step up to this operation, in the order of the run.
    public var values: [ArrayRange]

    public init(
        operation: String, layer: String, position: Position, result: ArrayRange, inputs: [ArrayRange],
        element: [Int], batchIndex: Int? = nil, sampleIndex: Int? = nil, dataset: String = "", path: [String] = [],
        values: [ArrayRange] = []
    ) {
        self.operation = operation
        self.layer = layer
        self.position = position
        self.result = result
        self.inputs = inputs
        self.element = element
        self.batchIndex = batchIndex
        self.sampleIndex = sampleIndex
        self.dataset = dataset
        self.path = path
        self.values = values
    }
}

/// The numbers of an array in short.
public struct ArrayRange: Hashable, Sendable, Codable {
    /// What the array is: the operation that made it, a variable, an input.
    public var name: String
    /// Element type and shape, as in `float32[128, 10]`.
    public var type: String
    public var elementCount: Int
    public var nanCount = 0
    public var infinityCount = 0
    /// The smallest and the largest of the finite numbers, and the mean of their magnitudes; `nil` where there is none.
    public var minimum: Double?
    public var maximum: Double?
    public var meanMagnitude: Double?

    public init(name: String, type: String, elementCount: Int) {
        self.name = name
        self.type = type
        self.elementCount = elementCount
    }

    /// How many numbers are not finite.
    public var notFiniteCount: Int { nanCount + infinityCount }

    /// The range of `values`, and the place of the first that is not finite.
    package static func measure(
        _ values: UnsafeBufferPointer<Float>, name: String, type: String
    ) -> (range: ArrayRange, firstNotFinite: Int?) {
        var range = ArrayRange(name: name, type: type, elementCount: values.count)
        var first: Int?
        var (low, high, sum, count) = (Float.infinity, -Float.infinity, 0.0, 0)
        for (place, value) in values.enumerated() {
            if value.isFinite {
                low = min(low, value)
                high = max(high, value)
                sum += Double(value.magnitude)
                count += 1
            } else {
                if first == nil { first = place }
                if value.isNaN { range.nanCount += 1 } else { range.infinityCount += 1 }
            }
        }
        if count > 0 {
            (range.minimum, range.maximum, range.meanMagnitude) = (Double(low), Double(high), sum / Double(count))
        }
        return (range, first)
    }
}
