import ApusCLI
import ApusTestSupport
import Foundation
import Testing

@Suite struct BenchTests {
    /// The phases that need no long run, with every field that Benchmarks/compare reads.
    @Test(arguments: [("training", ["first_step_s", "peak_memory_bytes"]), ("inference", ["peak_memory_bytes"])])
    func aLineHasTheFiguresOfItsPhase(phase: String, figures: [String]) throws {
        let result = try BuiltProgram.run(
            ["bench", "perceptron", "--phase", phase, "--batch-size", "2", "--threads", "1"], in: TemporaryFolder())
        #expect(result.status == 0, "\(result.errors)")
        let line = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(line["workload"] as? String == "perceptron" && line["phase"] as? String == phase)
        #expect(line["batch"] as? Int == 2 && line["precision"] as? String == "float32")
        for figure in figures + ["ms_per_step"] {
            #expect((line[figure] as? Double).map { $0 > 0 } == true, "\(figure)")
        }
    }

    /// The same calls as of the other systems (`Benchmarks/comparison_test.py`): short blocks until one takes 30 ms, then
    /// 4 blocks of 300 ms; of a call of 8 s two; a disturbed first call does not make blocks shorter.
    @Test(
        arguments: [
            ([10.0], [1, 1, 2, 4, 30, 30, 30, 30], 10.0), ([8_000], [1, 1], 8_000),
            ([2_000, 10], [1, 1, 2, 4, 30, 30, 30, 30], 10), ([900], [1, 1, 1, 1, 1, 1], 900),
            ([10, 10, 10, 10, 12, 9, 11, 13], [1, 1, 2, 4, 30, 30, 30, 30], 9),
        ] as [([Double], [Int], Double)])
    func blocksTakeThreeTenthsOfASecond(times: [Double], counts: [Int], best: Double) {
        var asked: [Int] = []
        let found = BestTime.milliseconds { count in
            asked.append(count)
            return times[min(asked.count, times.count) - 1]
        }
        #expect(found == best)
        #expect(asked == counts)
    }

    @Test func aBlockHasAtMostSoManyCalls() {
        var asked: [Int] = []
        #expect(
            BestTime.milliseconds { count in
                asked.append(count)
                return 0
            } == 0)
        #expect(asked.max() == 100_000 && asked.suffix(4) == [100_000, 100_000, 100_000, 100_000])
    }

    @Test func anUnknownPhaseIsAnswered() throws {
        let result = try BuiltProgram.run(["bench", "mlp", "--phase", "trainin"], in: TemporaryFolder())
        #expect(result.status == 2)
        #expect(result.errors.contains("training"))
    }

    @Test func peakMemoryIsReadFromTheStatus() {
        let status = "Name:\tapus\nVmPeak:\t  900000 kB\nVmHWM:\t   40120 kB\nVmRSS:\t   39000 kB\n"
        #expect(ProcessMemory.peakByteCount(inStatus: status) == 40_120 * 1_024)
        for wrong in ["", "VmHWM:\t40120 MB\n", "VmHWM:\n", "VmHWM:\tx kB\n"] {
            #expect(ProcessMemory.peakByteCount(inStatus: wrong) == nil)
        }
    }

    /// Numbers have four digits after the point; a figure that is not known is left out.
    @Test func aLineIsJSON() {
        var line = BenchLine(workload: "mlp", phase: .epoch, precision: .float32, device: "cpu", batchSize: 32)
        line.add("ms_per_step", 1.23456)
        line.add("step_count", 7)
        line.add("peak_memory_bytes", nil)
        #expect(
            line.description.hasSuffix(
                "\"workload\": \"mlp\", \"phase\": \"epoch\", \"precision\": \"float32\", \"mode\": \"plan\", "
                    + "\"device\": \"cpu\", \"batch\": 32, \"ms_per_step\": 1.2346, \"step_count\": 7}"))
    }
}
