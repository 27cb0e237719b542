import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

@Suite(.serialized) struct ProfileTests {
    /// 2 ms: a product of 1 ms with half of the possible operations, a pass of 0.5 ms at full speed, and 0.5 ms between.
    private func profile(stepSeconds: Double = 2e-3) -> StepProfile {
        let peaks = MachinePeaks(
            float32: 200e9, bfloat16Dots: 300e9, bfloat16Tiles: nil,
            memory: [
                .init(byteCount: 48 << 10, bytesPerSecond: 100e9), .init(byteCount: 3 << 20, bytesPerSecond: 20e9),
            ])
        return StepProfile(
            workload: "example", precision: .bfloat16, batchSize: 32, threadCount: 2, peaks: peaks,
            stepSeconds: stepSeconds,
            rows: [
                .init(
                    number: 0, layer: "", part: .forward, operation: "softmax", shapes: "[32, 10]", kernel: "Softmax",
                    implementation: nil, seconds: 5e-4, flopCount: 500_000, byteCount: 10_000_000, bound: .memory,
                    boundSeconds: 5e-4),
                .init(
                    number: 1, layer: "dense", part: .backward, operation: "matMul", shapes: "[32, 10] x [20, 10]",
                    kernel: "MatMul", implementation: "brg", seconds: 1e-3, flopCount: 100_000_000,
                    byteCount: 1_000_000, bound: .arithmetic, boundSeconds: 5e-4),
            ])
    }

    @Test func tableSaysAll() {
        let expected = """
            example, batch 32, bfloat16: 2.0000 ms a step, 1.5000 of it in 2 kernels
            measured with 2 threads, GFLOP/s: float32 200, bfloat16 300 by dot products, - by AMX;
            GB/s of passes over as many bytes: 100 (48 KiB), 20 (3 MiB)
            at these rates the kernels would take 1.0000 ms, 50.0 % of the step

                ms     %  layer  part      operation  shapes               by   GFLOP/s  GB/s  bound       reached
            1.0000  50.0  dense  backward  matMul     [32, 10] x [20, 10]  brg    100.0   1.0  arithmetic     50 %
            0.5000  25.0         forward   softmax    [32, 10]                      1.0  20.0  memory        100 %

            layer            forward  backward  update      ms      %
            dense                       1.0000          1.0000   50.0
            (no layer)        0.5000                    0.5000   25.0
            all kernels       0.5000    1.0000          1.5000   75.0
            outside kernels                             0.5000   25.0
            step                                        2.0000  100.0

            """
        #expect(ProfileTable(profile()).text == expected)
    }

    /// 1.5 ms of kernels are 7 % more than a step of 1.4 ms, 20 % more than one of 1.25.
    @Test func aBusyMachineIsTold() {
        #expect(!ProfileTable(profile(stepSeconds: 1.4e-3)).text.contains("idle"))
        #expect(
            ProfileTable(profile(stepSeconds: 1.25e-3)).text.hasSuffix(
                "\nThe kernels took 20 % longer than a whole step did without clocks, probably because other programs "
                    + "were at work. Measure again when the machine is idle.\n"))
    }

    @Test func whatDoesNotFitIsSummedUp() {
        let text = ProfileTable(profile(), rowLimit: 1).text
        #expect(text.contains("\n0.5000  25.0  1 more kernels\n"))
    }

    /// Times in microseconds from the first step's start; a kernel lies within its step.
    @Test func traceFollowsTheFormat() throws {
        var trace = ChromeTrace()
        trace.append(profile(), timeline: [[5_000, 6_500, 8_000], [10_000, 11_000, 12_000]])
        trace.append(profile(), timeline: [[1_000, 2_000, 3_000]])
        let json = try #require(try JSONSerialization.jsonObject(with: trace.data()) as? [String: Any])
        #expect(json["displayTimeUnit"] as? String == "ms")
        let events = try #require(json["traceEvents"] as? [[String: Any]])
        let complete = events.filter { $0["ph"] as? String == "X" }
        #expect(events.filter { $0["ph"] as? String == "M" }.count == 4)
        #expect(events.allSatisfy { $0["pid"] is Int && $0["tid"] is Int && $0["name"] is String })
        let shown = complete.map { event in
            "\(event["pid"] ?? 0) \(event["name"] ?? "") \(event["cat"] ?? "") \(event["ts"] ?? "") \(event["dur"] ?? "")"
        }
        #expect(
            shown == [
                "1 step 1 step 0 3", "1 softmax forward 0 1.5", "1 dense: matMul backward 1.5 1.5",
                "1 step 2 step 5 2", "1 softmax forward 5 1", "1 dense: matMul backward 6 1",
                "2 step 1 step 0 2", "2 softmax forward 0 1", "2 dense: matMul backward 1 1",
            ])
        let details = try #require(complete[2]["args"] as? [String: Any])
        #expect(details["shapes"] as? String == "[32, 10] x [20, 10]")
        #expect(details["flops"] as? Int == 100_000_000)
    }

    @Test func benchProfilesAndWritesFiles() throws {
        let folder = try TemporaryFolder()
        let result = try BuiltProgram.run(
            [
                "bench", "perceptron", "--batch-size", "8", "--profile", "--profile-json", "profile.json", "--trace",
                "trace.json",
            ], in: folder)
        #expect(result.status == 0)
        // One line for programs; the table goes elsewhere.
        #expect(result.output.split(separator: "\n").count == 1)
        #expect(result.output.hasPrefix("{\"peer\": \"apus "))
        let line = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(line["profiled_ms"] as? Double ?? 0 > 0 && line["bound_ms"] as? Double ?? 0 > 0)
        #expect(result.errors.hasPrefix("perceptron, batch 8, float32: "))
        let profiles = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: folder.file("profile.json"))) as? [[String: Any]])
        #expect(profiles.count == 1 && profiles[0]["workload"] as? String == "perceptron")
        #expect(profiles[0]["precision"] as? String == "float32")
        let kernels = try #require(profiles[0]["kernels"] as? [[String: Any]])
        #expect(kernels.contains { $0["operation"] as? String == "matMul+bias+sigmoid" })
        #expect(kernels.allSatisfy { ($0["ms"] as? Double ?? 0) > 0 })
        let bounds = kernels.map { $0["bound_ms"] as? Double ?? 0 }
        let bound = try #require(profiles[0]["bound_ms"] as? Double)
        #expect(bounds.allSatisfy { $0 > 0 } && abs(bound - bounds.reduce(0, +)) < 1e-9)
        let trace = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: folder.file("trace.json"))) as? [String: Any])
        #expect((trace["traceEvents"] as? [Any])?.count == 2 + 10 * (1 + kernels.count))
    }

    /// By hand: the product of 64 x 64 by 64 x 64 numbers takes 2 * 64 * 64 * 64 = 524,288 operations. Rounded factors
    /// are held against the fastest way to multiply them; float32-fast has three such products.
    @Test(
        arguments: [
            (Precision.float32, 800e9, 200e9, 1), (.bfloat16, 800e9, 800e9, 1), (.bfloat16, nil, 300e9, 1),
            (.float32Fast, 800e9, 800e9, 3),
        ] as [(Precision, Double?, Double, Int)])
    func productsAreHeldAgainstTheirPeak(precision: Precision, tiles: Double?, rate: Double, count: Int) throws {
        let (x, y) = (Tensor.placeholder([64, 64]), Tensor.placeholder([64, 64]))
        let device = Device(name: "fast", hasFastBfloat16: true, compile: Device.cpu.compile)
        let executable = try Function(
            inputs: [x, y], outputs: [relu(matMul(x, y))], device: device, precision: precision
        ).executable(batchSize: 1)
        let profile = StepProfile(
            executable, workload: "product", batchSize: 1, threadCount: 1,
            peaks: MachinePeaks(float32: 200e9, bfloat16Dots: 300e9, bfloat16Tiles: tiles, memory: []),
            stepSeconds: 1, kernelSeconds: executable.plan.steps.map { _ in 1 })
        #expect(profile.precision == precision)
        let products = profile.rows.filter { $0.operation.hasPrefix("matMul") }
        #expect(products.count == count)
        for row in products {
            #expect(row.flopCount >= 524_288 && row.bound == .arithmetic)
            #expect(row.boundSeconds == Double(row.flopCount) / rate)
        }
        for row in profile.rows where row.operation.hasPrefix("elementwise") {
            #expect(row.boundSeconds == Double(row.flopCount) / 200e9)
        }
    }

    @Test(arguments: [["--profile"], ["--profile-json", "profile.json"], ["--trace", "trace.json"]])
    func onlyTrainingIsProfiled(_ words: [String]) throws {
        let folder = try TemporaryFolder()
        for phase in ["inference", "epoch"] {
            let result = try BuiltProgram.run(["bench", "perceptron", "--phase", phase] + words, in: folder)
            #expect(result.status == 2 && result.output.isEmpty)
            #expect(
                result.errors == "apus: Only training steps are profiled, not --phase \(phase). "
                    + "Leave out --profile, --profile-json and --trace, or leave out --phase.\n")
        }
    }

    @Test func benchWithoutProfileSaysOneLine() throws {
        let result = try BuiltProgram.run(["bench", "perceptron", "--batch-size", "1"], in: TemporaryFolder())
        #expect(result.status == 0 && result.errors.isEmpty)
        #expect(result.output.split(separator: "\n").count == 1)
    }

    /// Our own loops use no more than the variable allows, and the step is as good.
    @Test(arguments: [("AVX2", "AVX2"), ("SSE41", "baseline")])
    func instructionsFollowTheVariable(_ limit: String, _ level: String) throws {
        let folder = try TemporaryFolder()
        let environment = ["ONEDNN_MAX_CPU_ISA": limit]
        let doctor = try BuiltProgram.run(["doctor"], in: folder, environment: environment)
        let line = try #require(doctor.output.split(separator: "\n").first { $0.contains("in Apus' own loops") })
        #expect(line.contains(" \(level) ") || line.contains(" baseline "))
        let bench = try BuiltProgram.run(
            ["bench", "perceptron", "--batch-size", "8"], in: folder, environment: environment)
        #expect(bench.status == 0 && bench.errors.isEmpty)
    }
}
