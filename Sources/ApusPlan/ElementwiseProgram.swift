import ApusCore
import ApusGraph

/// A run of element-wise operations that one pass over memory does.
///
/// Its values are numbered: first the inputs, then the constants, then the instructions' results. The maximum pooling of
/// a value is part of it where the windows tile the domain, and so is a pooling's gradient that it reads.
package struct ElementwiseProgram: Hashable, Sendable {
    package struct Input: Hashable, Sendable {
        package var elementType: ElementType
        /// Elements from one position to the next along each axis of the domain; 0 where the input is stretched.
        package var strides: [Int]
        /// Instead a number for each of the windows, which stands where their image is largest; elsewhere are zeros.
        package var isSpread = false
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
        package var part = Part.all

        /// What of the value is written: of each of the windows the largest number, or that where their image is largest.
        package enum Part: Hashable, Sendable {
            case all, largest, selected
        }
    }

    /// Windows of a pooling over the domain, which they tile without gaps: it is seen as `[.., columns, channels]`.
    package struct Windows: Hashable, Sendable {
        package let height, width, columns, channels: Int
        /// The value that says where inputs are spread to, and outputs are taken from.
        package var image: Int?

        /// Of a row of windows: a longer one does not stay in the second-level cache with the image and what is spread.
        private static let largestBandElementCount = 1 << 15
        private static let bandMultiple = 64
        private static let fewestChannels = 16
        private static let mostPlaces = 64

        /// `nil` for windows that overlap, leave something out, have a single place, or suit executors badly.
        init?(_ window: PoolingWindow, over image: Shape) {
            let sizes = window.sizes.count == 1 ? [1] + window.sizes : window.sizes
            guard sizes.count == 2, window.motion.strides == window.sizes,
                window.motion.padding.allSatisfy({ $0.before == 0 && $0.after == 0 }),
                zip(image.spatialSizes, window.sizes).allSatisfy({ $0 % $1 == 0 })
            else { return nil }
            (height, width, columns, channels) = (sizes[0], sizes[1], image[-2], image[-1])
            let band = height * columns * channels
            guard channels >= Self.fewestChannels, (2...Self.mostPlaces).contains(height * width),
                band % Self.bandMultiple == 0,
                band <= Self.largestBandElementCount
            else { return nil }
        }
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
    /// For inputs that are spread and outputs that are pooled.
    package var windows: Windows?

    /// Whether it rounds an array and does nothing else.
    var isRounding: Bool {
        guard case [.unary(.roundToBfloat16, 0)] = instructions, windows == nil else { return false }
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
        let spread = inputs.filter(\.isSpread).map { _ in "maxPoolGradient" }
        let pooled = outputs.filter { $0.part != .all }.map { $0.part == .largest ? "maxPool" : "maxPoolSelection" }
        return (spread + words + pooled + sums.map { _ in "sum" }).joined(separator: "+")
    }
}
