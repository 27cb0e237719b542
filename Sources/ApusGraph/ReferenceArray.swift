import ApusCore

/// An array of the reference executor: every element type is held as `Scalar` (integers exactly, up to 2^24 in Float).
package struct ReferenceArray<Scalar: RealScalar>: Sendable {
    package let shape: Shape
    package var values: [Scalar]

    package init(_ shape: Shape, _ values: [Scalar]) {
        precondition(values.count == shape.elementCount, "\(values.count) values for \(shape)")
        self.shape = shape
        self.values = values
    }

    package init(_ shape: Shape, repeating value: Scalar = 0) {
        self.init(shape, [Scalar](repeating: value, count: shape.elementCount))
    }

    package init(_ array: NDArray) {
        self.init(array.shape, array.doubles.map { Scalar($0) })
    }

    /// The values as a host array.
    package func array(_ elementType: ElementType) -> NDArray {
        NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Double>) in
            for index in target.indices { target[index] = Double(values[index]) }
        }.converted(to: elementType)
    }

    package func map(_ transform: (Scalar) -> Scalar) -> ReferenceArray { ReferenceArray(shape, values.map(transform)) }
}

/// Walks all positions of a shape in row-major order.
package struct PositionSequence: Sequence, IteratorProtocol {
    private let shape: Shape
    private var position: [Int]
    private var remaining: Int

    package init(_ shape: Shape) {
        self.shape = shape
        position = [Int](repeating: 0, count: shape.rank)
        remaining = shape.elementCount
    }

    package mutating func next() -> [Int]? {
        guard remaining > 0 else { return nil }
        remaining -= 1
        let current = position
        for axis in position.indices.reversed() {
            position[axis] += 1
            if position[axis] < shape[axis] { break }
            position[axis] = 0
        }
        return current
    }
}

/// The place of `position` in packed storage with `strides`.
package func offset(of position: [Int], strides: [Int]) -> Int {
    zip(position, strides).reduce(0) { $0 + $1.0 * $1.1 }
}
