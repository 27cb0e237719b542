import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import Testing

extension KernelTests {
    /// Short trainings twice over, for the kernels that no single operation of the table becomes.
    @Suite struct KernelRepetitionTests {
        /// What kernels there are; a new one does not compile here.
        enum Kind: String, CaseIterable, Sendable {
            case operation, shared, matMul, matMulWithBias, convolution, convolutionWithBias, projectedRecurrence
            case recurrenceGradient, matMulUpdate, matMulOptimizer, elementwise, elementwiseWithSums, copy

            init(_ kernel: Plan.Kernel) {
                switch kernel {
                case .operation: self = .operation
                case .shared: self = .shared
                case .matMul(_, let hasBias, _): self = hasBias ? .matMulWithBias : .matMul
                case .convolution(_, let hasBias, _): self = hasBias ? .convolutionWithBias : .convolution
                case .projectedRecurrence: self = .projectedRecurrence
                case .recurrenceGradient: self = .recurrenceGradient
                case .matMulUpdate: self = .matMulUpdate
                case .matMulOptimizer: self = .matMulOptimizer
                case .elementwise(let program): self = program.sums.isEmpty ? .elementwise : .elementwiseWithSums
                case .copy: self = .copy
                }
            }
        }

        /// A step of a training, its variables as new.
        struct Training {
            struct Input {
                var tensor: Tensor
                var domain = Domain.range(-1...1)
            }

            var inputs: [Input] = []
            var outputs: [Tensor] = []
            var updates: [VariableUpdate]
            var largeElementCount = 65_536
        }

        struct Case: Sendable, CustomTestStringConvertible {
            var name: String
            var precision = Precision.float32
            /// What its plan must hold, among others.
            var kinds: Set<Kind>
            var make: @Sendable () throws -> Training

            var testDescription: String { "\(name), \(precision.rawValue)" }

            func plannedRun() throws -> PlannedRun {
                let training = try make()
                let trace = try Trace(
                    inputs: training.inputs.map(\.tensor), outputs: training.outputs, updates: training.updates,
                    mode: .training, batchSize: 1)
                let plan = Plan(
                    trace.graph, precision: precision, largeElementCount: training.largeElementCount)
                var numbers = SeededNumbers(seed: 5)
                let arrays = training.inputs.map { input in
                    RowInput(input.tensor.shape, input.domain, input.tensor.elementType)
                        .tiledValues(batchSize: 1, from: &numbers)
                }
                return PlannedRun(plan: plan, variables: trace.variables, inputs: arrays, stepCount: 3)
            }
        }

        static let cases: [Case] = singleCases + roundedOrNot(.float32) + roundedOrNot(.bfloat16)

        private static let singleCases: [Case] = [
            Case(name: "dense layers, split", precision: .float32Fast, kinds: [.matMul, .elementwise]) {
                try denseLayers()
            },
            Case(name: "states of a recurrence", kinds: [.shared]) { try recurrentStates() },
            Case(name: "rows of a table", kinds: [.operation]) { try tableRows() },
            Case(name: "exchanged variables", kinds: [.copy]) { exchange() },
        ]

        private static func roundedOrNot(_ precision: Precision) -> [Case] {
            var cases: [Case] = [
                Case(
                    name: "dense layers", precision: precision,
                    kinds: [.matMul, .matMulWithBias, .matMulUpdate, .elementwiseWithSums]
                ) { try denseLayers() },
                Case(name: "attention", precision: precision, kinds: [.operation]) { try attention() },
                Case(
                    name: "convolutions", precision: precision, kinds: [.convolution, .convolutionWithBias, .operation]
                ) { try convolutions() },
            ]
            for rule in MatMulOptimizerTests.Rule.allCases {
                cases.append(
                    Case(name: "\(rule)", precision: precision, kinds: [.matMulOptimizer]) { try optimizer(rule) })
            }
            for kind in RecurrentCell.Kind.allCases {
                cases.append(
                    Case(name: "\(kind)", precision: precision, kinds: [.projectedRecurrence, .recurrenceGradient]) {
                        try recurrence(kind)
                    })
            }
            return cases
        }

        /// Three steps from the same start, each time with variables, a plan and an executable of their own.
        @Test(arguments: cases) func trainingsAreBitwiseEqual(_ example: Case) throws {
            let (one, two) = (try example.plannedRun(), try example.plannedRun())
            #expect(one.plan.description == two.plan.description)
            #expect(Set(one.plan.steps.map { Kind($0.kernel) }).isSuperset(of: example.kinds), "\(one.plan)")
            #expect(one.plan.description.contains("roundToBfloat16") == (example.precision != .float32))
            let start = one.variables.map(\.value)
            #expect(zip(start, two.variables).allSatisfy { $0.hasBits(of: $1.value) })

            let (first, second) = try outcomesOfTwo(one, two)
            #expect(differences(first, second) == [])
            // What stands still or is not finite would prove little.
            #expect(zip(start, first.suffix(start.count)).contains { !$0.hasBits(of: $1.array) })
            #expect(first.allSatisfy { $0.array.floats.allSatisfy(\.isFinite) })
        }

        @Test func everyKernelHasACase() {
            #expect(Set(Self.cases.flatMap(\.kinds)) == Set(Kind.allCases))
        }

        // MARK: Trainings

        private static func variable(_ name: String, _ shape: Shape, _ limit: Double, seed: UInt64) -> Variable {
            var numbers = SeededNumbers(seed: seed, stream: 1)
            return Variable(
                name, value: RowInput(shape, .range(-limit...limit)).tiledValues(batchSize: 1, from: &numbers))
        }

        /// A step of plain descent.
        private static func descent(_ loss: Tensor, _ variables: [Variable]) throws -> [VariableUpdate] {
            let slopes = try gradient(of: loss, withRespectTo: variables.map(\.tensor))
            return zip(variables, slopes).map { VariableUpdate($0, to: $0.tensor - 0.5 * $1) }
        }

        private static func denseLayers() throws -> Training {
            let x = Tensor.placeholder([512, 96], name: "x"), target = Tensor.placeholder([512, 40], name: "target")
            let first = variable("first", [96, 80], 0.2, seed: 1), bias = variable("bias", [80], 0.1, seed: 2)
            let second = variable("second", [80, 40], 0.2, seed: 3)
            let hidden = sigmoid(matMul(x, first.tensor) + bias.tensor)
            let loss = square(matMul(hidden, second.tensor) - target).mean()
            return Training(
                inputs: [.init(tensor: x), .init(tensor: target)], outputs: [loss, hidden],
                updates: try descent(loss, [first, bias, second]))
        }

        /// A sum of 512 terms for each number of the gradient.
        private static func optimizer(_ rule: MatMulOptimizerTests.Rule) throws -> Training {
            let x = Tensor.placeholder([512, 48], name: "x"), y = Tensor.placeholder([512, 64], name: "y")
            let parameter = try MatMulOptimizerTests.Parameter(48, 64)
            return Training(
                inputs: [
                    .init(tensor: x), .init(tensor: y), .init(tensor: parameter.rate, domain: .just(0.01)),
                ],
                updates: parameter.updates(rule, matMul(x.transposed(), y))[0], largeElementCount: 1)
        }

        /// Rows times a kernel, then the cell, then sums over all rows and steps: units that leave lanes over.
        private static func recurrence(_ kind: RecurrentCell.Kind) throws -> Training {
            let (batch, steps, features, units, isGRU) = (48, 4, 12, 20, kind == .gru)
            let cell = RecurrentCell(kind)
            let width = cell.gateCount * units
            let sequence = Tensor.placeholder([batch, steps, features], name: "sequence")
            var parameters = [
                variable("kernel", [features, width], 0.3, seed: 1), variable("bias", [width], 0.1, seed: 2),
                variable("recurrentKernel", [units, width], 0.3, seed: 3),
            ]
            if isGRU { parameters.append(variable("recurrentBias", [width], 0.1, seed: 4)) }
            let product =
                matMul(sequence.reshaped(to: [batch * steps, features]), parameters[0].tensor) + parameters[1].tensor
            let rule = Recurrence(cell: cell, hasRecurrentBias: isGRU, result: isGRU ? .hidden : .lastHidden)
            let states = Tensor(
                .recurrence(rule),
                [product.reshaped(to: [batch, steps, width])] + parameters.dropFirst(2).map(\.tensor))
            let loss = square(states).mean()
            return Training(
                inputs: [.init(tensor: sequence)], outputs: [loss], updates: try descent(loss, parameters))
        }

        /// Gradients with respect to all that enters the steps but their kernel, which would be summed.
        private static func recurrentStates() throws -> Training {
            let rule = Recurrence(cell: RecurrentCell(.lstm), hasInitialState: true)
            let kernel = variable("kernel", [20, 80], 0.3, seed: 1)
            let changed = [
                variable("projected", [48, 4, 80], 1, seed: 2), variable("hidden", [48, 20], 0.5, seed: 3),
                variable("cells", [48, 20], 0.5, seed: 4),
            ]
            let states = Tensor(
                .recurrence(rule), [changed[0].tensor, kernel.tensor, changed[1].tensor, changed[2].tensor])
            let loss = square(states).mean()
            return Training(outputs: [loss], updates: try descent(loss, changed))
        }

        /// In float32 the first two are filtered, forward and backward, the last one is oneDNN's, but for its image's
        /// gradient, which is spread.
        private static func convolutions() throws -> Training {
            let image = Tensor.placeholder([16, 12, 12, 12], name: "image")
            let parameters = [
                variable("first", [3, 3, 12, 20], 0.2, seed: 1), variable("bias", [20], 0.1, seed: 2),
                variable("second", [3, 3, 20, 20], 0.2, seed: 3), variable("third", [3, 3, 20, 48], 0.2, seed: 4),
            ]
            let tensors = parameters.map(\.tensor)
            let first = relu(convolution(image, kernel: tensors[0], padding: .same) + tensors[1])
            let second = maxPool(convolution(first, kernel: tensors[2], padding: .same), window: [2, 2])
            let loss = square(convolution(second, kernel: tensors[3], strides: [2, 2])).mean()
            return Training(
                inputs: [.init(tensor: image)], outputs: [loss], updates: try descent(loss, parameters))
        }

        /// Batches of products.
        private static func attention() throws -> Training {
            let x = Tensor.placeholder([6, 48, 32], name: "x")
            let weights = variable("weights", [32, 32], 0.3, seed: 1)
            let queries = matMul(x.reshaped(to: [288, 32]), weights.tensor).reshaped(to: [6, 48, 32])
            let shares = softmax(matMul(queries, x.transposed(0, 2, 1)))
            let loss = square(matMul(shares, x)).mean()
            return Training(inputs: [.init(tensor: x)], outputs: [loss], updates: try descent(loss, [weights]))
        }

        /// Each row of the table is read several times, and its gradients are added up.
        private static func tableRows() throws -> Training {
            let places = Tensor.placeholder([40, 20], .int32, name: "places")
            let table = variable("table", [200, 64], 1, seed: 1)
            let loss = square(gather(table.tensor, at: places) - 0.5).mean()
            return Training(
                inputs: [.init(tensor: places, domain: .integers(0...199))], outputs: [loss],
                updates: try descent(loss, [table]))
        }

        private static func exchange() -> Training {
            let a = variable("a", [300, 300], 1, seed: 1), b = variable("b", [300, 300], 1, seed: 2)
            return Training(updates: [VariableUpdate(a, to: b.tensor), VariableUpdate(b, to: a.tensor)])
        }
    }
}
