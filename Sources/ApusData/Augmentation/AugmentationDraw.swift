import ApusCore

/// The random numbers of one sample in one epoch.
///
/// Each change of the list has 256 blocks of four numbers for every sample: Philox' stream is made of the letters AU,
/// the change's place and the block's number, its step is the epoch, and its block the sample's index.
struct AugmentationDraw {
    let seed: UInt64
    let epoch: Int
    let sample: Int32

    static let placeLimit = 256

    /// Four numbers of the uniform distribution on [0, 1).
    func uniforms(_ place: Int, block: Int = 0) -> SIMD4<Double> {
        let stream =
            0x4155_0000 | UInt32(truncatingIfNeeded: place & 255) << 8 | UInt32(truncatingIfNeeded: block & 255)
        let words = Philox(seed: seed, stream: stream, step: UInt64(bitPattern: Int64(epoch)))
            .block(UInt32(bitPattern: sample))
        return SIMD4(Double(words[0]), Double(words[1]), Double(words[2]), Double(words[3])) * 0x1p-32
    }

    /// How a sample is mixed: the index of the other one, and how much of the own stays.
    func mixing(_ place: Int, alpha: Double, count: Int) -> (other: Int32, own: Double) {
        let other = Int32(truncatingIfNeeded: Int(uniforms(place)[0] * Double(count)))
        guard alpha > 0 else { return (other, 1) }
        // X / (X + Y) of two gamma variables; by their logarithms, as both may be too small to be told from 0.
        let first = gammaLogarithm(alpha, place, firstBlock: 1)
        let second = gammaLogarithm(alpha, place, firstBlock: 128)
        return (other, 1 / (1 + Double.exp(second - first)))
    }

    /// The logarithm of a variable of the gamma distribution with this shape.
    ///
    /// Source: Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, 2000, for shape + 1, from which
    /// a factor U^(1/shape) leads to any shape above 0.
    private func gammaLogarithm(_ shape: Double, _ place: Int, firstBlock: Int) -> Double {
        let d = shape + 1 - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        var logarithm = Double.log(d)
        // A try fails with a probability below 1 in 20.
        for block in firstBlock..<firstBlock + 120 {
            let u = SIMD4<Double>(repeating: 1) - uniforms(place, block: block)
            let normal = (-2 * Double.log(u[0])).squareRoot() * Double.cos(2 * .pi * u[1])
            let root = 1 + c * normal
            let v = root * root * root
            guard root > 0, Double.log(u[2]) < 0.5 * normal * normal + d * (1 - v + Double.log(v)) else { continue }
            logarithm = Double.log(d * v) + Double.log(u[3]) / shape
            break
        }
        return logarithm
    }
}
