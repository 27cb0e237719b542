import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Which gradients an optimizer's step takes as they come from their product, and where it writes its results. (The
/// formulas that are known are tested in `ProductUpdateTests`.)
@Suite struct OptimizerFusionTests {
    private let rate = Tensor.placeholder([], name: "rate")
    private let w = Variable("w", shape: [3, 3])
    private let m = Variable("m", shape: [3, 3])
    private let v = Variable("v", shape: [3, 3])

    private func adam(_ g: Tensor, epsilon: Float = 1e-7) -> [VariableUpdate] {
        let momentum = m.tensor + (g - m.tensor) * 0.1, velocity = v.tensor + (square(g) - v.tensor) * 0.001
        return [
            VariableUpdate(w, to: w.tensor - momentum * rate / (sqrt(velocity) + epsilon)),
            VariableUpdate(m, to: momentum), VariableUpdate(v, to: velocity),
        ]
    }

    private func nesterov(_ g: Tensor) -> [VariableUpdate] {
        let plain = g * rate, momentum = m.tensor * 0.9 - plain
        return [VariableUpdate(w, to: w.tensor - (plain - momentum * 0.9)), VariableUpdate(m, to: momentum)]
    }

    private func plan(
        _ inputs: [Tensor], _ updates: [VariableUpdate], precision: Precision = .float32, hasFastBfloat16: Bool = false,
        roundsFactors: Bool = false
    ) throws -> (plan: Plan, kernels: [String], variables: [Variable]) {
        let trace = try Trace(inputs: inputs + [rate], outputs: [], updates: updates, mode: .training, batchSize: 1)
        let plan = Plan(
            trace.graph, precision: precision, hasFastBfloat16: hasFastBfloat16, roundsFactors: roundsFactors,
            largeElementCount: 1)
        return (plan, plan.steps.map(\.kernel.description), trace.variables)
    }

    private let fused = "matMul(left transposed)+adam"

    /// With factors of rank 3 the gradient is a batch of one product, stored as the parameter is.
    @Test func productsOfOneSampleStayApart() throws {
        let x = Tensor.placeholder([1, 7, 3], name: "x")
        let loss = square(matMul(x, w.tensor.reshaped(to: [1, 3, 3]))).sum()
        let slope = try gradient(of: loss, withRespectTo: [w.tensor])[0]
        for updates in [adam(slope), nesterov(slope)] {
            let kernels = try plan([x], updates).kernels
            #expect(kernels.contains("matMul(left transposed)"))
            #expect(kernels.allSatisfy { !$0.contains("+adam") && !$0.contains("+nesterov") })
        }
    }

    /// The terms are added one after the other: no more than 2,048.
    @Test func longSumsStayApart() throws {
        for (count, expected) in [(2048, [fused]), (2049, ["matMul(left transposed)"])] {
            let x = Tensor.placeholder([count, 3]), y = Tensor.placeholder([count, 3])
            let kernels = try plan([x, y], adam(matMul(x.transposed(), y))).kernels
            #expect(Array(kernels.prefix(1)) == expected)
            #expect(kernels.count == (count == 2048 ? 1 : 2))
        }
    }

    /// Velocities below the smallest normal number are taken for 0, which an epsilon from 1e-12 on hides.
    @Test func smallEpsilonsStayApart() throws {
        let x = Tensor.placeholder([4, 3]), y = Tensor.placeholder([4, 3])
        let product = matMul(x.transposed(), y)
        #expect(try plan([x, y], adam(product, epsilon: 1e-12)).kernels == [fused])
        #expect(try plan([x, y], adam(product, epsilon: 9.9e-13)).kernels.count == 2)
    }

    /// Rounded factors are multiplied in the same step, unless the device has something faster for them.
    @Test func roundedFactors() throws {
        let x = Tensor.placeholder([4, 3]), y = Tensor.placeholder([4, 3])
        let updates = adam(matMul(x.transposed(), y)), round = "elementwise[roundToBfloat16]"
        #expect(try plan([x, y], updates, precision: .bfloat16).kernels == [round, round, fused])
        let apart = try plan([x, y], updates, precision: .bfloat16, hasFastBfloat16: true).kernels
        #expect(apart.prefix(3) == [round, round, "matMul(left transposed)"] && apart.count == 4)
        #expect(try plan([x, y], updates, hasFastBfloat16: true).kernels == [fused])
        #expect(try plan([x, y], updates, precision: .bfloat16, roundsFactors: true).kernels == [fused])
    }

    /// What a step writes, by the numbers of its variables; `nil` for the arena.
    private func places(_ plan: Plan, _ variables: [Variable]) throws -> [String?] {
        let step = try #require(plan.steps.first { if case .matMulOptimizer = $0.kernel { true } else { false } })
        return step.outputs.map { output in
            if case .variable(let number) = plan.values[output].location { variables[number].name } else { nil }
        }
    }

    @Test func resultsAreWrittenOverTheirVariables() throws {
        let x = Tensor.placeholder([4, 3]), y = Tensor.placeholder([4, 3])
        let product = matMul(x.transposed(), y)
        for updates in [adam(product), adam(product).reversed()] {
            let (plan, _, variables) = try plan([x, y], updates)
            #expect(try places(plan, variables) == ["w", "m", "v"])
            #expect(plan.steps.count == 1 && plan.arenaByteCount == 0)
        }
        let (plan, _, variables) = try plan([x, y], nesterov(product))
        #expect(try places(plan, variables) == ["w", "m"])
    }

    /// A factor is read to the end: what would be written over it is put aside.
    @Test func factorsAreNotWrittenOver() throws {
        let y = Tensor.placeholder([3, 3], name: "y")
        for factor in [w, m, v] {
            for product in [matMul(factor.tensor.transposed(), y), matMul(y.transposed(), factor.tensor)] {
                let (plan, kernels, variables) = try plan([y], adam(product))
                #expect(kernels == [fused, "copy"])
                #expect(try places(plan, variables) == ["w", "m", "v"].map { $0 == factor.name ? nil : $0 })
                let copied = plan.values[try #require(plan.steps.last).outputs[0]].location
                #expect(copied == .variable(variables.firstIndex { $0 === factor } ?? -1))
            }
        }
    }
}
