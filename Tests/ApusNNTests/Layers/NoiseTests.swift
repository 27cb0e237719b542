import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct NoiseTests {
    /// With rate 0.75 a channel is 0 or 4 times itself at all its places; of 2,000 channels 500 stay, give or take
    /// five deviations of sqrt(2000 * 0.25 * 0.75) = 19.4.
    @Test func spatialDropoutTakesWholeChannels() throws {
        let layer = SpatialDropout1D(0.75)
        let ones = [Double](repeating: 1, count: 3 * 1000)
        let values = try output(layer, [3, 1000], ones + ones, mode: .training, batchSize: 2)
        #expect(Set(values) == [0, 4])
        var kept = 0
        for sample in 0..<2 {
            for channel in 0..<1000 {
                let places = (0..<3).map { values[(sample * 3 + $0) * 1000 + channel] }
                #expect(Set(places).count == 1)
                if places[0] > 0 { kept += 1 }
            }
        }
        #expect((kept - 500).magnitude < 97)
        // Samples differ, and so do seeds.
        #expect(values[0..<1000] != values[3000..<4000])
        #expect(try output(layer, [3, 1000], ones) == ones)
    }

    @Test func spatialDropoutOfImages() throws {
        let ones = [Double](repeating: 1, count: 8 * 50)
        let layers: [(any Layer, Shape)] = [
            (SpatialDropout2D(0.5), [4, 2, 50]), (SpatialDropout3D(0.5), [2, 2, 2, 50]),
        ]
        for (layer, shape) in layers {
            let values = try output(layer, shape, ones, mode: .training)
            #expect(Set(values) == [0, 2])
            for channel in 0..<50 { #expect(Set((0..<8).map { values[$0 * 50 + channel] }).count == 1) }
        }
        #expect(try output(SpatialDropout2D(0), [4, 2, 50], ones, mode: .training) == ones)
    }

    /// Of 4,000 numbers of deviation 2 the mean is 0 within five deviations of 2 / sqrt(4000), the mean square 4 within
    /// five of 4 sqrt(2 / 4000).
    @Test func gaussianNoise() throws {
        let zeros = [Double](repeating: 0, count: 4000)
        let values = try output(GaussianNoise(2), [4000], zeros, mode: .training)
        let mean = values.reduce(0, +) / 4000
        let square = values.map { $0 * $0 }.reduce(0, +) / 4000
        #expect(mean.magnitude < 0.159)
        #expect((square - 4).magnitude < 0.448)
        #expect(try output(GaussianNoise(2), [4000], zeros) == zeros)
        #expect(try output(GaussianNoise(0), [4000], zeros, mode: .training) == zeros)
    }

    @Test func faults() {
        #expect(
            fault(SpatialDropout2D(1), [4, 4, 2])
                == "SpatialDropout2D: rate is 1.0; it must be at least 0 and below 1.")
        #expect(
            fault(SpatialDropout1D(0.5), [4, 4, 2])
                == "SpatialDropout1D: input (Test.swift:7): expected [batch, steps, channels], "
                + "received [batch, 4, 4, 2]. "
                + "Cure: bring the input to this form with Reshape; what has no channels has one of them.")
        #expect(fault(GaussianNoise(-0.5), [4]) == "GaussianNoise: deviation is -0.5; it must be 0 or more.")
        #expect(fault(GaussianNoise(.infinity), [4]) == "GaussianNoise: deviation is inf; it must be 0 or more.")
    }
}
