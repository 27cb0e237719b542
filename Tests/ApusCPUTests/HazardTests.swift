import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Small graphs in which memory, order or types could be mixed up; every expected number is by hand.
@Suite struct HazardTests {
    private func vector(_ values: Float...) -> NDArray { NDArray(values) }

    /// An output that is a variable gives its value at the start of the step, whatever becomes of the variable.
    @Test(arguments: [false, true]) func outputsAreOldValues(isInPlace: Bool) throws {
        let a = Variable("a", value: vector(1, 2)), x = Tensor.placeholder([2])
        let new = isInPlace ? a.tensor + x : x
        let step = try Function(
            inputs: [x], outputs: [a.tensor, a.tensor.reshaped(to: [1, 2]), new], updates: [VariableUpdate(a, to: new)],
            device: .cpu)
        let results = try step(vector(10, 20)).map(\.floats)
        let expected: [Float] = isInPlace ? [11, 22] : [10, 20]
        #expect(results == [[1, 2], [1, 2], expected])
        #expect(a.value.floats == expected)
    }

    @Test func oneValueInTwoVariables() throws {
        let a = Variable("a", value: vector(1, 2)), b = Variable("b", value: vector(3, 4))
        let sum = a.tensor + b.tensor
        let step = try Function(
            inputs: [], outputs: [sum], updates: [VariableUpdate(a, to: sum), VariableUpdate(b, to: sum)], device: .cpu)
        #expect(try step().map(\.floats) == [[4, 6]])
        #expect(a.value.floats == [4, 6] && b.value.floats == [4, 6])
    }

    /// Both updates belong to one pass, and each reads both old values.
    @Test func crossedUpdates() throws {
        let a = Variable("a", value: vector(1, 2)), b = Variable("b", value: vector(3, 5))
        let step = try Function(
            inputs: [], outputs: [a.tensor * b.tensor],
            updates: [VariableUpdate(a, to: a.tensor + b.tensor), VariableUpdate(b, to: a.tensor - b.tensor)],
            device: .cpu)
        #expect(try step().map(\.floats) == [[3, 10]])
        #expect(a.value.floats == [4, 7] && b.value.floats == [-2, -3])
    }

    /// A stretched reading of the variable needs its first element after that has been overwritten.
    @Test func stretchedReadings() throws {
        let a = Variable("a", value: try NDArray([1, 2, 3, 4] as [Float], shape: [4, 1]))
        let other = Variable("b", value: NDArray(zeros: [1, 4]))
        let stretched = a.tensor + a.tensor.reshaped(to: [1, 4]).broadcast(to: [4, 4]).sum(1, keepsAxes: true)
        let step = try Function(
            inputs: [], outputs: [],
            updates: [VariableUpdate(a, to: stretched), VariableUpdate(other, to: a.tensor.reshaped(to: [1, 4]))],
            device: .cpu)
        _ = try step()
        #expect(a.value.floats == [11, 12, 13, 14] && other.value.floats == [1, 2, 3, 4])
    }

    /// A conversion to whole numbers counts although everything around it could be one pass:
    /// x = 1.3: y = 2.6, whole 2, other 3.6, sum 5.6.
    @Test func wholeNumbersAreCutInsideOnePass() throws {
        let x = Tensor.placeholder([2])
        let y = x * 2
        let whole = y.cast(to: .int32)
        let sum = whole.cast(to: .float32) + (y + 1)
        let function = try Function(inputs: [x], outputs: [sum, whole], device: .cpu)
        let results = try function(vector(1.25, -1.25))
        // x = 1.25: y = 2.5, whole 2, 2 + 3.5; x = -1.25: y = -2.5, whole -2, -2 - 1.5.
        #expect(results[0].floats == [5.5, -3.5])
        #expect(results[1].elementType == .int32 && results[1].doubles == [2, -2])
    }

    /// Two passes of different shapes, of which each needs a part of the other: all in one step each, they would wait
    /// for each other for ever. a = exp(0) = 1 each, its sum 4; c = exp(0) = 1; b = c * 4; d = a + c.
    @Test func passesThatNeedEachOther() throws {
        let x = Tensor.placeholder([4]), v = Tensor.placeholder([1])
        let a = exp(x), c = exp(v)
        let b = c * a.sum(0, keepsAxes: true)
        let d = a + c
        let function = try Function(inputs: [x, v], outputs: [b, d], device: .cpu)
        #expect(try function(vector(0, 0, 0, 0), vector(0)).map(\.floats) == [[4], [2, 2, 2, 2]])
    }

    @Test func inputsAndConstantsAsOutputs() throws {
        let x = Tensor.input([2])
        let one = Tensor.constant(vector(1, 1))
        let function = try Function(
            inputs: [x], outputs: [x, x.reshaped(to: [-2]), one, one.reshaped(to: [2, 1]), x], device: .cpu)
        let batch = try NDArray([1, 2, 3, 4] as [Float], shape: [2, 2])
        let results = try function(batch)
        #expect(results.map(\.shape) == [[2, 2], [4], [2], [2, 1], [2, 2]])
        #expect(results.map(\.floats) == [[1, 2, 3, 4], [1, 2, 3, 4], [1, 1], [1, 1], [1, 2, 3, 4]])
    }

    /// The mean of nothing is 0 / 0; sums of nothing are 0, also inside a product.
    @Test func batchesOfNothing() throws {
        let x = Tensor.placeholder([0, 3]), w = Variable("w", value: NDArray(repeating: 2 as Float, shape: [3, 2]))
        let y = relu(matMul(x, w.tensor))
        let function = try Function(
            inputs: [x], outputs: [y, y.sum(), y.mean(), matMul(x.transposed(), y), softmax(y), y.argMax()],
            updates: [VariableUpdate(w, to: w.tensor + matMul(x.transposed(), y))], device: .cpu)
        let results = try function(NDArray(zeros: [0, 3]))
        #expect(results.map(\.shape) == [[0, 2], .scalar, .scalar, [3, 2], [0, 2], [0]])
        #expect(results[1].floats == [0] && results[2].floats[0].isNaN)
        #expect(results[3].floats == [0, 0, 0, 0, 0, 0])
        #expect(w.value.floats == [2, 2, 2, 2, 2, 2])
    }

    @Test func numbersWithoutAxes() throws {
        let x = Tensor.placeholder(.scalar), count = Variable("count", value: NDArray(scalar: 1 as Float))
        let function = try Function(
            inputs: [x], outputs: [x * count.tensor, sqrt(x)],
            updates: [VariableUpdate(count, to: count.tensor + 1)], device: .cpu)
        #expect(try function(NDArray(scalar: 4 as Float)).map(\.floats) == [[4], [2]])
        #expect(try function(NDArray(scalar: 9 as Float)).map(\.floats) == [[18], [3]])
    }

    /// Arrays of every type are moved, though only float32 and int32 are computed with.
    @Test(arguments: ElementType.allCases) func allTypesAreMoved(elementType: ElementType) throws {
        let x = Tensor.placeholder([2, 3], elementType)
        let both = concatenate([x, x], axis: 0)
        let function = try Function(
            inputs: [x],
            outputs: [
                x, x.transposed(), x.padded(before: 1, after: 0, axis: 1), both.slice(1..<3, axis: 0),
                x.reshaped(to: [6]).broadcast(to: [2, 6]),
            ], device: .cpu)
        let array = try NDArray([1, 2, 3, 4, 5, 6] as [Double], shape: [2, 3]).converted(to: elementType)
        let results = try function(array)
        #expect(results.allSatisfy { $0.elementType == elementType })
        #expect(
            results.map(\.doubles) == [
                [1, 2, 3, 4, 5, 6], [1, 4, 2, 5, 3, 6], [0, 1, 2, 3, 0, 4, 5, 6], [4, 5, 6, 1, 2, 3],
                [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
            ])
    }

    /// What does not fit together is refused when the function is made.
    @Test func misfitsAreFoundBeforeTheFirstCall() throws {
        let x = Tensor.input([2]), w = Variable("w", shape: [2])
        #expect(
            throws: ApusError.shape(
                ShapeProblem(
                    operation: "inputs", expected: "input 'input' of type float32[batch, 2] among the inputs",
                    received: "outputs that depend on it", cure: "add it to the inputs"))
        ) { try Function(inputs: [], outputs: [x * 2], device: .cpu) }
        #expect(
            throws: ApusError.shape(
                ShapeProblem(
                    operation: "update of 'w'", expected: "float32[2]", received: "float32[batch, 2]",
                    cure: "give the update the variable's own shape"))
        ) { try Function(inputs: [x], outputs: [], updates: [VariableUpdate(w, to: x)], device: .cpu) }
    }

    /// Steps are only numbers to random operations; one below 0 is no reason to stop the program.
    @Test func stepsBelowZero() throws {
        let function = try Function(inputs: [], outputs: [.randomUniform([4])], device: .cpu)
        function.step = -1
        #expect(try function()[0].floats == (0..<4).map { Philox(seed: 0, step: .max).uniform($0) })
    }

    /// A product by minus zero, and a division by it, keep the sign.
    @Test func minusZeroIsNoZero() throws {
        let x = Tensor.placeholder([1])
        let function = try Function(inputs: [x], outputs: [x / Tensor.constant(-0.0), x / 0], device: .cpu)
        #expect(try function(vector(1)).map(\.floats) == [[-.infinity], [.infinity]])
        let constants = try Function(
            inputs: [x], outputs: [x / Tensor.constant(vector(0, -0.0))], device: .cpu)
        #expect(try constants(vector(1)).map(\.floats) == [[.infinity, -.infinity]])
    }

    /// Graphs of very many operations are built, traced and taken apart without recursion.
    @Test func deepGraphs() throws {
        let x = Tensor.placeholder([1])
        var y = x
        for _ in 0..<200_000 { y = y + x }
        #expect(try Trace(inputs: [x], outputs: [y], mode: .inference, batchSize: 1).graph.nodes.count == 200_001)
    }

    /// A chain longer than one pass takes: x + 2,000 x.
    @Test func longChains() throws {
        let x = Tensor.placeholder([3])
        var y = x
        for _ in 0..<2000 { y = y + x }
        let function = try Function(inputs: [x], outputs: [y], device: .cpu)
        #expect(try function(vector(1, 2, -3)).map(\.floats) == [[2001, 4002, -6003]])
    }
}
