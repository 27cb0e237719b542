import ApusCore
import ApusGraph

/// A step taken once more, each operation by itself and looked at, with no variable changed: finds where numbers that
/// are not finite came up first.
///
/// The graph is the simplified one, whose numbers are those of the step that failed.
struct CheckedRun {
    private let trace: Trace
    private let variableName: (Variable) -> String
    private let graph: Graph
    /// For each node the node of the traced graph that it was made for.
    private let sources: [Int]
    private let plan: Plan
    private let valueOfNode: [Int?]
    private let samples: SampleAxes
    /// The traced graph's updates and what they are in `graph.outputs`, after the outputs proper.
    private let outputCount: Int
    private let updatedVariables: [Int]

    /// What was found.
    struct Finding {
        /// What failed: `nil` for the guarded output.
        var quantity: String?
        /// The place in words.
        var origin: String
        /// The number of the input that came with it.
        var input: Int?
        var report: NotFiniteReport
    }

    init(
        _ trace: Trace, precision: Precision, batchSize: Int, variableName: @escaping (Variable) -> String
    ) {
        self.trace = trace
        self.variableName = variableName
        let simplified = trace.graph.simplifiedWithSources()
        var (graph, places) = simplified.graph.inPrecision(precision)
        outputCount = graph.outputs.count
        updatedVariables = graph.updates.map(\.variable)
        // As outputs, the new values stay beside the variables.
        graph.outputs += graph.updates.map(\.value)
        graph.updates = []
        (self.graph, sources) = (graph, places.map { simplified.sources[$0] })
        (plan, valueOfNode) = Plan.apart(graph, precision: precision)
        samples = SampleAxes(trace, batchSize: batchSize)
    }

    /// Runs it.
    /// - Parameter guardedOutput: the output that must be finite, if any; the updates must be, too.
    /// - Returns: the first fault on the way to one of these; `nil` where all are finite.
    func finding(
        _ device: Device, inputs: UnsafeBufferPointer<UnsafeRawPointer>, context: RunContext, guardedOutput: Int?
    ) throws -> Finding? {
        let ranges = try measure(device, inputs, context)
        let updates = graph.outputs.dropFirst(outputCount)
        var roots = guardedOutput.map { [graph.outputs[$0]] }?.filter { ranges[$0].isFaulty } ?? []
        let isLoss = !roots.isEmpty
        // A loss that is not finite makes all gradients so.
        if !isLoss { roots = updates.filter { ranges[$0].isFaulty } }
        guard let origin = origin(of: roots, ranges) else { return nil }
        let path = path(from: origin, to: Set(roots), ranges)
        return Finding(
            quantity: isLoss ? nil : quantity(origin, ranges),
            origin: place(of: origin, readBy: path.dropFirst().first),
            input: graph.inputs.firstIndex(of: origin), report: report(origin, path, ranges))
    }

    // MARK: Running

    private struct Measured {
        var range: ArrayRange
        var firstNotFinite: Int?
        var isFaulty: Bool { firstNotFinite != nil }
    }

    /// The range of each node's value.
    private func measure(
        _ device: Device, _ inputs: UnsafeBufferPointer<UnsafeRawPointer>, _ context: RunContext
    ) throws -> [Measured] {
        var ofValue = [Measured?](repeating: nil, count: plan.values.count)
        func measure(_ value: Int, at address: UnsafeRawPointer) {
            ofValue[value] = Self.measured(plan.values[value].type, at: address)
        }
        for (value, description) in plan.values.enumerated() {
            switch description.location {
            case .input(let number): measure(value, at: inputs[number])
            case .variable(let number): measure(value, at: UnsafeRawPointer(trace.variables[number].storage))
            case .constant(let number):
                plan.constants[number].withUnsafeBytes { if let base = $0.baseAddress { measure(value, at: base) } }
            case .arena: break
            }
        }
        // Its factors are rounded, and multiplied as the device does it in a step.
        var ownPlan = plan
        ownPlan.roundsFactors = plan.precision == .bfloat16 && device.roundsFactors
        try device.compile(ownPlan, trace.variables).run(inputs: inputs, context: context) { step, address in
            for output in plan.steps[step].outputs { measure(output, at: address(output)) }
        }
        var result: [Measured] = []
        for (node, description) in graph.nodes.enumerated() {
            var measured: Measured
            if let value = valueOfNode[node], let known = ofValue[value] {
                measured = known
            } else if case .constant(let constant) = description.operation {
                measured = constant.value.withUnsafeBytes { bytes in
                    bytes.baseAddress.map { Self.measured(description.type, at: $0) } ?? Self.unknown(description.type)
                }
            } else {
                // A view, or a number that is stretched where it is read.
                measured = description.inputs.first.map { result[$0] } ?? Self.unknown(description.type)
            }
            measured.range.name = name(of: node)
            measured.range.type = "\(description.type)"
            result.append(measured)
        }
        return result
    }

    private static func measured(_ type: TensorType, at address: UnsafeRawPointer) -> Measured {
        guard type.elementType == .float32 else { return unknown(type) }
        let values = UnsafeBufferPointer(
            start: address.assumingMemoryBound(to: Float.self), count: type.shape.elementCount)
        let (range, first) = ArrayRange.measure(values, name: "", type: "\(type)")
        return Measured(range: range, firstNotFinite: first)
    }

    /// Whole numbers are finite.
    private static func unknown(_ type: TensorType) -> Measured {
        Measured(range: ArrayRange(name: "", type: "\(type)", elementCount: type.shape.elementCount))
    }

    // MARK: Where it began

    /// The first node in the order of the run that made a fault of none and from which faults lead to a root.
    private func origin(of roots: [Int], _ ranges: [Measured]) -> Int? {
        var seen: Set<Int> = []
        var stack = roots
        var origins: [Int] = []
        while let node = stack.popLast() {
            guard seen.insert(node).inserted else { continue }
            let faulty = graph.nodes[node].inputs.filter { ranges[$0].isFaulty }
            if faulty.isEmpty { origins.append(node) }
            stack += faulty
        }
        return origins.min()
    }

    /// What fails where the loss does not: a step of a variable, or the gradient of the first parameter that `origin`
    /// reaches.
    private func quantity(_ origin: Int, _ ranges: [Measured]) -> String? {
        if case .update(let variable) = role(origin) { return "update of '\(name(ofVariable: variable))'" }
        var isReached = [Bool](repeating: false, count: graph.nodes.count)
        isReached[origin] = true
        for (node, description) in graph.nodes.enumerated() where ranges[node].isFaulty && !isReached[node] {
            isReached[node] = description.inputs.contains { isReached[$0] }
        }
        let reached = zip(graph.outputs.dropFirst(outputCount), updatedVariables).filter { isReached[$0.0] }.map(\.1)
        let failed = reached.first { trace.variables[$0].isParameter } ?? reached.first
        return failed.map {
            "\(trace.variables[$0].isParameter ? "gradient" : "update") of '\(name(ofVariable: $0))'"
        }
    }

    /// The nodes from `origin` to the nearest root, each taking in the fault of the one before; views left out.
    private func path(from origin: Int, to roots: Set<Int>, _ ranges: [Measured]) -> [Int] {
        var before: [Int: Int] = [origin: origin]
        var end = origin
        for node in graph.nodes.indices.dropFirst(origin) {
            if before[node] == nil {
                guard ranges[node].isFaulty,
                    let input = graph.nodes[node].inputs.first(where: { before[$0] != nil && ranges[$0].isFaulty })
                else { continue }
                before[node] = input
            }
            guard roots.contains(node) else { continue }
            end = node
            break
        }
        var path = [end]
        while let node = path.last, node != origin, let input = before[node] { path.append(input) }
        return path.reversed()
    }

    // MARK: Words

    private func report(_ origin: Int, _ path: [Int], _ ranges: [Measured]) -> NotFiniteReport {
        let node = graph.nodes[origin]
        let position: NotFiniteReport.Position =
            switch role(origin) {
            case .forward: .forward
            case .gradient: .gradient
            case .update(let variable): .update(name(ofVariable: variable))
            }
        var element: [Int] = []
        var rest = ranges[origin].firstNotFinite ?? 0
        for stride in node.type.shape.strides {
            element.append(rest / stride)
            rest %= stride
        }
        return NotFiniteReport(
            operation: "\(node.operation)", layer: node.origin, position: position, result: ranges[origin].range,
            inputs: node.inputs.map { ranges[$0].range }, element: element,
            batchIndex: samples.sample(at: element, of: sources[origin], shape: node.type.shape),
            path: path.filter { isWorthNaming($0) }.map { ranges[$0].range.name },
            values: graph.nodes.indices.prefix(origin + 1).filter { isWorthNaming($0) }.map { ranges[$0].range })
    }

    private func isWorthNaming(_ node: Int) -> Bool {
        switch graph.nodes[node].operation {
        case .reshape, .broadcast, .constant: false
        default: true
        }
    }

    private func role(_ node: Int) -> Trace.Role { trace.roles[sources[node]] }

    private func name(ofVariable place: Int) -> String { variableName(trace.variables[place]) }

    private func name(of node: Int) -> String {
        switch graph.nodes[node].operation {
        case .input(let slot): return "input '\(slot.name)'"
        case .variable:
            return graph.variables.firstIndex(of: node).map { "variable '\(name(ofVariable: $0))'" } ?? "variable"
        default:
            let origin = graph.nodes[node].origin
            return graph.nodes[node].operation.words + (origin.isEmpty ? "" : " of '\(origin)'")
        }
    }

    /// Where `node` stands, for the headline.
    private func place(of node: Int, readBy reader: Int?) -> String {
        switch graph.nodes[node].operation {
        case .input, .variable: return name(of: node) + (reader.map { ", read by \(place(of: $0, readBy: nil))" } ?? "")
        default: break
        }
        let layer = graph.nodes[node].origin
        let owner =
            switch role(node) {
            case .forward: layer.isEmpty ? "the computation of the loss" : "layer '\(layer)'"
            case .gradient: layer.isEmpty ? "the computation of the gradient" : "the gradient of layer '\(layer)'"
            case .update(let variable): "the update of '\(name(ofVariable: variable))'"
            }
        return "\(owner) (\(graph.nodes[node].operation.words))"
    }
}

extension Operation {
    /// As in `matrix product` or `softmax cross entropy`: for messages.
    var words: String {
        if case .matMul = self { return "matrix product" }
        return String(rule.name.flatMap { $0.isUppercase ? [" "] + Array($0.lowercased()) : [$0] })
    }
}
