import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Testing

/// Runs a trace on the processor.
func runOnCPU(_ trace: Trace, _ inputs: [NDArray], _ context: RunContext) throws -> [NDArray] {
    let executable = try Device.cpu.compile(Plan(trace.graph), trace.variables)
    try runOnce(executable, inputs, context)
    return trace.graph.outputs.indices.map { executable.outputArray($0) }
}

/// A run of an executable.
func runOnce(_ executable: any Executable, _ inputs: [NDArray], _ context: RunContext) throws {
    try withPointers(to: inputs) { try executable.run(inputs: $0, context: context) }
}

/// Calls `body` with where the arrays are.
func withPointers(to inputs: [NDArray], _ body: (UnsafeBufferPointer<UnsafeRawPointer>) throws -> Void) throws {
    let empty = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
    defer { empty.deallocate() }
    // The arrays stay alive in `inputs`; their storage does not move.
    let pointers = inputs.map { $0.withUnsafeBytes { $0.baseAddress ?? UnsafeRawPointer(empty) } }
    try withExtendedLifetime(inputs) { try pointers.withUnsafeBufferPointer(body) }
}

@Suite struct CPUExecutableTests {
    /// Before its first plan too, whatever the process uses then: a data set's loader asks that early.
    @Test func aDevicesTeamIsAsLargeAsItWillBe() {
        for count in [1, 2, 77] { #expect(Device.cpu(threadCount: count).team?.size() == count) }
        #expect(Device.cpu.team?.size() == CPUDescription.current.threadCount)
    }

    @Test(arguments: OperationTable.rows) func agreesWithTheReference(row: OperationRow) {
        #expect(checkExecutor([row], run: runOnCPU) == [])
    }

    @Test(arguments: OperationTable.limitRows) func agreesAtTheLimits(row: OperationRow) {
        #expect(checkExecutor([row], checksGradients: false, run: runOnCPU) == [])
    }

    // By hand: loss = mean((w x - t)^2) with w = 3, x = (1, 2), t = (1, 1): errors 2 and 5, loss 14.5,
    // dw = (2*2*1 + 2*5*2) / 2 = 12, so a step of 0.25 leaves w at 0.
    @Test func functionUpdatesItsVariable() throws {
        let x = Tensor.input([1]), t = Tensor.input([1])
        let w = Variable("w", value: NDArray([3] as [Float]))
        let loss = square(x * w.tensor - t).mean()
        let slope = try gradient(of: loss, withRespectTo: [w.tensor])[0]
        let step = try Function(
            inputs: [x, t], outputs: [loss], updates: [VariableUpdate(w, to: w.tensor - 0.25 * slope)], device: .cpu)
        let loss1 = try step(NDArray([1, 2] as [Float], shape: [2, 1]), NDArray([1, 1] as [Float], shape: [2, 1]))
        #expect(loss1 == [NDArray(scalar: 14.5 as Float)])
        #expect(w.value == NDArray([0] as [Float]))
        #expect(step.step == 1)
        // Another batch size has a plan of its own: error -2, loss 4.
        let loss2 = try step(NDArray([5] as [Float], shape: [1, 1]), NDArray([2] as [Float], shape: [1, 1]))
        #expect(loss2 == [NDArray(scalar: 4 as Float)])
    }

    // By hand: x' y = [[1*5+3*7, ...]] = [[26, 30], [38, 44]] for x = [[1, 2], [3, 4]], y = [[5, 6], [7, 8]]; a quarter
    // of it is taken from 10 everywhere, in one step of the plan.
    @Test func productsAreTakenFromVariables() throws {
        let x = Tensor.placeholder([2, 2]), y = Tensor.placeholder([2, 2]), rate = Tensor.placeholder([])
        let w = Variable("w", value: NDArray(repeating: 10 as Float, shape: [2, 2]))
        let step = try Function(
            inputs: [x, y, rate], outputs: [],
            updates: [VariableUpdate(w, to: w.tensor - rate * matMul(x.transposed(), y))], device: .cpu)
        _ = try step(
            NDArray([1, 2, 3, 4] as [Float], shape: [2, 2]), NDArray([5, 6, 7, 8] as [Float], shape: [2, 2]),
            NDArray(scalar: 0.25 as Float))
        #expect(w.value.floats == [3.5, 2.5, 0.5, -1])
    }

    @Test func swappedVariablesSwap() throws {
        let a = Variable("a", value: NDArray([1, 2] as [Float])), b = Variable("b", value: NDArray([3, 4] as [Float]))
        let swap = try Function(
            inputs: [], outputs: [], updates: [VariableUpdate(a, to: b.tensor), VariableUpdate(b, to: a.tensor)],
            device: .cpu)
        _ = try swap()
        #expect(a.value.floats == [3, 4] && b.value.floats == [1, 2])
    }

    // 1 / 0 is infinite: the call stops before the update and names the place.
    @Test func guardStopsBeforeTheUpdate() throws {
        let x = Tensor.placeholder([2])
        let w = Variable("w", value: NDArray([1, 1] as [Float]))
        let loss = (w.tensor / x).sum()
        let function = try Function(
            inputs: [x], outputs: [loss], updates: [VariableUpdate(w, to: w.tensor * 2)], device: .cpu,
            guardedOutput: 0, origin: { $0.name ?? $0.kind })
        _ = try function(NDArray([1, 2] as [Float]))
        #expect(w.value.floats == [2, 2])
        func headline(_ values: [Float]) -> String {
            do {
                _ = try function(NDArray(values))
            } catch ApusError.notFinite(let problem) {
                return problem.headline
            } catch {
                return "\(error)"
            }
            return "no error"
        }
        let place = "The guarded value is not finite at step 2, first in "
        #expect(headline([1, 0]).hasPrefix(place + "the computation of the loss (divide). Lower"))
        #expect(w.value.floats == [2, 2])
        #expect(headline([1, .nan]).hasPrefix(place + "input 0, 'input'. Lower"))
        #expect(w.value.floats == [2, 2])
    }

    @Test func twoRunsAreBitwiseEqual() throws {
        func result() throws -> NDArray {
            let x = Tensor.input([64])
            let w = Variable("w", shape: [64, 96])
            let values = (0..<64 * 96).map { Philox(seed: 1).normal($0) }
            try w.assign(NDArray(values, shape: [64, 96]))
            let loss = square(tanh(matMul(x, w.tensor)) + .randomNormal([-1, 96])).mean()
            let slope = try gradient(of: loss, withRespectTo: [w.tensor])[0]
            let step = try Function(
                inputs: [x], outputs: [loss], updates: [VariableUpdate(w, to: w.tensor - 0.1 * slope)], seed: 5,
                device: .cpu)
            let batch = NDArray(shape: [33, 64]) { (b: UnsafeMutableBufferPointer<Float>) in
                for i in b.indices { b[i] = Philox(seed: 2).uniform(i) }
            }
            for _ in 0..<5 { _ = try step(batch) }
            return w.value
        }
        #expect(try result() == result())
    }

    // A convolution with both gradients, and the gradient of a pooling, on an odd number of samples.
    @Test func convolutionsAreBitwiseEqual() throws {
        func result() throws -> [NDArray] {
            let x = Tensor.placeholder([5, 9, 11, 6])
            let first = Variable("first", value: try numbers([3, 3, 6, 20], seed: 1))
            let second = Variable("second", value: try numbers([3, 2, 20, 7], seed: 2))
            let hidden = maxPool(convolution(x, kernel: first.tensor, padding: .same), window: [2, 2])
            let loss = square(convolution(hidden, kernel: second.tensor)).mean()
            let slopes = try gradient(of: loss, withRespectTo: [first.tensor, second.tensor, x])
            let function = try Function(inputs: [x], outputs: slopes, device: .cpu)
            return try function(try numbers([5, 9, 11, 6], seed: 3))
        }
        let expected = try result()
        for _ in 0..<3 { #expect(try result() == expected) }
    }

    private func numbers(_ shape: Shape, seed: UInt64) throws -> NDArray {
        try NDArray((0..<shape.elementCount).map { Philox(seed: seed).normal($0) }, shape: shape)
    }

    // The table has the rows 0 to 2, and is doubled unless the call fails.
    @Test func indicesOutsideTheTableAreRefused() throws {
        let table = Variable("table", value: try NDArray([1, 2, 3, 4, 5, 6] as [Float], shape: [3, 2]))
        let indices = Tensor.input([2], .int32)
        let rows = gather(table.tensor, at: indices)
        let slope = try gradient(of: rows.sum(), withRespectTo: [table.tensor])[0]
        let function = try Function(
            inputs: [indices], outputs: [rows, slope], updates: [VariableUpdate(table, to: table.tensor * 2)],
            device: .cpu)
        let found = try function(NDArray([2, 0] as [Int32], shape: [1, 2]))
        #expect(found.map(\.floats) == [[5, 6, 1, 2], [1, 1, 0, 0, 1, 1]])
        for bad in [3, -1, Int32.max, Int32.min] {
            #expect(throws: ApusError.index(Int(bad), place: 2, count: 3, layer: "")) {
                try function(NDArray([0, 1, bad, 7] as [Int32], shape: [2, 2]))
            }
        }
        #expect(table.value.floats == [2, 4, 6, 8, 10, 12])
    }

    @Test func arraysMustFit() throws {
        let x = Tensor.input([3])
        let function = try Function(inputs: [x], outputs: [x.sum()], device: .cpu)
        #expect(
            throws: ApusError.shape(
                ShapeProblem(
                    operation: "call of a function", expected: "float32[batch, 3] for input 0, 'input'",
                    received: "float32[2, 4]", cure: "give arrays of the inputs' shapes"))
        ) { try function(NDArray(zeros: [2, 4])) }
        #expect(
            throws: ApusError.shape(
                ShapeProblem(
                    operation: "call of a function", expected: "1 arrays", received: "0",
                    cure: "give one array for each input, in their order"))
        ) { try function() }
    }

    /// An input's bytes can be read where they stand if all that read it are products that can: a small layer's output
    /// and its kernel's gradient. Each change lets something else read it, or not as a row a sample.
    @Test(.enabled(if: CPUDescription.current.instructionSet.hasPrefix("AVX-512")))
    func smallLayersReadByteRows() throws {
        func reads(
            features: Int = 240, units: Int = 4, batchSize: Int = 64, sampleShape: Shape? = nil,
            _ other: (Tensor, Tensor) throws -> [Tensor] = { _, _ in [] }
        ) throws -> Bool {
            let sampleShape = sampleShape ?? [features]
            let (x, rowCount) = (Tensor.input(sampleShape), sampleShape.elementCount / features)
            let w = Variable("w", value: NDArray(zeros: [features, units]))
            let y = sigmoid(matMul(x.reshaped(to: [-rowCount, features]), w.tensor))
            let loss = square(y).mean()
            let slope = try gradient(of: loss, withRespectTo: [w.tensor])[0]
            let step = try Function(
                inputs: [x], outputs: [loss] + other(x, y), updates: [VariableUpdate(w, to: w.tensor - slope)],
                device: .cpu)
            return try step.executable(batchSize: batchSize).readsByteRows(ofInput: 0)
        }
        #expect(try reads())
        #expect(try reads(sampleShape: [12, 20]))
        let second = Variable("v", value: NDArray(zeros: [240, 4]))
        #expect(try reads { x, _ in [matMul(x, second.tensor).sum()] })
        #expect(try !reads(batchSize: 16))
        #expect(try !reads(units: 64))
        #expect(try !reads { x, _ in [x] })
        #expect(try !reads { x, _ in [x.sum()] })
        #expect(try !reads { x, y in [matMul(x.transposed(), y).sum(), (x * 2).sum()] })
        // Two rows a sample.
        #expect(try !reads(sampleShape: [2, 240]))
    }
}
