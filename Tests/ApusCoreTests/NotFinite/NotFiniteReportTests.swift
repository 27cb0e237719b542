import ApusCore
import Testing

@Suite struct NotFiniteReportTests {
    private func measure(_ values: [Float]) -> (range: ArrayRange, firstNotFinite: Int?) {
        values.withUnsafeBufferPointer { ArrayRange.measure($0, name: "x", type: "float32[\(values.count)]") }
    }

    // By hand: (2 + 4 + 0) / 3 = 2.
    @Test func rangesLeaveOutWhatIsNotFinite() {
        let (range, first) = measure([2, -4, .nan, .infinity, 0, -.infinity])
        #expect(range.minimum == -4 && range.maximum == 2 && range.meanMagnitude == 2)
        #expect(range.nanCount == 1 && range.infinityCount == 2 && range.notFiniteCount == 3)
        #expect(range.elementCount == 6 && first == 2)
        let (empty, none) = measure([])
        #expect(empty.minimum == nil && empty.meanMagnitude == nil && none == nil)
        let (all, place) = measure([.nan])
        #expect(all.maximum == nil && all.nanCount == 1 && place == 0)
        #expect(measure([1, .greatestFiniteMagnitude]).firstNotFinite == nil)
    }

    @Test func rangesInWords() {
        func words(_ values: [Float]) -> String { measure(values).range.words }
        #expect(words([1, -2.5]) == "float32[2], -2.5 to 1, mean magnitude 1.75")
        #expect(words([0]) == "float32[1], 0 to 0, mean magnitude 0")
        #expect(words([1e30, 2e-20]) == "float32[2], 2.0e-20 to 1.0e30, mean magnitude 5.0e29")
        #expect(words([0.001234567, 123456]) == "float32[2], 0.001235 to 123500, mean magnitude 61730")
        // Nine nines round up to the next power.
        #expect(words([9.9999e37]) == "float32[1], 1.0e38 to 1.0e38, mean magnitude 1.0e38")
        #expect(words([.nan, 1]) == "float32[2], 1 to 1, mean magnitude 1, 1 of 2 are NaN")
        #expect(words([.infinity]) == "float32[1], 1 of 1 are infinite")
        #expect(words([.infinity, .nan, .nan]) == "float32[3], of 3, 2 are NaN and 1 infinite")
    }

    @Test func theReportStandsBelowTheHeadline() {
        let result = measure([1, .infinity]).range
        var report = NotFiniteReport(
            operation: "exp", layer: "encoder/dense", position: .forward, result: result,
            inputs: [measure([1, 2]).range],
            element: [1, 0], batchIndex: 1, sampleIndex: 17, dataset: "mnist",
            path: ["exp of 'encoder/dense'", "sum"])
        let problem = NotFiniteProblem(
            quantity: "loss", step: 3, origin: "layer 'encoder/dense' (exp)", epoch: 2, report: report)
        #expect(
            "\(ApusError.notFinite(problem))" == """
                The loss is not finite at epoch 2, step 3, first in layer 'encoder/dense' (exp). Lower the learning \
                rate, clip the gradient, or check the data.
                  operation: exp of layer 'encoder/dense', forward
                    result: float32[2], 1 to 1, mean magnitude 1, 1 of 2 are infinite
                    input 1, x: float32[2], 1 to 2, mean magnitude 1.5
                    first at: [1, 0], sample 17 of 'mnist'
                    on its way: exp of 'encoder/dense' -> sum
                """)
        (report.layer, report.position, report.sampleIndex) = ("", .update("dense/kernel"), nil)
        report.path = (1...9).map { "\($0)" }
        report.inputs = []
        #expect(
            report.lines == [
                "  operation: exp, update of 'dense/kernel'",
                "    result: float32[2], 1 to 1, mean magnitude 1, 1 of 2 are infinite",
                "    first at: [1, 0], sample 1 of the batch",
                "    on its way: 1 -> 2 -> 3 -> 4 -> 5 -> 6 and 3 more",
            ])
    }

    @Test func theStepsSamplesAreNamed() {
        var problem = NotFiniteProblem(quantity: "loss", step: 3)
        func line(_ indices: [Int]) -> String? {
            problem.failedStep = FailedStep(seed: 0, batch: [], sampleIndices: indices, variables: [])
            return problem.description.split(separator: "\n").dropFirst().last.map(String.init)
        }
        #expect(line([]) == nil)
        #expect(line([7, 3]) == "  samples of the step: 7, 3")
        problem.report = NotFiniteReport(
            operation: "exp", layer: "", position: .forward, result: measure([1]).range, inputs: [], element: [0],
            dataset: "mnist")
        #expect(
            line(Array(1...18))
                == "  samples of the step, of 'mnist': 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 and 2 more"
        )
    }
}
