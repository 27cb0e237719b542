import ApusCore
import ApusGraph

/// One line of the operation table: an operation, what to feed it, and how exact its gradient is.
package struct OperationRow: Sendable, CustomStringConvertible {
    package let kind: OperationKind
    /// What sets this row apart from others of its kind; empty for the plain one.
    package let variant: String
    /// The lists of inputs that it is checked with; an open batch size is settled by the checkers.
    package let cases: [[RowInput]]
    /// Whether the loss has a gradient with respect to each input; where not, it must be zero everywhere.
    package let isDifferentiable: [Bool]
    /// The step of central differences in Double.
    package var step = 1e-5
    /// How far the gradient may be from central differences. The constants inside rules have Float's precision.
    package var tolerance = Tolerance(absolute: 1e-8, relative: 2e-7)
    /// How far an executor in Float may be from the reference in Double, in addition to 1e-6 of the largest number.
    package var executorTolerance = Tolerance(relative: 2e-5)
    /// Applies the operation.
    package let make: @Sendable ([Tensor]) -> Tensor
    /// The function whose gradient it has by definition, where that is another: it has the operation's values at the
    /// row's numbers. `nil` for the operation itself.
    package var differentiatedAs: (@Sendable ([Tensor]) -> Tensor)?

    package init(
        _ kind: OperationKind, _ variant: String = "", cases: [[RowInput]], isDifferentiable: [Bool],
        make: @escaping @Sendable ([Tensor]) -> Tensor
    ) {
        self.kind = kind
        self.variant = variant
        self.cases = cases
        self.isDifferentiable = isDifferentiable
        self.make = make
    }

    package var description: String { variant.isEmpty ? "\(kind)" : "\(kind) (\(variant))" }

    /// The batch sizes that the case `inputs` is checked with: two and one where the batch size is open.
    package static func batchSizes(for inputs: [RowInput]) -> [Int] {
        inputs.contains { $0.type.shape.isSymbolic } ? [1, 2, 5] : [1]
    }

    /// The row for the gradient itself: the squared norm of the gradient of a sum of squares. Checking its gradient
    /// checks second derivatives.
    package var secondOrder: OperationRow {
        let isDifferentiable = isDifferentiable
        func norm(_ make: @escaping @Sendable ([Tensor]) -> Tensor) -> @Sendable ([Tensor]) -> Tensor {
            { inputs in
                do {
                    let output = try make(inputs).checked()
                    let loss = square(output.elementType == .float32 ? output : output.cast(to: .float32)).sum()
                    let targets = zip(inputs, isDifferentiable).filter(\.1).map(\.0)
                    return try gradient(of: loss, withRespectTo: targets).map { square($0).sum() }.reduce(0, +)
                } catch {
                    return Tensor(node: Node(failure: error))
                }
            }
        }
        var row = OperationRow(
            kind, variant.isEmpty ? "second order" : "\(variant), second order", cases: cases,
            isDifferentiable: isDifferentiable, make: norm(make))
        row.differentiatedAs = differentiatedAs.map(norm)
        row.tolerance = Tolerance(absolute: 1e-6, relative: 1e-6)
        return row
    }
}

/// One input of a row's case: its type, and the numbers that may stand in it.
package struct RowInput: Hashable, Sendable {
    package var type: TensorType
    package var domain: Domain

    package init(_ shape: Shape, _ domain: Domain, _ elementType: ElementType = .float32) {
        type = TensorType(shape, elementType)
        self.domain = domain
    }

    /// A place for it in a graph.
    package var tensor: Tensor { .placeholder(type.shape, type.elementType) }

    /// Numbers of the domain, all of them exact in Float.
    package func values(batchSize: Int, from numbers: inout SeededNumbers) -> NDArray {
        let shape = type.shape.specialized(batchSize: batchSize)
        let values = domain.values(count: shape.elementCount, from: &numbers).map { Float($0) }
        return NDArray(shape: shape) { (target: UnsafeMutableBufferPointer<Float>) in
            for index in target.indices { target[index] = values[index] }
        }.converted(to: type.elementType)
    }
}

/// The numbers that may stand in an input, chosen to keep away from kinks and ties.
package enum Domain: Hashable, Sendable {
    case range(ClosedRange<Double>)
    /// Magnitudes within the range, of either sign.
    case signed(ClosedRange<Double>)
    /// Whole numbers plus a fraction within 0.2...0.8.
    case betweenIntegers(ClosedRange<Int>)
    /// All of them at least 1/16 apart, in random order, and as far from those of another offset as the offsets are.
    case spaced(offset: Double = 0)
    case integers(ClosedRange<Int>)
    /// Always the same number.
    case just(Double)
    /// These numbers over and over: each `stride` times, then the next.
    case listed([Double], stride: Int = 1)

    package func values(count: Int, from numbers: inout SeededNumbers) -> [Double] {
        switch self {
        case .range(let range): numbers.uniform(range, count: count)
        case .signed(let range): (0..<count).map { _ in numbers.signed(range) }
        case .betweenIntegers(let range):
            (0..<count).map { _ in Double(Int.random(in: range, using: &numbers)) + numbers.uniform(0.2...0.8) }
        case .spaced(let offset):
            (0..<count).shuffled(using: &numbers).map { Double($0 - count / 2) / 16 + offset }
        case .integers(let range): (0..<count).map { _ in Double(Int.random(in: range, using: &numbers)) }
        case .just(let value): [Double](repeating: value, count: count)
        case .listed(let values, let stride): (0..<count).map { values[$0 / stride % values.count] }
        }
    }
}
