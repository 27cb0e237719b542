import ApusCore

extension Dataset {
    /// One array of a data set, `[n, ...]`: entry `i` along the first axis belongs to sample `i`.
    public struct Column: Sendable, Hashable {
        /// The values: float32, uint8 or int32.
        public let values: NDArray
        /// What uint8 and float32 values are multiplied by in a batch.
        public let scale: Float
        /// A name for messages, such as the file's; may be empty.
        public let name: String

        /// A column of `values`. Float64 values are kept as float32.
        ///
        /// - Parameters:
        ///   - values: `[n, ...]`.
        ///   - scale: Finite; 1 for int32, which stays int32 in a batch. Default 1.
        ///   - name: Used in messages. Default empty.
        /// - Throws: `ApusError.shape` for an array without axes, `ApusError.setting` for a scale that cannot be.
        public init(_ values: NDArray, scale: Float = 1, name: String = "") throws {
            guard values.shape.rank > 0 else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "Dataset.Column", expected: "an array whose first axis is the sample",
                        received: "a single number", cure: "give an array of shape [1] for one sample"))
            }
            guard scale.isFinite, values.elementType != .int32 || scale == 1 else {
                throw ApusError.setting(
                    owner: "Dataset.Column", name: "scale", value: "\(scale)",
                    expected: values.elementType == .int32 ? "1 for int32 values, which stay whole" : "finite")
            }
            self.values = values.elementType == .float64 ? values.converted(to: .float32) : values
            self.scale = scale
            self.name = name
        }

        /// A column of samples that stand one after another in `numbers`.
        init(_ numbers: [Float], sampleShape: Shape, called name: String) throws {
            guard !sampleShape.isSymbolic, let sampleSize = Shape.product(of: sampleShape.sizes), sampleSize > 0 else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "Dataset", expected: "a shape of one sample's \(name), sizes of 1 or more",
                        received: "\(sampleShape.sizes)", cure: "leave the batch axis out"))
            }
            guard numbers.count.isMultiple(of: sampleSize) else {
                throw ApusError.shape(
                    ShapeProblem(
                        operation: "Dataset",
                        expected: "a multiple of \(sampleSize) numbers for \(name) of shape \(sampleShape)",
                        received: "\(numbers.count)", cure: "give every sample all of its numbers"))
            }
            let shape = Shape([numbers.count / sampleSize] + sampleShape.sizes)
            try self.init(NDArray(numbers, shape: shape))
        }

        /// The number of samples.
        public var count: Int { values.shape[0] }

        /// The shape of one sample.
        public var sampleShape: Shape { Shape(Array(values.shape.sizes.dropFirst())) }

        /// The type of the values in a batch: int32 stays, everything else becomes float32.
        public var batchElementType: ElementType { values.elementType == .int32 ? .int32 : .float32 }

        func replacing(values: NDArray) -> Column { Column(unchecked: values, scale: scale, name: name) }

        private init(unchecked values: NDArray, scale: Float, name: String) {
            self.values = values
            self.scale = scale
            self.name = name
        }
    }
}
