import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Testing

/// Optimizers' steps that take their gradients from a product, three in a row, against the graph in Double.
@Suite struct MatMulOptimizerTests {
    enum Rule: CaseIterable { case nesterov, adam }

    /// A parameter with slots of its own, and how it is changed.
    struct Parameter {
        let w: Variable
        let m: Variable
        let v: Variable
        let rate = Tensor.placeholder([], name: "rate")

        init(_ rows: Int, _ columns: Int) throws {
            func variable(_ name: String, seed: UInt64) throws -> Variable {
                // Velocities are squares.
                let values = sampleValues(rows * columns, seed: seed).map { name == "v" ? $0 * $0 : $0 }
                return Variable(name, value: try NDArray(values, shape: [rows, columns]))
            }
            (w, m, v) = (try variable("w", seed: 1), try variable("m", seed: 2), try variable("v", seed: 3))
        }

        /// The updates in all orders, and with the velocity made before the momentum, too.
        func updates(_ rule: Rule, _ g: Tensor) -> [[VariableUpdate]] {
            switch rule {
            case .nesterov:
                let plain = g * rate, momentum = m.tensor * 0.9 - plain
                let updates = [
                    VariableUpdate(w, to: w.tensor - (plain - momentum * 0.9)), VariableUpdate(m, to: momentum),
                ]
                return [updates, updates.reversed()]
            case .adam:
                func average(_ slot: Variable, _ new: Tensor, _ share: Float) -> Tensor {
                    slot.tensor + (new - slot.tensor) * share
                }
                return [false, true].flatMap { velocityIsFirst in
                    let early = velocityIsFirst ? average(v, square(g), 0.001) : nil
                    let momentum = average(m, g, 0.1)
                    let velocity = early ?? average(v, square(g), 0.001)
                    let all = [
                        VariableUpdate(w, to: w.tensor - momentum * rate / (sqrt(velocity) + 1e-7)),
                        VariableUpdate(m, to: momentum), VariableUpdate(v, to: velocity),
                    ]
                    return [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]].map { $0.map { all[$0] } }
                }
            }
        }
    }

    /// Runs the updates on random inputs, the rate among them, and compares all variables after each step.
    private func check(
        _ inputs: [Tensor], _ updates: [VariableUpdate], precision: Precision = .float32, isFused: Bool = true
    ) throws {
        let first = updates.map(\.variable.value)
        defer { for (update, value) in zip(updates, first) { try? update.variable.assign(value) } }
        let trace = try Trace(inputs: inputs, outputs: [], updates: updates, mode: .training, batchSize: 1)
        let plan = Plan(trace.graph, precision: precision, largeElementCount: 1)
        #expect(plan.steps.contains { if case .matMulOptimizer = $0.kernel { true } else { false } } == isFused)
        let executable = try Device.cpu.compile(plan, trace.variables)
        let reference = ReferenceExecutor<Double>(trace.graph.simplified().inPrecision(precision).graph)
        var state = trace.variables.map { ReferenceArray<Double>($0.value) }
        var numbers = SeededNumbers(seed: 7)
        for step in 0..<3 {
            let arrays = inputs.map { RowInput($0.shape, .range(0.1...1)).values(batchSize: 1, from: &numbers) }
            let context = RunContext(step: step)
            let updated = reference.run(
                inputs: arrays.map { ReferenceArray($0) }, variables: state, context: context
            ).updated
            for (update, value) in zip(trace.graph.updates, updated) { state[update.variable] = value }
            try runOnce(executable, arrays, context)
            for (variable, expected) in zip(trace.variables, state) {
                #expect(
                    closeness(
                        variable.value, to: expected.array(.float32),
                        within: Tolerance(absolute: 2e-6, relative: 1e-5)) == .passed,
                    "\(variable.name) after step \(step) of\n\(plan)")
            }
        }
    }

    /// Products of 4 terms for a parameter of 3 x 2, and of several panels and tiles.
    @Test(arguments: Rule.allCases, [(4, 3, 2), (37, 23, 90)])
    func agreesWithTheReference(_ rule: Rule, _ size: (Int, Int, Int)) throws {
        let x = Tensor.placeholder([size.0, size.1], name: "x"), y = Tensor.placeholder([size.0, size.2], name: "y")
        let parameter = try Parameter(size.1, size.2)
        for updates in parameter.updates(rule, matMul(x.transposed(), y)) {
            try check([x, y, parameter.rate], updates)
        }
    }

    @Test(arguments: Rule.allCases) func roundedFactors(_ rule: Rule) throws {
        let x = Tensor.placeholder([4, 3], name: "x"), y = Tensor.placeholder([4, 2], name: "y")
        let parameter = try Parameter(3, 2)
        try check(
            [x, y, parameter.rate], parameter.updates(rule, matMul(x.transposed(), y))[0], precision: .bfloat16)
    }

    /// The parameter or a slot is a factor of its own gradient.
    @Test(arguments: Rule.allCases) func factorsThatChange(_ rule: Rule) throws {
        let y = Tensor.placeholder([3, 3], name: "y")
        let parameter = try Parameter(3, 3)
        for factor in rule == .adam ? [parameter.w, parameter.m, parameter.v] : [parameter.w, parameter.m] {
            for product in [matMul(factor.tensor.transposed(), y), matMul(y.transposed(), factor.tensor)] {
                try check([y, parameter.rate], parameter.updates(rule, product)[0])
            }
        }
    }

    /// A batch of one product is stored as a matrix is, but is none.
    @Test(arguments: Rule.allCases) func productsOfOneSample(_ rule: Rule) throws {
        let x = Tensor.placeholder([1, 40, 3], name: "x"), y = Tensor.placeholder([1, 40, 2], name: "y")
        let parameter = try Parameter(3, 2)
        let product = matMul(x.transposed(0, 2, 1), y).reshaped(to: [3, 2])
        try check([x, y, parameter.rate], parameter.updates(rule, product)[0], isFused: false)
    }

    /// The plan asks for nothing that the kernel refuses.
    @Test func limitsAreTheKernels() {
        #expect(UpdateRule.mostTerms == Int(APUS_UPDATE_MOST_TERMS))
        #expect(UpdateRule.leastEpsilon == APUS_UPDATE_LEAST_EPSILON)
    }

    @Test func kernelIsNamed() throws {
        let x = Tensor.placeholder([4, 3], name: "x"), y = Tensor.placeholder([4, 2], name: "y")
        let parameter = try Parameter(3, 2)
        let trace = try Trace(
            inputs: [x, y, parameter.rate], outputs: [],
            updates: parameter.updates(.adam, matMul(x.transposed(), y))[0], mode: .training, batchSize: 1)
        let executable = try Device.cpu.compile(Plan(trace.graph, largeElementCount: 1), trace.variables)
        #expect(executable.kernelName(ofStep: 0) == "MatMulOptimizer")
        #expect(["tiles:avx512", "tiles:avx2", "tiles:baseline"].contains(executable.implementation(ofStep: 0)))
    }
}
