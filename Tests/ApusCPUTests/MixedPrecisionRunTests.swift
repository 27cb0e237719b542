import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Synchronization
import Testing

/// Plans in bfloat16 on the processor.
@Suite struct MixedPrecisionRunTests {
    // By hand: 1 + 2^-8 lies halfway between 1 and 1 + 2^-7 and becomes the even 1; 1 + 3 * 2^-8 lies halfway between
    // 1 + 2^-7 and 1 + 2^-6 and becomes the even 1.015625. 3 and 5 stay: 1 * 3 + 1.015625 * 5 = 8.078125, where the
    // numbers as they are give 8.0703125. A bias of 2^-20 is not rounded.
    @Test func aProductByHand() throws {
        let x = Tensor.placeholder([1, 2])
        let (w, bias) = (
            Variable("w", value: try NDArray([3, 5] as [Float], shape: [2, 1])),
            Variable("bias", value: NDArray([0x1p-20] as [Float]))
        )
        let numbers = try NDArray([1.00390625, 1.01171875] as [Float], shape: [1, 2])
        func product(_ precision: Precision) throws -> Float {
            let function = try Function(
                inputs: [x], outputs: [matMul(x, w.tensor) + bias.tensor], device: .cpu, precision: precision)
            return try function(numbers)[0].floats[0]
        }
        #expect(try product(.bfloat16) == 8.078125 + 0x1p-20)
        #expect(try product(.float32) == 8.0703125 + 0x1p-20)
    }

    // By hand: x = 1 + 2^-8 becomes 1, so that y = w x = 257 w'. w = 257 becomes 256 (halfway, even), and y = 256;
    // d(y y / 2)/dw = y x' = 256, d/dx = y w' = 65536. The step of 1 is taken from the weight as it is: 257 - 256 = 1.
    @Test func aStepByHand() throws {
        let x = Tensor.placeholder([1, 1])
        let w = Variable("w", value: NDArray(repeating: 257 as Float, shape: [1, 1]))
        let y = matMul(x, w.tensor)
        let loss = (0.5 * square(y)).sum()
        let slopes = try gradient(of: loss, withRespectTo: [w.tensor, x])
        let step = try Function(
            inputs: [x], outputs: [loss, slopes[0], slopes[1]],
            updates: [VariableUpdate(w, to: w.tensor - slopes[0])], device: .cpu, precision: .bfloat16)
        let results = try step(NDArray(repeating: 1.00390625 as Float, shape: [1, 1]))
        #expect(results.map(\.floats) == [[32768], [256], [65536]])
        #expect(w.value.floats == [1])
    }

    /// What overflows when it is rounded is found there.
    @Test func overflowsAreReported() throws {
        let x = Tensor.placeholder([1, 1], name: "x")
        let w = Variable("w", value: NDArray(repeating: 0.5 as Float, shape: [1, 1]))
        let loss = matMul(x * 1.5, w.tensor).sum()
        let function = try Function(inputs: [x], outputs: [loss], device: .cpu, precision: .bfloat16, guarding: loss)
        let large = NDArray(repeating: 0x1.55p127 as Float, shape: [1, 1])
        let error = #expect(throws: ApusError.self) { try function.check(large) }
        #expect(error.map { "\($0)".contains("round to bfloat16") } == true, "\(error as Any)")
        let exact = try Function(inputs: [x], outputs: [loss], device: .cpu, guarding: loss)
        #expect(try exact(large)[0].floats[0].isFinite)
    }

    // MARK: Errors

    /// What rounding does to a product, against the sum of the magnitudes of all that it adds up; for each of the two
    /// gradients, too, and for a convolution. The limits are those of `Precision`, with room for float32's sums.
    @Test(arguments: [(Precision.float32, 1e-6), (.float32Fast, 4.8e-5), (.bfloat16, 7.9e-3)])
    func errorsOfProducts(_ precision: Precision, _ limit: Double) throws {
        for roundsFactors in apus_has_bfloat16_pairs() ? [false, true] : [false] {
            try checkErrorsOfProducts(precision, limit, roundsFactors: roundsFactors)
        }
    }

    private func checkErrorsOfProducts(_ precision: Precision, _ limit: Double, roundsFactors: Bool) throws {
        let (a, b) = (Tensor.placeholder([24, 200]), Tensor.placeholder([200, 16]))
        let (image, kernel) = (Tensor.placeholder([2, 8, 8, 12]), Tensor.placeholder([3, 3, 12, 7]))
        var worst = 0.0
        for (inputs, output) in [([a, b], matMul(a, b)), ([image, kernel], convolution(image, kernel: kernel))] {
            let upstream = Tensor.placeholder(output.shape)
            let outputs = [output] + (try gradient(of: (output * upstream).sum(), withRespectTo: inputs))
            let all = inputs + [upstream]
            let trace = try Trace(inputs: all, outputs: outputs, mode: .training, batchSize: 1)
            var numbers = SeededNumbers(seed: 11)
            let values = all.map { RowInput($0.shape, .range(-1...1)).values(batchSize: 1, from: &numbers) }
            let plan = Plan(trace.graph, precision: precision, roundsFactors: roundsFactors)
            let executable = try Device.cpu.compile(plan, [])
            try runOnce(executable, values, RunContext())
            func exact(_ values: [ReferenceArray<Double>]) -> [[Double]] {
                ReferenceExecutor(trace.graph).run(inputs: values, variables: [], context: RunContext()).outputs
                    .map(\.values)
            }
            let inDouble = values.map { ReferenceArray<Double>($0) }
            let (expected, magnitudes) = (exact(inDouble), exact(inDouble.map { $0.map(\.magnitude) }))
            for index in outputs.indices {
                for (place, value) in executable.outputArray(index).floats.enumerated() {
                    let error = abs(Double(value) - expected[index][place]) / magnitudes[index][place]
                    if !(error <= worst) { worst = error }
                }
            }
        }
        #expect(worst <= limit)
        // Products of high parts alone, or without one of the mixed ones, would be far off.
        if precision != .float32 { #expect(worst > limit / 100) }
    }

    /// Without AMX, float32Fast is float32; with it, it is what the plan says.
    @Test func float32FastIsTheDevicesChoice() throws {
        let (x, w) = (
            Tensor.placeholder([3, 5]), Variable("w", value: NDArray(repeating: 0.1 as Float, shape: [5, 2]))
        )
        let numbers = NDArray(repeating: 0.3 as Float, shape: [3, 5])
        func run(_ device: Device, _ precision: Precision) throws -> (Precision, [Float]) {
            let function = try Function(
                inputs: [x], outputs: [matMul(x, w.tensor)], device: device, precision: precision)
            return (function.precision, try function(numbers)[0].floats)
        }
        let slow = Device(name: "slow", compile: Device.cpu.compile)
        let fast = Device(name: "fast", hasFastBfloat16: true, compile: Device.cpu.compile)
        let plain = try run(slow, .float32)
        #expect(try run(slow, .float32Fast) == plain)
        #expect(try run(slow, .bfloat16).0 == .bfloat16)
        let split = try run(fast, .float32Fast)
        #expect(split.0 == .float32Fast && split.1 != plain.1)
        #expect(zip(split.1, plain.1).allSatisfy { abs($0 - $1) <= 4.8e-5 * $1 })
    }

    /// The plan of a function is for its device: where AMX multiplies rounded factors, products of them stay apart.
    @Test func fastProductsStayWithTheLibrary() throws {
        let x = Tensor.placeholder([4, 256]), y = Tensor.placeholder([4, 256]), rate = Tensor.placeholder([])
        let w = Variable("w", value: NDArray(zeros: [256, 256])), m = Variable("m", value: NDArray(zeros: [256, 256]))
        let plain = matMul(x.transposed(), y) * rate, momentum = m.tensor * 0.9 - plain
        let updates = [
            VariableUpdate(w, to: w.tensor - (plain - momentum * 0.9)), VariableUpdate(m, to: momentum),
        ]
        for (isFast, precision, isFused) in [
            (false, Precision.float32, true), (false, .bfloat16, true), (true, .float32, true),
            (true, .bfloat16, false),
        ] {
            let device = Device(name: "test", hasFastBfloat16: isFast, compile: Device.cpu.compile)
            let function = try Function(
                inputs: [x, y, rate], outputs: [], updates: updates, device: device, precision: precision)
            let kernels = try function.executable(batchSize: 1).plan.steps.map(\.kernel.description)
            #expect(kernels.contains("matMul(left transposed)+nesterov") == isFused, "\(isFast), \(precision)")
        }
    }

    /// Devices may multiply rounded factors in another way, also where a step is checked operation by operation.
    @Test(arguments: Precision.allCases) func checkedPlansHaveTheirPrecision(_ precision: Precision) throws {
        final class Seen: Sendable {
            let precisions = Mutex<[Precision]>([])
        }
        let x = Tensor.placeholder([2, 2]), seen = Seen()
        let device = Device(name: "test", hasFastBfloat16: true) { plan, variables in
            seen.precisions.withLock { $0.append(plan.precision) }
            return try Device.cpu.compile(plan, variables)
        }
        let product = matMul(x, x).sum()
        let function = try Function(
            inputs: [x], outputs: [product], device: device, precision: precision, guarding: product)
        try function.check(NDArray(zeros: [2, 2]))
        #expect(seen.precisions.withLock { $0 } == [precision])
    }

    // MARK: Against the reference

    private struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let inputs: [RowInput]
        let make: @Sendable ([Tensor]) throws -> Tensor
        var testDescription: String { name }
    }

    private static func recurrence(_ rule: Recurrence, batch: Int, steps: Int, features: Int, units: Int) -> Case {
        let (width, scale) = (rule.cell.gateCount * units, 1 / Double(units).squareRoot())
        let state = RowInput([batch, units], .range(-0.9...0.9))
        var inputs = [
            RowInput([batch, steps, features], .range(-1...1)), RowInput([features, width], .range(-1...1)),
            RowInput([width], .range(-1...1)), RowInput([units, width], .range(-scale...scale)),
        ]
        if rule.hasRecurrentBias { inputs.append(RowInput([width], .range(-0.2...0.2))) }
        if rule.hasInitialState { inputs += rule.cell.kind == .lstm ? [state, state] : [state] }
        if rule.hasMask { inputs.append(RowInput([batch, steps], .listed([1, 0, 1, 1, 1]))) }
        return Case(name: "\(rule.settings), \(batch) rows, \(units) units", inputs: inputs) { inputs in
            let rows = inputs[0].reshaped(to: [batch * steps, features])
            let projected = (matMul(rows, inputs[1]) + inputs[2]).reshaped(to: [batch, steps, width])
            return Tensor(.recurrence(rule), [projected] + inputs.dropFirst(3))
        }
    }

    /// Batches from 16 rows on do their projections and sums as they go.
    private static let recurrences = RecurrentCell.Kind.allCases.flatMap { kind in
        let cell = RecurrentCell(kind)
        return [
            recurrence(Recurrence(cell: cell, result: .lastHidden), batch: 19, steps: 4, features: 7, units: 33),
            recurrence(Recurrence(cell: cell, isReversed: true), batch: 5, steps: 3, features: 7, units: 16),
            recurrence(Recurrence(cell: cell), batch: 1, steps: 3, features: 5, units: 17),
            recurrence(Recurrence(cell: cell, result: .lastHidden), batch: 128, steps: 3, features: 28, units: 65),
            recurrence(
                Recurrence(
                    cell: cell, hasRecurrentBias: kind == .gru, hasInitialState: true, hasMask: true,
                    result: kind == .lstm ? .lastCells : .hidden),
                batch: 33, steps: 3, features: 2, units: 20),
        ]
    }

    private static func ranges(_ rows: (shape: Shape, limit: Double)...) -> [RowInput] {
        rows.map { RowInput($0.shape, .range(-$0.limit...$0.limit)) }
    }

    private static let others = [
        Case(
            name: "two dense layers",
            inputs: ranges(([33, 20], 1), ([20, 17], 0.3), ([17], 1), ([17, 9], 0.3))
        ) { matMul(sigmoid(matMul($0[0], $0[1]) + $0[2]), $0[3]) },
        Case(
            name: "convolutions with pooling",
            inputs: ranges(([5, 9, 9, 2], 1), ([3, 3, 2, 5], 0.5), ([2, 2, 5, 4], 0.3))
        ) { inputs in
            let pooled = maxPool(relu(convolution(inputs[0], kernel: inputs[1])), window: [2, 2])
            return convolution(pooled, kernel: inputs[2])
        },
        Case(
            name: "attention",
            inputs: ranges(([3, 6, 8], 1), ([3, 6, 8], 1), ([3, 6, 8], 1))
        ) { matMul(softmax(matMul($0[0], $0[1].transposed(0, 2, 1))), $0[2]) },
    ]

    /// The result and the gradient with respect to every input, against the reference in Float on the same rounded
    /// graph. Where the last bits of two sums differ, a rounding now and then goes another way: what counts is that both
    /// are far closer to each other than to float32.
    @Test(arguments: recurrences + others) private func agreesWithTheReference(_ row: Case) throws {
        let inputs = row.inputs.map(\.tensor)
        let output = try row.make(inputs).checked()
        let loss = square(output + 0.1).mean()
        let outputs = try [output] + gradient(of: loss, withRespectTo: inputs)
        let trace = try Trace(inputs: inputs, outputs: outputs, mode: .training, batchSize: 1)
        var numbers = SeededNumbers(seed: 5)
        let values = row.inputs.map { $0.values(batchSize: 1, from: &numbers) }

        func run(_ precision: Precision, roundsFactors: Bool = false) throws -> [[Float]] {
            let plan = Plan(trace.graph, precision: precision, roundsFactors: roundsFactors)
            let executable = try Device.cpu.compile(plan, trace.variables)
            try runOnce(executable, values, RunContext())
            return outputs.indices.map { executable.outputArray($0).floats }
        }
        let plain = try run(.float32)
        let reference = ReferenceExecutor<Float>(trace.graph.simplified().inPrecision(.bfloat16).graph).run(
            inputs: values.map { ReferenceArray($0) }, variables: [], context: RunContext()
        ).outputs.map(\.values)
        for roundsFactors in apus_has_bfloat16_pairs() ? [false, true] : [false] {
            let rounded = try run(.bfloat16, roundsFactors: roundsFactors)
            for index in outputs.indices {
                let own = distance(rounded[index], reference[index]), other = distance(plain[index], reference[index])
                #expect(own <= 0.1 * other, "output \(index): \(own) and \(other)")
            }
            let again = try run(.bfloat16, roundsFactors: roundsFactors)
            #expect(again.map { $0.map(\.bitPattern) } == rounded.map { $0.map(\.bitPattern) })
        }
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Float {
        zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }

    /// Written out step by step in single operations, as gradients of `previousHidden` are, it is the same computation:
    /// what is hidden after a step is there before the next one.
    @Test(arguments: RecurrentCell.Kind.allCases) func recurrencesRoundAsSingleOperations(
        _ kind: RecurrentCell.Kind
    ) throws {
        let rule = Recurrence(cell: RecurrentCell(kind), hasInitialState: true)
        let width = rule.cell.gateCount * 5
        let state = RowInput([3, 5], .range(-1...1))
        let rows =
            [RowInput([3, 4, width], .range(-1...1)), RowInput([5, width], .range(-0.5...0.5)), state]
            + (kind == .lstm ? [state] : [])
        let inputs = rows.map(\.tensor)
        func gradients(_ states: Tensor) throws -> [Tensor] {
            try gradient(of: square(states).sum(), withRespectTo: Array(inputs.dropFirst()))
        }
        let after = Tensor(.recurrence(rule), inputs).slice(0..<3, axis: 1)
        let before = Tensor(.recurrence(rule.sibling(.previousHidden)), inputs).slice(1..<4, axis: 1)
        let outputs = try [gradients(after), gradients(before)].map { [after, before] + $0 }
        var numbers = SeededNumbers(seed: 3)
        let values = rows.map { $0.values(batchSize: 1, from: &numbers) }
        func run(_ outputs: [Tensor], _ precision: Precision) throws -> [[Float]] {
            let function = try Function(inputs: inputs, outputs: outputs, device: .cpu, precision: precision)
            return try function(values).map(\.floats)
        }
        let (own, single) = (try run(outputs[0], .bfloat16), try run(outputs[1], .bfloat16))
        #expect(own[0] == own[1])
        for (index, exact) in try run(outputs[0], .float32).enumerated() {
            let (near, far) = (distance(own[index], single[index]), distance(own[index], exact))
            #expect(near <= 0.1 * far, "output \(index): \(near) and \(far)")
        }
    }
}
