import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Graphs in print, and their cost")
struct GraphTests {
    /// Mean squared error of `relu(x w + b)`, and its gradient.
    private func network() throws -> (forward: Trace, backward: Trace) {
        let (x, y) = (Tensor.input([2], name: "x"), Tensor.input([3], name: "y"))
        let (w, b) = (Variable("kernel", shape: [2, 3]), Variable("bias", shape: [3]))
        let (kernel, bias) = (w.tensor, b.tensor)
        let output = relu(matMul(x, kernel) + bias)
        mark(output, upTo: [x], as: LayerCall(kind: "Dense", name: "dense1"))
        let loss = square(output - y).mean()
        let slopes = try gradient(of: loss, withRespectTo: [kernel, bias])
        let updates = [VariableUpdate(w, to: kernel - 0.5 * slopes[0]), VariableUpdate(b, to: bias - 0.5 * slopes[1])]
        return (
            try Trace(inputs: [x], outputs: [output], mode: .inference, batchSize: 4),
            try Trace(inputs: [x, y], outputs: [loss], updates: updates, mode: .training, batchSize: 4)
        )
    }

    @Test func forwardIsPrinted() throws {
        let text = try network().forward.graph.description
        #expect(
            text == """
                %0 = x : float32[4, 2]
                %1 = variable : float32[2, 3]
                %2 = matMul %0, %1 : float32[4, 3]  // dense1
                %3 = variable : float32[3]
                %4 = broadcast %3 : float32[4, 3]  // dense1
                %5 = add %2, %4 : float32[4, 3]  // dense1
                %6 = relu %5 : float32[4, 3]  // dense1
                return %6
                """)
    }

    @Test func backwardIsPrinted() throws {
        let text = try network().backward.graph.description
        #expect(
            text == """
                %0 = x : float32[4, 2]
                %1 = y : float32[4, 3]
                %2 = variable : float32[2, 3]
                %3 = matMul %0, %2 : float32[4, 3]  // dense1
                %4 = variable : float32[3]
                %5 = broadcast %4 : float32[4, 3]  // dense1
                %6 = add %3, %5 : float32[4, 3]  // dense1
                %7 = relu %6 : float32[4, 3]  // dense1
                %8 = subtract %7, %1 : float32[4, 3]
                %9 = square %8 : float32[4, 3]
                %10 = sum(axes: [0, 1]) %9 : float32[1, 1]
                %11 = reshape %10 : float32[]
                %12 = constant(12.0) : float32[]
                %13 = divide %11, %12 : float32[]
                %14 = constant(0.5) : float32[]
                %15 = broadcast %14 : float32[2, 3]
                %16 = constant(0.0) : float32[]  // dense1
                %17 = broadcast %16 : float32[4, 3]  // dense1
                %18 = greater %7, %17 : float32[4, 3]  // dense1
                %19 = constant(1.0) : float32[]
                %20 = divide %19, %12 : float32[]
                %21 = reshape %20 : float32[1, 1]
                %22 = broadcast %21 : float32[4, 3]
                %23 = constant(2.0) : float32[]
                %24 = broadcast %23 : float32[4, 3]
                %25 = multiply %24, %8 : float32[4, 3]
                %26 = multiply %22, %25 : float32[4, 3]
                %27 = constant(0.0) : float32[]  // dense1
                %28 = broadcast %27 : float32[4, 3]  // dense1
                %29 = multiply %28, %26 : float32[4, 3]  // dense1
                %30 = select %18, %26, %29 : float32[4, 3]  // dense1
                %31 = matMul(left transposed) %0, %30 : float32[2, 3]  // dense1
                %32 = multiply %15, %31 : float32[2, 3]
                %33 = subtract %2, %32 : float32[2, 3]
                %34 = constant(0.5) : float32[]
                %35 = broadcast %34 : float32[3]
                %36 = sum(axes: [0]) %30 : float32[1, 3]  // dense1
                %37 = reshape %36 : float32[3]  // dense1
                %38 = multiply %35, %37 : float32[3]
                %39 = subtract %4, %38 : float32[3]
                %2 <- %33
                %4 <- %39
                return %13
                """)
    }

    @Test func settingsArePrinted() throws {
        let x = Tensor.placeholder([2, 3])
        let operations: [Tensor] = [
            x.slice(1..<3, axis: 1), x.padded(before: 1, after: 0, axis: 0), concatenate([x, x]), x.transposed(),
            x.cast(to: .int32), .randomBernoulli([2], probability: 0.25), .vector(1, 2), .constant(1.5),
            Schedule.constant(0.5).tensor, x.max(0), oneHot(x.argMax(), depth: 4),
            Tensor(.matMul(MatMul(isLeftTransposed: true, isRightTransposed: true)), [x, x.transposed()]),
        ]
        #expect(
            operations.map(\.node.operation.description) == [
                "slice(axis: 1, 1..<3)", "pad(axis: 0, before: 1, after: 0)", "concatenate(axis: 1)",
                "transpose([1, 0])", "cast(int32)", "randomBernoulli(probability: 0.25, stream: 0)",
                "constant(2 values)", "constant(1.5)", "stepValue(constant(0.5))", "reshape", "oneHot(depth: 4)",
                "matMul(left transposed, right transposed)",
            ])
    }

    /// Product 2 * 4 * 3 * 2, sum 4 * 3, relu 4 * 3.
    @Test func flopsAreCounted() throws {
        #expect(try network().forward.graph.flopCount == 48 + 12 + 12)
    }

    @Test func equalNetworksHaveEqualGraphs() throws {
        #expect(try network().backward.graph == network().backward.graph)
    }
}
