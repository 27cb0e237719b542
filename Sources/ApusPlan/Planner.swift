import ApusCore
import ApusGraph

extension Plan {
    /// The plan of a graph: simplified, fused, ordered, with a place for every value.
    /// - Parameters:
    ///   - precision: how its products are computed.
    ///   - hasFastBfloat16: whether the device multiplies bfloat16 numbers faster than float32 ones: products of rounded
    ///     numbers then stay with its library, which knows how.
    ///   - roundsFactors: whether the device's matrix products, asked for bfloat16, round their factors themselves: no
    ///     pass over memory does it for them then.
    ///   - guardedOutput: an output (by number) that is known before any variable changes, so that a run can stop there
    ///     and leave the variables as they were.
    ///   - largeElementCount: the elements from which a value is rather computed again than read again, an image rather
    ///     pooled as it is made, and a gradient rather used as it comes than stored: what lies in the second-level cache
    ///     is cheap to read.
    package init(
        _ graph: Graph, precision: Precision = .float32, hasFastBfloat16: Bool = false, roundsFactors: Bool = false,
        guardedOutput: Int? = nil, largeElementCount: Int = 65_536
    ) {
        var planner = Planner(
            graph.simplified().inPrecision(precision).graph, largeElementCount: largeElementCount,
            fusesOptimizers: precision == .float32 || !hasFastBfloat16,
            roundsFactors: precision == .bfloat16 && roundsFactors)
        self = planner.plan(guardedOutput: guardedOutput)
        self.precision = precision
        self.roundsFactors = planner.roundsFactors
    }

    /// The plan of a graph as it is, each operation a step of its own; and the value of each node, `nil` for those that
    /// no step makes or reads.
    /// - Parameter precision: the one that the graph is in.
    static func apart(_ graph: Graph, precision: Precision) -> (plan: Plan, valueOfNode: [Int?]) {
        var planner = Planner(graph, largeElementCount: .max, fuses: false, fusesOptimizers: false)
        var plan = planner.plan(guardedOutput: nil)
        plan.precision = precision
        return (plan, planner.valueOfNode)
    }
}

private struct Planner {
    let graph: Graph
    let fusion: Fusion
    private let fusesOptimizers: Bool
    let roundsFactors: Bool
    var values: [Plan.Value] = []
    var constants: [NDArray] = []
    /// The value of each node; a reshape shares its input's.
    var valueOfNode: [Int?]
    var steps: [Plan.Step] = []
    /// The groups of the graph, in the order of `steps`.
    var groups: [Fusion.Group] = []
    /// The values that the caller reads.
    var outputs: [Int] = []

    init(
        _ graph: Graph, largeElementCount: Int, fuses: Bool = true, fusesOptimizers: Bool, roundsFactors: Bool = false
    ) {
        self.graph = graph
        self.fusesOptimizers = fusesOptimizers
        self.roundsFactors = roundsFactors
        fusion = Fusion(graph, largeElementCount: largeElementCount, isOff: !fuses)
        valueOfNode = [Int?](repeating: nil, count: graph.nodes.count)
    }

    mutating func plan(guardedOutput: Int?) -> Plan {
        placeSources()
        makeSteps()
        if roundsFactors { dropRoundings() }
        if fusesOptimizers { fuseOptimizers() }
        var ordering = Ordering(prerequisites: prerequisites(), ranks: groups.map { $0.nodes.last ?? 0 })
        let producer = producers()
        let guardedValue = guardedOutput.flatMap { valueOfNode[graph.outputs[$0]] }
        let guardedStep = guardedValue.flatMap { producer[$0] }

        // Copies at the end set the variables that no step can write in place; a variable's old value that such a copy
        // needs is put aside at the start.
        var (firstCopies, lastCopies): ([Plan.Step], [Plan.Step]) = ([], [])
        for update in graph.updates {
            guard let value = valueOfNode[update.value], let variable = valueOfNode[graph.variables[update.variable]]
            else {
                preconditionFailure("an update without a value")
            }
            if value == variable { continue }
            if let step = producer[value], case .arena = values[value].location,
                isInPlace(step, value, variable), order(step, after: guardedStep, variable, &ordering)
            {
                values[value].location = .variable(update.variable)
            } else if producer[value] == nil, case .variable = values[value].location {
                let aside = makeValue(values[value].type, .arena(offset: 0))
                firstCopies.append(copy(value, to: aside))
                lastCopies.append(copy(aside, to: variable))
            } else {
                lastCopies.append(copy(value, to: variable))
            }
        }
        // An output that is an input, or the old value of a variable that is updated, is put aside too: the caller
        // reads it when the run is over.
        let updated = Set(graph.updates.compactMap { valueOfNode[graph.variables[$0.variable]] })
        var asides: [Int: Int] = [:]
        for case let value? in graph.outputs.map({ valueOfNode[$0] }) where asides[value] == nil {
            guard isInput(value) || updated.contains(value) else { continue }
            let aside = makeValue(values[value].type, .arena(offset: 0))
            firstCopies.append(copy(value, to: aside))
            asides[value] = aside
        }
        outputs = graph.outputs.compactMap { valueOfNode[$0] }.map { asides[$0] ?? $0 }
        let order = ordering.sorted()
        steps = firstCopies + order.map { steps[$0] } + lastCopies
        let arenaByteCount = placeInArena()
        return Plan(
            steps: steps, values: values, constants: constants, inputTypes: graph.inputs.map { graph.nodes[$0].type },
            variableTypes: graph.variables.map { graph.nodes[$0].type },
            outputs: outputs,
            outputShapes: graph.outputs.map { graph.nodes[$0].type.shape },
            guardedStep: guardedStep.flatMap { order.firstIndex(of: $0) }.map { $0 + firstCopies.count },
            guardedValue: guardedStep == nil ? nil : guardedValue, arenaByteCount: arenaByteCount)
    }

    private func copy(_ source: Int, to target: Int) -> Plan.Step {
        Plan.Step(
            kernel: .copy, inputs: [source], outputs: [target], inputTypes: [values[source].type], origin: "",
            flopCount: 0)
    }

    private mutating func makeValue(_ type: TensorType, _ location: Plan.Location) -> Int {
        values.append(Plan.Value(type: type, location: location))
        return values.count - 1
    }

    private mutating func placeSources() {
        for (position, node) in graph.inputs.enumerated() {
            valueOfNode[node] = makeValue(graph.nodes[node].type, .input(position))
        }
        for (position, node) in graph.variables.enumerated() {
            valueOfNode[node] = makeValue(graph.nodes[node].type, .variable(position))
        }
    }

    /// The value of a node that is no step's own: constants when first asked for, reshapes as their inputs.
    private mutating func value(of node: Int) -> Int {
        if let value = valueOfNode[node] { return value }
        let value: Int
        switch graph.nodes[node].operation {
        case .constant(let constant):
            value = makeValue(graph.nodes[node].type, .constant(constants.count))
            constants.append(constant.value)
        case .reshape: value = self.value(of: graph.nodes[node].inputs[0])
        default: value = makeValue(graph.nodes[node].type, .arena(offset: 0))
        }
        valueOfNode[node] = value
        return value
    }

    private mutating func makeSteps() {
        for group in fusion.groups.sorted(by: { ($0.nodes.last ?? -1) < ($1.nodes.last ?? -1) }) {
            guard let last = group.nodes.last else { continue }
            let origin = group.nodes.map { graph.nodes[$0].origin }.first { !$0.isEmpty } ?? ""
            let flopCount = group.nodes.reduce(0) { $0 + self.flopCount($1) }
            var step = Plan.Step(
                kernel: .copy, inputs: [], outputs: [], inputTypes: [], origin: origin, flopCount: flopCount)
            switch group.kind {
            case .single:
                step.kernel = .operation(graph.nodes[last].operation)
                setInputs(graph.nodes[last].inputs, &step)
                step.outputs = [value(of: last)]
            case .matMul(let bias, let activation):
                guard case .matMul(let product) = graph.nodes[group.nodes[0]].operation else {
                    preconditionFailure("a product's group starts with \(graph.nodes[group.nodes[0]])")
                }
                step.kernel = .matMul(product, hasBias: bias != nil, activation: activation)
                setInputs(graph.nodes[group.nodes[0]].inputs + [bias].compactMap { $0 }, &step)
                step.outputs = [value(of: last)]
            case .convolution(let bias, let activation):
                guard case .convolution(let convolution) = graph.nodes[group.nodes[0]].operation else {
                    preconditionFailure("a convolution's group starts with \(graph.nodes[group.nodes[0]])")
                }
                step.kernel = .convolution(convolution, hasBias: bias != nil, activation: activation)
                setInputs(graph.nodes[group.nodes[0]].inputs + [bias].compactMap { $0 }, &step)
                step.outputs = [value(of: last)]
            case .projectedRecurrence(let product, let bias):
                let members = group.nodes.filter { fusion.recurrence($0) != nil }
                step.kernel = .projectedRecurrence(
                    members.compactMap { fusion.recurrence($0) },
                    stepCount: graph.nodes[graph.nodes[members[0]].inputs[0]].type.shape[1], hasBias: bias != nil,
                    keepsByStep: fusion.keepsByStep(members[0]))
                step.flopCount = self.flopCount(product) + (members.map { self.flopCount($0) }.max() ?? 0)
                setInputs(
                    graph.nodes[product].inputs + [bias].compactMap { $0 }
                        + graph.nodes[members[0]].inputs.dropFirst(), &step)
                step.outputs = members.map { value(of: $0) }
            case .recurrenceGradient(let sums):
                let members = group.nodes.filter { fusion.recurrenceGradient($0) != nil }
                guard let rule = fusion.recurrenceGradient(members[0]) else {
                    preconditionFailure("a recurrence's gradient without a rule")
                }
                let stored = members.filter { fusion.isStored($0) }
                step.kernel = .recurrenceGradient(
                    rule, results: stored.compactMap { fusion.recurrenceGradient($0)?.result },
                    sums: sums.map { .init(of: $0.of, hasFactors: $0.factors != nil) },
                    isKeptByStep: fusion.isKeptByStep(members[0]))
                step.flopCount =
                    (members.map { self.flopCount($0) }.max() ?? 0)
                    + sums.reduce(0) { $0 + self.flopCount($1.node) }
                setInputs(graph.nodes[members[0]].inputs + sums.compactMap(\.factors), &step)
                step.outputs = (stored + sums.map(\.node)).map { value(of: $0) }
            case .matMulUpdate(let variable, let scale):
                guard case .matMul(let product) = graph.nodes[group.nodes[0]].operation else {
                    preconditionFailure("a product's group starts with \(graph.nodes[group.nodes[0]])")
                }
                step.kernel = .matMulUpdate(product, hasScale: scale != nil)
                setInputs(graph.nodes[group.nodes[0]].inputs + [variable] + [scale].compactMap { $0 }, &step)
                step.outputs = [value(of: last)]
            case .elementwise:
                makeProgram(group, &step)
                // A gradient that several groups spread counts once.
                for gradient in fusion.spreadInputs(of: group.nodes)
                where group.nodes.contains(fusion.consumers[gradient][0]) {
                    step.flopCount += self.flopCount(gradient)
                }
                // Whoever needs it computes it.
                if step.outputs.isEmpty { continue }
            case .shared:
                let operations = group.nodes.map { graph.nodes[$0].operation }
                step.kernel = operations.count == 1 ? .operation(operations[0]) : .shared(operations)
                step.flopCount = group.nodes.map { self.flopCount($0) }.max() ?? 0
                setInputs(graph.nodes[last].inputs, &step)
                step.outputs = group.nodes.map { value(of: $0) }
            }
            steps.append(step)
            groups.append(group)
        }
        for output in graph.roots { _ = value(of: output) }
    }

    /// Steps that do nothing but round go, where matrix products alone read what they make.
    private mutating func dropRoundings() {
        var unrounded: [Int: Int] = [:]
        for step in steps {
            guard case .elementwise(let program) = step.kernel, program.isRounding else { continue }
            unrounded[step.outputs[0]] = step.inputs[0]
        }
        for root in graph.roots { unrounded[value(of: root)] = nil }
        for step in steps {
            switch step.kernel {
            // Bias, variable and scale are no factors.
            case .matMul, .operation(.matMul), .matMulUpdate:
                for input in step.inputs.dropFirst(2) { unrounded[input] = nil }
            default: for input in step.inputs { unrounded[input] = nil }
            }
        }
        let kept = steps.indices.filter { index in !steps[index].outputs.contains { unrounded[$0] != nil } }
        groups = kept.map { groups[$0] }
        steps = kept.map { steps[$0] }
        for index in steps.indices { steps[index].inputs = steps[index].inputs.map { unrounded[$0] ?? $0 } }
    }

    /// An optimizer's step whose gradient is a product, which nobody else reads, takes it as it comes, where storing it
    /// would not be cheap.
    private mutating func fuseOptimizers() {
        let producer = producers()
        var readerCounts = [Int](repeating: 0, count: values.count)
        for input in steps.flatMap(\.inputs) { readerCounts[input] += 1 }
        for root in graph.roots { readerCounts[value(of: root)] += 1 }
        var taken: Set<Int> = []
        for index in steps.indices {
            guard case .elementwise(let program) = steps[index].kernel,
                program.domain.elementCount >= fusion.largeElementCount, let update = UpdateProgram(program),
                let source = producer[steps[index].inputs[update.gradient]],
                readerCounts[steps[index].inputs[update.gradient]] == 1,
                isGradient(steps[source], of: program.domain)
            else { continue }
            let places = [update.parameter, update.rate] + update.slots
            steps[index].kernel = .matMulOptimizer(update.rule)
            steps[index].inputs = steps[source].inputs + places.map { steps[index].inputs[$0] }
            steps[index].inputTypes = steps[source].inputTypes + places.map { steps[index].inputTypes[$0] }
            steps[index].outputs = update.outputs.map { steps[index].outputs[$0] }
            steps[index].flopCount += steps[source].flopCount
            steps[index].origin = steps[source].origin
            taken.insert(source)
        }
        groups = groups.indices.filter { !taken.contains($0) }.map { groups[$0] }
        steps = steps.indices.filter { !taken.contains($0) }.map { steps[$0] }
    }

    /// Whether a step is a plain product of two matrices, the left one transposed, for a parameter of a shape. Others
    /// may be stored under that shape too: a batch of one product, say.
    private func isGradient(_ step: Plan.Step, of shape: Shape) -> Bool {
        guard let product = plainProduct(step.kernel), product == MatMul(isLeftTransposed: true) else { return false }
        let (left, right) = (step.inputTypes[0].shape, step.inputTypes[1].shape)
        return left.rank == 2 && right.rank == 2 && [left[1], right[1]] == shape.sizes
            && left[0] <= UpdateRule.mostTerms
    }

    private func plainProduct(_ kernel: Plan.Kernel) -> MatMul? {
        switch kernel {
        case .operation(.matMul(let product)), .matMul(let product, hasBias: false, activation: nil): product
        default: nil
        }
    }

    private mutating func setInputs(_ nodes: [Int], _ step: inout Plan.Step) {
        step.inputs = nodes.map { value(of: $0) }
        step.inputTypes = nodes.map { graph.nodes[$0].type }
    }

    private func flopCount(_ index: Int) -> Int {
        let node = graph.nodes[index]
        return node.operation.rule.flopCount(inputs: node.inputs.map { graph.nodes[$0].type }, output: node.type)
    }

    /// Turns an element-wise group into a program.
    private mutating func makeProgram(_ group: Fusion.Group, _ step: inout Plan.Step) {
        let all = (group.nodes + group.recomputed).sorted()
        let nodes = all.filter { Fusion.isElementwise(graph.nodes[$0]) }
        let sums = all.filter { fusion.columnCount(ofSum: $0) != nil }
        let pooled = all.filter { fusion.poolings[$0] != nil }
        var program = ElementwiseProgram(domain: graph.nodes[nodes[0]].type.shape)
        enum Operand: Hashable {
            case input(value: Int, strides: [Int])
            case spread(value: Int)
            case constant(bits: UInt32)
            case node(Int)
        }
        let members = Set(nodes)
        var inputs: [Operand: Int] = [:]
        var constants: [Operand: Int] = [:]
        func operand(_ node: Int) -> Operand {
            if members.contains(node) { return .node(node) }
            if let number = graph.nodes.splat(node) { return .constant(bits: number.bitPattern) }
            if case .broadcast = graph.nodes[node].operation, valueOfNode[node] == nil {
                let source = graph.nodes[node].inputs[0]
                let strides = Broadcast.strides(of: graph.nodes[source].type.shape, over: program.domain)
                return .input(value: value(of: source), strides: strides)
            }
            if fusion.spreadByReaders.contains(node) { return .spread(value: value(of: graph.nodes[node].inputs[1])) }
            return .input(value: value(of: node), strides: program.domain.strides)
        }
        let operands = nodes.map { graph.nodes[$0].inputs.map(operand) }
        let image = fusion.images(of: all).first.map(operand)
        for operand in operands.joined() + [image].compactMap({ $0 }) {
            switch operand {
            case .input(let value, let strides) where inputs[operand] == nil:
                inputs[operand] = program.inputs.count
                program.inputs.append(.init(elementType: values[value].type.elementType, strides: strides))
                step.inputs.append(value)
                step.inputTypes.append(values[value].type)
            case .spread(let value) where inputs[operand] == nil:
                inputs[operand] = program.inputs.count
                program.inputs.append(.init(elementType: .float32, strides: program.domain.strides, isSpread: true))
                step.inputs.append(value)
                step.inputTypes.append(values[value].type)
            case .constant(let bits) where constants[operand] == nil:
                constants[operand] = program.constants.count
                program.constants.append(Float(bitPattern: bits))
            default: break
            }
        }
        var results: [Int: Int] = [:]
        let first = program.inputs.count + program.constants.count
        func place(_ operand: Operand) -> Int {
            switch operand {
            case .input, .spread: inputs[operand] ?? 0
            case .constant: program.inputs.count + (constants[operand] ?? 0)
            case .node(let node): results[node] ?? 0
            }
        }
        for (node, operands) in zip(nodes, operands) {
            let places = operands.map(place)
            results[node] = first + program.instructions.count
            switch graph.nodes[node].operation {
            case .unary(let unary): program.instructions.append(.unary(unary.function, places[0]))
            case .binary(let binary): program.instructions.append(.binary(binary.function, places[0], places[1]))
            case .select: program.instructions.append(.select(places[0], places[1], places[2]))
            default: program.instructions.append(.copy(places[0]))
            }
        }
        for node in group.nodes where Fusion.isElementwise(graph.nodes[node]) && fusion.isWritten(node) {
            program.outputs.append(.init(value: results[node] ?? 0, elementType: graph.nodes[node].type.elementType))
            step.outputs.append(value(of: node))
        }
        for node in pooled {
            let isSelection = fusion.poolings[node]?.role == .selection
            guard let result = results[graph.nodes[node].inputs[isSelection ? 1 : 0]] else {
                preconditionFailure("a pooling in a pass that does not compute what it pools")
            }
            program.outputs.append(
                .init(value: result, elementType: .float32, part: isSelection ? .selected : .largest))
            step.outputs.append(value(of: node))
        }
        program.windows = (fusion.spreadInputs(of: nodes) + pooled).first.flatMap { fusion.poolings[$0]?.windows }
        program.windows?.image = image.map(place)
        for sum in sums {
            program.sums.append(
                .init(
                    value: results[graph.nodes[sum].inputs[0]] ?? 0, columnCount: fusion.columnCount(ofSum: sum) ?? 1))
            step.outputs.append(value(of: sum))
        }
        step.kernel = .elementwise(program)
    }

    /// The step that writes each value.
    private func producers() -> [Int?] {
        var result = [Int?](repeating: nil, count: values.count)
        for (index, step) in steps.enumerated() { for output in step.outputs { result[output] = index } }
        return result
    }

    private func prerequisites() -> [Set<Int>] {
        let producer = producers()
        return steps.map { step in Set(step.inputs.compactMap { producer[$0] }) }
    }

    /// Whether a step may write `value` over `variable` although it reads it: only element by element.
    private func isInPlace(_ step: Int, _ value: Int, _ variable: Int) -> Bool {
        guard steps[step].inputs.contains(variable) else { return true }
        switch steps[step].kernel {
        case .elementwise(let program):
            return zip(steps[step].inputs, program.inputs).allSatisfy { input, description in
                input != variable || (description.strides == program.domain.strides && !description.isSpread)
            }
        case .matMulUpdate, .matMulOptimizer: return !steps[step].inputs.prefix(2).contains(variable)
        case .operation, .shared, .matMul, .convolution, .projectedRecurrence, .recurrenceGradient, .copy: return false
        }
    }

    /// Asks that the step which overwrites `variable` come after all its readers, and after the guard.
    private func order(_ step: Int, after guardedStep: Int?, _ variable: Int, _ ordering: inout Ordering) -> Bool {
        if let guardedStep, !ordering.require(guardedStep, before: step) { return false }
        for (reader, other) in steps.enumerated() where reader != step && other.inputs.contains(variable) {
            guard ordering.require(reader, before: step) else { return false }
        }
        return true
    }

    /// Gives every value of the arena its place; a step writes over an input that nobody needs after it where it can.
    private mutating func placeInArena() -> Int {
        var firstStep = [Int?](repeating: nil, count: values.count)
        var lastStep = [Int](repeating: -1, count: values.count)
        for (index, step) in steps.enumerated() {
            for output in step.outputs where firstStep[output] == nil { firstStep[output] = index }
            for value in step.inputs + step.outputs { lastStep[value] = index }
        }
        for output in outputs { lastStep[output] = steps.count }

        // `owner[v]` is the value whose memory v uses.
        var owner = Array(values.indices)
        for (index, step) in steps.enumerated() {
            var taken: Set<Int> = []
            for (place, output) in step.outputs.enumerated() where isInArena(output) && owner[output] == output {
                let candidate = overwritableInputs(of: step, output: place).first { input in
                    isInArena(input) && lastStep[input] == index && firstStep[input] != index
                        && !taken.contains(input) && step.inputs.filter { $0 == input }.count == 1
                        && values[input].type.byteCount == values[output].type.byteCount
                }
                guard let input = candidate else { continue }
                taken.insert(input)
                owner[output] = owner[input]
                lastStep[owner[input]] = max(lastStep[owner[input]], lastStep[output])
                if owner[input] != input { lastStep[input] = lastStep[owner[input]] }
            }
        }
        let owners = values.indices.filter { isInArena($0) && owner[$0] == $0 && firstStep[$0] != nil }
        let plan = MemoryPlan(
            owners.map {
                MemoryPlan.Request(
                    byteCount: values[$0].type.byteCount,
                    lifetime: (firstStep[$0] ?? 0)...max(lastStep[$0], firstStep[$0] ?? 0))
            })
        for (place, value) in owners.enumerated() { values[value].location = .arena(offset: plan.offsets[place]) }
        for value in values.indices where isInArena(value) { values[value].location = values[owner[value]].location }
        return plan.byteCount
    }

    /// The inputs that a step may write an output over, as far as the step itself goes.
    private func overwritableInputs(of step: Plan.Step, output: Int) -> [Int] {
        switch step.kernel {
        case .elementwise(let program):
            zip(step.inputs, program.inputs)
                .filter { $1.strides == program.domain.strides && $1.elementType == .float32 && !$1.isSpread }.map(\.0)
        case .operation(let operation): operation.overwritableInput.map { [step.inputs[$0]] } ?? []
        case .shared(let operations): operations[output].overwritableInput.map { [step.inputs[$0]] } ?? []
        case .recurrenceGradient(_, _, _, isKeptByStep: true): []
        case .recurrenceGradient(let rule, let results, _, isKeptByStep: false):
            results.dropFirst(output).first
                .flatMap { Operation.recurrenceGradient(rule.sibling($0)).overwritableInput }
                .map { [step.inputs[$0]] } ?? []
        case .matMul, .convolution, .projectedRecurrence, .matMulUpdate, .matMulOptimizer, .copy: []
        }
    }

    private func isInput(_ value: Int) -> Bool {
        if case .input = values[value].location { return true }
        return false
    }

    private func isInArena(_ value: Int) -> Bool {
        if case .arena = values[value].location { return true }
        return false
    }
}
