import ApusGraph
import ApusPlan

extension Plan.Kernel {
    /// What it computes, in the words of someone who does not know plans: for messages.
    var words: String {
        switch self {
        case .operation(.matMul): "matrix product"
        case .operation(let operation): Self.separated(operation.rule.name)
        case .matMul(_, let hasBias, let activation):
            (["matrix product"] + (hasBias ? ["bias"] : []) + [activation?.rawValue].compactMap { $0 })
                .joined(separator: ", ")
        case .convolution(_, let hasBias, let activation):
            (["convolution"] + (hasBias ? ["bias"] : []) + [activation?.rawValue].compactMap { $0 })
                .joined(separator: ", ")
        case .shared(let operations): operations.first.map { Self.separated($0.rule.name) } ?? ""
        case .projectedRecurrence: "recurrence"
        case .recurrenceGradient: "recurrence gradient"
        case .matMulUpdate: "matrix product and update"
        case .elementwise(let program): Self.words(program)
        case .copy: "copy"
        }
    }

    /// The functions that are applied to each element, the first three of them by name.
    private static func words(_ program: ElementwiseProgram) -> String {
        var names: [String] = []
        for instruction in program.instructions {
            let name =
                switch instruction {
                case .copy: "copy"
                case .unary(let function, _): function.rawValue
                case .binary(let function, _, _): function.rawValue
                case .select: "select"
                }
            if !names.contains(name) { names.append(name) }
        }
        let shown = names.prefix(3).map(separated).joined(separator: ", ")
        return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
    }

    /// `softmaxCrossEntropy` as `softmax cross entropy`.
    private static func separated(_ name: String) -> String {
        String(name.flatMap { $0.isUppercase ? [" "] + Array($0.lowercased()) : [$0] })
    }
}
