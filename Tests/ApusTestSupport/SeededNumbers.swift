import ApusCore

/// Numbers for tests, one after the other from Philox: the same for the same seed and stream.
package struct SeededNumbers: RandomNumberGenerator, Sendable {
    private let philox: Philox
    private var index = 0

    package init(seed: UInt64, stream: UInt32 = 0) { philox = Philox(seed: seed, stream: stream) }

    package mutating func next() -> UInt64 {
        defer { index += 2 }
        return UInt64(philox.word(index)) << 32 | UInt64(philox.word(index + 1))
    }

    /// The next number, uniform on `range`.
    package mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * (Double(next() >> 11) * 0x1p-53)
    }

    /// The next `count` numbers, uniform on `range`.
    package mutating func uniform(_ range: ClosedRange<Double>, count: Int) -> [Double] {
        (0..<count).map { _ in uniform(range) }
    }

    /// A number whose magnitude is uniform on `range`, of either sign.
    package mutating func signed(_ range: ClosedRange<Double>) -> Double {
        let magnitude = uniform(range)
        return next() >> 63 == 0 ? magnitude : -magnitude
    }

    /// An array of numbers uniform on `range`.
    package mutating func array(_ shape: Shape, in range: ClosedRange<Double> = -1...1) -> NDArray {
        NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<Float>) in
            for index in values.indices { values[index] = Float(uniform(range)) }
        }
    }
}
