import ApusCore
import ApusGraph

extension Plan {
    /// To which part of a training step a step of the plan belongs.
    package enum Part: String, Hashable, Sendable, CaseIterable, Codable {
        /// What the outputs need.
        case forward
        /// Gradients, also where the kernel that computes one takes it from the variable at once.
        case backward
        /// What makes the variables' next values of gradients.
        case update
    }

    /// The part of each step.
    ///
    /// A step that computes something for two parts counts for the earlier one. A step is an update if it writes
    /// variables element by element, or serves updates alone: it depends on no input, or belongs to no layer.
    package var parts: [Part] {
        let producer = producers
        var isForward = [Bool](repeating: false, count: steps.count)
        var stack = outputs.compactMap { producer[$0] }
        while let step = stack.popLast() {
            if isForward[step] { continue }
            isForward[step] = true
            stack += steps[step].inputs.compactMap { producer[$0] }
        }
        var dependsOnInput = [Bool](repeating: false, count: steps.count)
        for (index, step) in steps.enumerated() {
            dependsOnInput[index] = step.inputs.contains { value in
                if case .input = values[value].location { return true }
                return producer[value].map { dependsOnInput[$0] } ?? false
            }
        }
        var consumers = [[Int]](repeating: [], count: steps.count)
        for (index, step) in steps.enumerated() {
            for other in step.inputs.compactMap({ producer[$0] }) { consumers[other].append(index) }
        }
        var result = [Part](repeating: .backward, count: steps.count)
        for index in steps.indices.reversed() {
            let step = steps[index]
            if isForward[index] {
                result[index] = .forward
            } else if consumers[index].isEmpty {
                result[index] = isProduct(step) ? .backward : .update
            } else {
                let isForUpdates = consumers[index].allSatisfy { result[$0] == .update || isProduct(steps[$0]) }
                let isOwn = step.origin.isEmpty && consumers[index].allSatisfy { result[$0] == .update }
                if isForUpdates && !dependsOnInput[index] || isOwn && !isProduct(step) { result[index] = .update }
            }
        }
        return result
    }

    /// The layer of each step; of a step that belongs to none, the one whose steps' results it reads, if it is one only.
    package var layers: [String] {
        let producer = producers
        return steps.map { step in
            if !step.origin.isEmpty { return step.origin }
            let origins = Set(step.inputs.compactMap { producer[$0] }.map { steps[$0].origin }.filter { !$0.isEmpty })
            return origins.count == 1 ? origins.first ?? "" : ""
        }
    }

    /// The step that makes each value; `nil` for what is there before a run.
    private var producers: [Int?] {
        var result = [Int?](repeating: nil, count: values.count)
        for (index, step) in steps.enumerated() { for output in step.outputs { result[output] = index } }
        return result
    }

    private func isProduct(_ step: Step) -> Bool {
        switch step.kernel {
        case .matMul, .matMulUpdate, .matMulOptimizer, .convolution, .projectedRecurrence, .recurrenceGradient: true
        case .operation(let operation):
            switch operation {
            case .matMul, .convolution, .convolutionInputGradient, .convolutionKernelGradient: true
            default: false
            }
        case .shared, .elementwise, .copy: false
        }
    }

    /// The bytes that a step reads and writes: each input once, however often the kernel reads it, and each output. Of
    /// an input that is read in part, no more than what it gives.
    package func byteCount(of step: Step) -> Int {
        let written = step.outputs.reduce(0) { $0 + values[$1].type.byteCount }
        var read = Set(step.inputs).reduce(0) { $0 + values[$1].type.byteCount }
        if case .operation(let operation) = step.kernel {
            switch operation {
            case .slice, .gather, .firstRow: read = min(read, written)
            default: break
            }
        }
        return read + written
    }
}
