import ApusCore

extension Graph {
    /// What is wrong with the graph, in words; empty for a graph that can run.
    package var faults: [String] {
        var faults: [String] = []
        for (index, node) in nodes.enumerated() {
            if let late = node.inputs.first(where: { $0 >= index || $0 < 0 }) {
                faults.append("%\(index) reads %\(late), which does not come before it")
                continue
            }
            if let count = node.operation.inputCount, count != node.inputs.count {
                faults.append("%\(index): \(node.operation) has \(node.inputs.count) inputs instead of \(count)")
                continue
            }
            switch node.operation {
            case .phase, .stopGradient, .axisSize, .batchNormalization, .runningAverage:
                faults.append("%\(index): \(node.operation) is left from tracing")
            case .input where !inputs.contains(index): faults.append("%\(index) is an input that nobody gives")
            case .variable where !variables.contains(index):
                faults.append("%\(index) reads a variable that is not listed")
            default: break
            }
            if node.type.shape.isSymbolic { faults.append("%\(index) has an open size: \(node.type)") }
            do {
                let type = try node.operation.rule.resultType(of: node.inputs.map { nodes[$0].type })
                if type != node.type { faults.append("%\(index) says \(node.type), its rule gives \(type)") }
            } catch {
                faults.append("%\(index): \(error)")
            }
        }
        for root in roots where !nodes.indices.contains(root) {
            faults.append("%\(root) is read, but there is no such node")
        }
        for input in inputs where !nodes.indices.contains(input) || !nodes[input].operation.isInput {
            faults.append("%\(input) is listed as an input, but is none")
        }
        for variable in variables where !nodes.indices.contains(variable) || !nodes[variable].operation.isVariable {
            faults.append("%\(variable) is listed as a variable, but is none")
        }
        for update in updates {
            guard variables.indices.contains(update.variable), nodes.indices.contains(update.value) else {
                faults.append("an update of variable \(update.variable), of which there are \(variables.count)")
                continue
            }
            guard nodes.indices.contains(variables[update.variable]) else { continue }
            let (target, value) = (nodes[variables[update.variable]].type, nodes[update.value].type)
            if target != value { faults.append("an update of a \(target) by a \(value)") }
        }
        if Set(updates.map(\.variable)).count != updates.count { faults.append("a variable is updated twice") }
        return faults
    }

    /// Stops the program where a stage has made a graph that contradicts itself: a fault of Apus, never of its user.
    package func verify(after stage: String) {
        let faults = faults
        precondition(faults.isEmpty, "after \(stage): \(faults.joined(separator: "; "))\n\(self)")
    }
}

extension Operation {
    /// How many inputs it takes; `nil` for any number from 1 on.
    package var inputCount: Int? {
        switch self {
        case .input, .variable, .constant, .random, .stepValue: 0
        case .unary, .cast, .reduction, .argMax, .softmax, .logSoftmax, .firstRow: 1
        case .reshape, .broadcast, .transpose, .slice, .pad, .oneHot, .axisSize, .stopGradient: 1
        case .maxPool, .averagePool, .averagePoolGradient: 1
        case .convolution, .convolutionInputGradient, .convolutionKernelGradient: 2
        case .maxPoolSelection, .maxPoolGradient, .gather, .scatterAdd: 2
        case .binary, .matMul, .softmaxCrossEntropy: 2
        case .phase(let rule): rule.inputCount
        case .select, .runningAverage: 3
        case .batchNormalization: 7
        case .concatenate: nil
        case .recurrence(let rule): rule.inputCount
        case .recurrenceGradient(let rule): rule.inputCount
        }
    }

    fileprivate var isInput: Bool { if case .input = self { true } else { false } }
    fileprivate var isVariable: Bool { if case .variable = self { true } else { false } }
}
