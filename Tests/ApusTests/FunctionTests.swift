import Apus
import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// What a function says about arrays that do not fit, variables without values, and values that are not finite.
@Suite struct FunctionTests {
    private func text(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private func sum() throws -> Function {
        let (x, y) = (Tensor.input([3], name: "x"), Tensor.input([3], name: "y"))
        return try Function(inputs: [x, y], outputs: [x + y], device: .cpu)
    }

    @Test func emptyBatchesAreRefused() throws {
        let none = NDArray(zeros: [0, 3])
        #expect(
            text { _ = try sum()(none, none) }
                == "call of a function: expected 1 sample or more for input 0, 'x', received float32[0, 3]. "
                + "Cure: leave the call out where there are no samples.")
    }

    @Test func unequalBatchesAreRefused() throws {
        #expect(
            text { _ = try sum()(NDArray(zeros: [2, 3]), NDArray(zeros: [4, 3])) }
                == "call of a function: expected float32[2, 3] for input 1, 'y', as input 0 has a batch of 2, received "
                + "float32[4, 3]. Cure: give all arrays the same batch size.")
    }

    @Test func curesForOtherMisfits() throws {
        #expect(
            text { _ = try sum()(NDArray(zeros: [3]), NDArray(zeros: [1, 3])) }
                == "call of a function: expected float32[batch, 3] for input 0, 'x', received float32[3]. "
                + "Cure: add the batch axis: reshaped(to: [1, 3]).")
        #expect(
            text { _ = try sum()(NDArray(zeros: [1, 3]), NDArray(zeros: [1, 3], .int32)) }
                == "call of a function: expected float32[batch, 3] for input 1, 'y', received int32[1, 3]. "
                + "Cure: convert the values with converted(to:).")
        // 28 rows a sample do not divide 30.
        let rows = Tensor.placeholder([-28, 2], name: "rows")
        let function = try Function(inputs: [rows], outputs: [rows * 2], device: .cpu)
        #expect(
            text { _ = try function(NDArray(zeros: [30, 2])) }
                == "call of a function: expected float32[28*batch, 2] for input 0, 'rows', received float32[30, 2]. "
                + "Cure: give arrays of the inputs' shapes.")
        #expect(try function(NDArray(zeros: [56, 2]))[0].shape == [56, 2])
    }

    @Test func layersOutsideAModelHaveNoValues() throws {
        let x = Tensor.input([2])
        let y = try Dense(1, usesBias: false, kernelInitializer: .ones, name: "head")(x)
        let function = try Function(inputs: [x], outputs: [y], device: .cpu)
        let sample = try NDArray([Float(3), 4], shape: [1, 2])
        #expect(
            text { _ = try function(sample) }
                == "Variable 'kernel', read by layer 'head', has no values yet. Put the layer into a Model, which gives "
                + "it its first values, or assign values to the variable.")
        // A model may come later.
        let model = try Model(inputs: [x], outputs: [y])
        #expect(try function(sample)[0].floats == [7])
        #expect(model.parameterCount == 2)
    }

    /// w <- w - 1 and a counter beside it, while the loss 1 / x is finite.
    @Test(arguments: [true, false]) func aGuardedLossStopsBeforeAnyUpdate(isOutput: Bool) throws {
        let x = Tensor.input([], name: "x")
        let (weight, count) = (Variable("w", value: NDArray([Float(5)])), Variable("n", value: NDArray([Float(0)])))
        let loss = (weight.tensor / x).mean()
        let step = try Function(
            inputs: [x], outputs: isOutput ? [x, loss] : [x],
            updates: [
                VariableUpdate(weight, to: weight.tensor - 1), VariableUpdate(count, to: count.tensor + 1),
            ], device: .cpu, guarding: loss)
        let first = try step(NDArray([Float(1), 1]))
        #expect(first.map(\.floats) == (isOutput ? [[1, 1], [5]] : [[1, 1]]))
        #expect(weight.value.floats == [4] && step.step == 1)
        // 4 / 0 is infinite.
        #expect(text { _ = try step(NDArray([Float(1), 0])) }.hasPrefix("The guarded value is not finite at step 2, "))
        #expect(
            text { _ = try step(NDArray([Float(1), .nan])) }
                .hasPrefix(
                    "The guarded value is not finite at step 2, first in input 0, 'x', sample 1. Lower the learning "
                        + "rate, clip the gradient, or check the data.\n"))
        #expect(weight.value.floats == [4] && count.value.floats == [1] && step.step == 1)
        _ = try step(NDArray([Float(2)]))
        #expect(weight.value.floats == [3] && count.value.floats == [2])
    }

    @Test func onlyScalarsGuard() throws {
        let x = Tensor.input([2])
        #expect(
            text { _ = try Function(inputs: [x], outputs: [x], device: .cpu, guarding: x * 2) }
                == "guarding of a function: expected float32[], received float32[batch, 2]. "
                + "Cure: take the sum or the mean.")
        let weight = Variable("w", value: NDArray([Float(1)])).tensor.reshaped(to: .scalar)
        #expect(
            text { _ = try Function(inputs: [x], outputs: [x], device: .cpu, guarding: weight) }
                == "guarding of a function: expected a tensor that the function computes, received Tensor(variable, "
                + "float32[1]). Cure: name the loss.")
    }

    /// 2^40 numbers of 4 bytes; the sizes come from a file, it may be.
    @Test func moreThanMemory() throws {
        let noise = Tensor.randomNormal([1 << 20, 1 << 20])
        let function = try Function(inputs: [], outputs: [noise], device: .cpu)
        #expect(
            text { _ = try function() }
                == "A function with a batch of 1: its memory is 4398046511104 bytes; "
                + "it must be at most \(MemoryLimit.byteCount) on this machine.")
        let x = Tensor.input([1 << 30])
        let wide = try Function(inputs: [x], outputs: [x * 2], device: .cpu)
        #expect(
            text { _ = try wide.executable(batchSize: 1 << 11) }
                == "input: expected at most 2^40 elements with a batch of 2048, "
                + "received float32[2048, 1073741824]. Cure: use smaller batches, or check the sizes.")
    }

    /// Each product alone is beyond 64 bits, and so would be their sum.
    @Test func workBeyondCounting() throws {
        let image = Tensor.input([1 << 20, 1])
        let kernel = Tensor.input([1 << 20], name: "kernel")
        let weights = kernel.sum(0).reshaped(to: [1 << 20, 1, 1])
        let same = convolution(image, kernel: weights, padding: .same)
        let trace = try Trace(
            inputs: [image, kernel], outputs: [same, convolution(same, kernel: weights)], mode: .inference,
            batchSize: 1 << 20)
        // 2^20 samples of 2^20 places under 2^20 weights; the second result has one place a sample.
        #expect(Plan(trace.graph).flopCount >= 1 << 50)
    }
}
