import ApusCPU
import Testing

@Suite struct MachinePeaksTests {
    private func peaks(_ rates: [(Int, Double)], float32: Double = 1, tiles: Double? = nil) -> MachinePeaks {
        MachinePeaks(
            float32: float32, bfloat16Dots: nil, bfloat16Tiles: tiles,
            memory: rates.map { .init(byteCount: $0.0, bytesPerSecond: $0.1) })
    }

    /// Between 1,024 and 4,096 bytes, 2,048 are half the way of the logarithms.
    @Test func ratesBetweenMeasurements() {
        let peaks = peaks([(1024, 400), (4096, 100), (8192, 50)])
        #expect(peaks.memoryRate(byteCount: 2048) == 250)
        #expect(peaks.memoryRate(byteCount: 4096) == 100)
        #expect(peaks.memoryRate(byteCount: 0) == 400)
        #expect(peaks.memoryRate(byteCount: 1024) == 400)
        #expect(peaks.memoryRate(byteCount: 1 << 30) == 50)
        #expect(self.peaks([]).memoryRate(byteCount: 1) == .infinity)
    }

    @Test func theBetterOfTwoMeasurements() {
        let first = peaks([(1024, 400), (4096, 100)], float32: 3)
        let second = peaks([(1024, 300), (4096, 200)], float32: 2, tiles: 7)
        #expect(first.improved(by: second) == peaks([(1024, 400), (4096, 200)], float32: 3, tiles: 7))
        #expect(first.improved(by: second) == second.improved(by: first))
    }

    /// How fast depends on what else runs.
    @Test func measurementsAreThere() {
        let peaks = MachinePeaks.measured()
        #expect(peaks.float32 > 0)
        #expect(
            peaks.memory.map(\.byteCount) == [49152, 196608, 786432, 3_145_728, 12_582_912, 50_331_648, 201_326_592])
        #expect(peaks.memory.allSatisfy { $0.bytesPerSecond > 0 })
        for rate in [peaks.bfloat16Dots, peaks.bfloat16Tiles].compactMap({ $0 }) { #expect(rate > 0) }
    }
}
