import ApusCore
import ApusGraph

/// A run of element-wise operations that one pass over memory does.
///
/// Its values are numbered: first the inputs, then the constants, then the instructions' results.
package struct ElementwiseProgram: Hashable, Sendable {
    package struct Input: Hashable, Sendable {
        package var elementType: ElementType
        /// Elements from one position to the next along each axis of the domain; 0 where the input is stretched.
        package var strides: [Int]
    }

    package enum Instruction: Hashable, Sendable {
        case copy(Int)
        case unary(Unary.Function, Int)
        case binary(Binary.Function, Int, Int)
        case select(Int, Int, Int)
    }

    package struct Output: Hashable, Sendable {
        package var value: Int
        package var elementType: ElementType
    }

    /// The sum of a value over all positions that are equal modulo `columnCount`.
    package struct Sum: Hashable, Sendable {
        package var value: Int
        package var columnCount: Int
    }

    /// The positions that are walked; every output has this shape.
    package var domain: Shape
    package var inputs: [Input] = []
    package var constants: [Float] = []
    package var instructions: [Instruction] = []
    package var outputs: [Output] = []
    /// Written after the outputs: each an array of `columnCount` numbers.
    package var sums: [Sum] = []

    /// Whether it rounds an array and does nothing else.
    var isRounding: Bool {
        guard case [.unary(.roundToBfloat16, 0)] = instructions else { return false }
        return inputs.map(\.strides) == [domain.strides] && outputs.count == 1 && sums.isEmpty
    }
}

extension ElementwiseProgram: CustomStringConvertible {
    package var description: String {
        let words = instructions.map { instruction in
            switch instruction {
            case .copy: "copy"
            case .unary(let function, _): function.rawValue
            case .binary(let function, _, _): function.rawValue
            case .select: "select"
            }
        }
        return (words + sums.map { _ in "sum" }).joined(separator: "+")
    }
}
