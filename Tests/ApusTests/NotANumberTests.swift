import Apus
import Testing

/// What is no number is seen in the outputs, whatever computes them.
@Suite struct NotANumberTests {
    /// The rows of a dense layer's output in which all, and those in which no numbers are NaN, where row 1 has one input
    /// of NaN.
    @Test(
        arguments: [ActivationFunction.relu, .sigmoid, .tanh, .leakyReLU(), .gelu, .softplus],
        [(2, 3), (40, 10), (128, 64), (130, 512)])
    func rowsKeepIt(activation: ActivationFunction, size: (batch: Int, units: Int)) throws {
        for precision in [Precision.float32, .bfloat16] {
            let model = try Sequential(input: [250]) { Dense(size.units, activation: activation) }
            var inputs = [Float](repeating: 0.5, count: size.batch * 250)
            inputs[250 + 249] = .nan
            let outputs = try model.predict(
                NDArray(inputs, shape: [size.batch, 250]), device: .cpu, precision: precision
            ).floats
            for row in 0..<size.batch {
                let part = outputs[(row * size.units)..<((row + 1) * size.units)]
                #expect(part.allSatisfy { $0.isNaN == (row == 1) }, "row \(row), \(precision)")
            }
        }
    }

    /// A pixel in the middle of the second image: NaN is where the kernel reaches it, and nowhere else.
    @Test(arguments: [ActivationFunction.relu, .sigmoid, .tanh], [1, 3, 5])
    func placesKeepIt(activation: ActivationFunction, kernel: Int) throws {
        for (channels, filters) in [(1, 24), (3, 8), (16, 24), (32, 32), (20, 7)] {
            for precision in [Precision.float32, .bfloat16] {
                let model = try Sequential(input: [12, 12, channels]) {
                    Conv2D(filters, kernel: kernel, padding: .same, activation: activation)
                }
                var inputs = [Float](repeating: 0.5, count: 20 * 144 * channels)
                inputs[(144 + 6 * 12 + 6) * channels] = .nan
                let outputs = try model.predict(
                    NDArray(inputs, shape: [20, 12, 12, channels]), device: .cpu, precision: precision
                ).floats
                let (reach, size) = (kernel / 2, 144 * filters)
                for place in 0..<144 {
                    let isReached = abs(place / 12 - 6) <= reach && abs(place % 12 - 6) <= reach
                    let numbers = outputs[(size + place * filters)..<(size + (place + 1) * filters)]
                    #expect(
                        !isReached || numbers.allSatisfy { $0.isNaN }, "\(channels) \(filters) \(precision) \(place)")
                }
                let others = outputs[..<size] + outputs[(2 * size)...]
                #expect(others.allSatisfy { $0.isFinite }, "\(channels) \(filters) \(precision)")
            }
        }
    }
}
