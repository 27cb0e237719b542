import ApusCore

/// The random arrays behind the initializers; element `i` depends on the stream and `i` alone (but for orthogonal).
struct InitialDraw {
    let philox: Philox
    let shape: Shape

    func uniform(_ low: Float, _ high: Float) -> NDArray {
        filled { words, lane in low + (high - low) * (Float(words[lane] >> 8) * 0x1p-24) }
    }

    func normal(_ mean: Float, _ deviation: Float) -> NDArray {
        NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for start in stride(from: 0, to: target.count, by: 4) {
                let numbers = philox.normals(UInt32(truncatingIfNeeded: start / 4))
                for lane in 0..<min(4, target.count - start) {
                    target[start + lane] = mean + deviation * numbers[lane]
                }
            }
        }
    }

    /// By the inverse of the distribution function, from all 32 bits of a word.
    func truncatedNormal(_ mean: Float, _ deviation: Double) -> NDArray {
        let lowest = normalProbability(-2)
        let share = 1 - 2 * lowest
        return filled { words, lane in
            let probability = lowest + share * ((Double(words[lane]) + 0.5) * 0x1p-32)
            return mean + Float(deviation * normalQuantile(probability))
        }
    }

    func scaledUniform(variance: Double) -> NDArray {
        let limit = Float((3 * variance).squareRoot())
        return uniform(-limit, limit)
    }

    /// Cutting a standard normal distribution at 2 leaves it a deviation of 0.8796...
    func scaledNormal(variance: Double) -> NDArray {
        truncatedNormal(0, variance.squareRoot() / 0.87962566103423978)
    }

    func identity(gain: Float) -> NDArray {
        NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for index in 0..<min(shape[0], shape[1]) { target[index * shape[1] + index] = gain }
        }
    }

    /// The orthogonal factor Q of a matrix of normal numbers, with the signs that make R's diagonal positive: so all
    /// orthogonal matrices are equally likely.
    ///
    /// Source: Mezzadri, How to generate random matrices from the classical compact groups, 2007.
    func orthogonal(gain: Float) -> NDArray {
        let (rows, columns) = (shape.sizes.dropLast().reduce(1, *), shape[-1])
        let (length, count) = (max(rows, columns), min(rows, columns))
        let numbers = InitialDraw(philox: philox, shape: [count, length]).normal(0, 1).floats
        var vectors = VectorRows(count: count, length: length) { Double(numbers[$0 * length + $1]) }
        vectors.orthonormalize()
        return NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for row in 0..<rows {
                for column in 0..<columns {
                    let value = rows >= columns ? vectors[column, row] : vectors[row, column]
                    target[row * columns + column] = gain * Float(value)
                }
            }
        }
    }

    /// Four elements from each block.
    private func filled(_ value: (SIMD4<UInt32>, Int) -> Float) -> NDArray {
        NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for start in stride(from: 0, to: target.count, by: 4) {
                let words = philox.block(UInt32(truncatingIfNeeded: start / 4))
                for lane in 0..<min(4, target.count - start) { target[start + lane] = value(words, lane) }
            }
        }
    }
}

/// The standard normal distribution function.
func normalProbability(_ x: Double) -> Double { 0.5 * (1 + Double.erf(x * 0.5.squareRoot())) }

/// The x whose `normalProbability` is `probability`, for those from -2.5 to 2.5: a logistic guess, off by less than
/// 0.03 there, and three of Halley's steps, which take the error to its third power each time.
func normalQuantile(_ probability: Double) -> Double {
    var x = Double.log(probability / (1 - probability)) / 1.702
    for _ in 0..<3 {
        let density = Double.exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
        let newton = (normalProbability(x) - probability) / density
        x -= newton / (1 + 0.5 * x * newton)
    }
    return x
}
