import ApusGraph

/// What must have a row in the operation table: each operation, and each function of those that have several.
///
/// A new case of `Operation` does not compile here; once it has a family, tests fail until the table has a row.
package struct OperationKind: Hashable, Sendable, CustomStringConvertible {
    package enum Family: String, Hashable, Sendable, CaseIterable {
        case input, variable, constant, random, stepValue
        case unary, binary, select, cast
        case matMul, reduction, argMax, softmax, logSoftmax, softmaxCrossEntropy
        case firstRow
        case convolution, convolutionInputGradient, convolutionKernelGradient
        case maxPool, maxPoolSelection, maxPoolGradient, averagePool, averagePoolGradient
        case reshape, broadcast, transpose, slice, pad, concatenate
        case oneHot, gather, scatterAdd
        case recurrence, recurrenceGradient
        case axisSize, phase, stopGradient, batchNormalization, runningAverage
    }

    package let family: Family
    /// Which function of the family; empty where it has one only.
    package let function: String

    package init(_ family: Family, _ function: String = "") {
        self.family = family
        self.function = function
    }

    package init(_ operation: Operation) {
        switch operation {
        case .input: self.init(.input)
        case .variable: self.init(.variable)
        case .constant: self.init(.constant)
        case .random(let random): self.init(.random, RandomFunction(random.distribution).rawValue)
        case .stepValue: self.init(.stepValue)
        case .unary(let unary): self.init(.unary, unary.function.rawValue)
        case .binary(let binary): self.init(.binary, binary.function.rawValue)
        case .select: self.init(.select)
        case .cast: self.init(.cast)
        case .matMul: self.init(.matMul)
        case .reduction(let reduction): self.init(.reduction, reduction.function.rawValue)
        case .argMax: self.init(.argMax)
        case .softmax: self.init(.softmax)
        case .logSoftmax: self.init(.logSoftmax)
        case .softmaxCrossEntropy: self.init(.softmaxCrossEntropy)
        case .firstRow: self.init(.firstRow)
        case .convolution: self.init(.convolution)
        case .convolutionInputGradient: self.init(.convolutionInputGradient)
        case .convolutionKernelGradient: self.init(.convolutionKernelGradient)
        case .maxPool: self.init(.maxPool)
        case .maxPoolSelection: self.init(.maxPoolSelection)
        case .maxPoolGradient: self.init(.maxPoolGradient)
        case .averagePool: self.init(.averagePool)
        case .averagePoolGradient: self.init(.averagePoolGradient)
        case .reshape: self.init(.reshape)
        case .broadcast: self.init(.broadcast)
        case .transpose: self.init(.transpose)
        case .slice: self.init(.slice)
        case .pad: self.init(.pad)
        case .concatenate: self.init(.concatenate)
        case .oneHot: self.init(.oneHot)
        case .gather: self.init(.gather)
        case .scatterAdd: self.init(.scatterAdd)
        case .recurrence(let rule): self.init(.recurrence, rule.cell.kind.rawValue)
        case .recurrenceGradient(let rule): self.init(.recurrenceGradient, rule.cell.kind.rawValue)
        case .axisSize: self.init(.axisSize)
        case .phase: self.init(.phase)
        case .stopGradient: self.init(.stopGradient)
        case .batchNormalization: self.init(.batchNormalization)
        case .runningAverage: self.init(.runningAverage)
        }
    }

    /// Every kind there is.
    package static var all: [OperationKind] {
        Family.allCases.flatMap { family in functions(of: family).map { OperationKind(family, $0) } }
    }

    private static func functions(of family: Family) -> [String] {
        switch family {
        case .random: RandomFunction.allCases.map(\.rawValue)
        case .unary: Unary.Function.allCases.map(\.rawValue)
        case .binary: Binary.Function.allCases.map(\.rawValue)
        case .reduction: Reduction.Function.allCases.map(\.rawValue)
        case .recurrence, .recurrenceGradient: RecurrentCell.Kind.allCases.map(\.rawValue)
        default: [""]
        }
    }

    private enum RandomFunction: String, CaseIterable {
        case uniform, normal, bernoulli

        init(_ distribution: Random.Distribution) {
            switch distribution {
            case .uniform: self = .uniform
            case .normal: self = .normal
            case .bernoulli: self = .bernoulli
            }
        }
    }

    package var description: String { function.isEmpty ? family.rawValue : "\(family.rawValue).\(function)" }
}
