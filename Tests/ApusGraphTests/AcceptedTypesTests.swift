import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

/// What a rule accepts, its gradients must fit: a description from outside may hold any inputs that are accepted.
@Suite struct AcceptedTypesTests {
    /// An operation with inputs of certain types.
    private struct Use: Hashable {
        let operation: Operation
        var types: [TensorType]

        /// The same with other types: of each input in turn, and of each two, alike.
        var variants: [Use] {
            let all = Set(types + types.flatMap(Self.others)).sorted { "\($0)" < "\($1)" }
            var found: [Use] = []
            for first in types.indices {
                for second in first..<types.count {
                    for type in all {
                        var other = self
                        (other.types[first], other.types[second]) = (type, type)
                        found.append(other)
                    }
                }
            }
            return found
        }

        /// Types that are like `type`, but not it.
        private static func others(_ type: TensorType) -> [TensorType] {
            let sizes = type.shape.sizes
            var shapes: [[Int]] = [[], [1], sizes + [1], sizes + [2], [1] + sizes, [-1] + sizes, sizes.reversed()]
            shapes += [Array(sizes.dropFirst()), Array(sizes.dropLast()), sizes.last.map { [$0] } ?? []]
            for axis in sizes.indices where sizes[axis] > 0 {
                for size in [1, sizes[axis] + 1] {
                    var changed = sizes
                    changed[axis] = size
                    shapes.append(changed)
                }
            }
            return shapes.map { TensorType(Shape($0), type.elementType) }
                + [TensorType(type.shape, type.elementType == .int32 ? .float32 : .int32)]
        }

        /// Where the gradients have other types than the inputs; `nil` where these are refused or all is well.
        var fault: String? {
            guard let result = try? operation.rule.resultType(of: types), Shape.isPossible(result.shape.sizes) else {
                return nil
            }
            let inputs = types.map { Tensor.placeholder($0.shape, $0.elementType) }
            let upstream = Tensor.placeholder(result.shape, .float32)
            guard result.elementType == .float32 else { return nil }
            let shares = operation.rule.gradients(
                GradientContext(
                    inputs: inputs, output: Tensor(operation, inputs), upstream: upstream,
                    isNeeded: types.map { $0.elementType == .float32 }))
            for (type, share) in zip(types, shares) {
                guard let share = try? share?.checked(), type.elementType == .float32 else { continue }
                if share.type != type { return "\(operation) of \(types): \(share.type) for \(type)" }
            }
            return nil
        }
    }

    @Test(arguments: OperationTable.rows) func gradientsFit(_ row: OperationRow) throws {
        var seen: Set<Use> = []
        for inputs in row.cases {
            let order = topologicalOrder(of: [try row.make(inputs.map(\.tensor)).checked()])
            for node in order where !node.inputs.isEmpty {
                seen.insert(Use(operation: node.operation, types: node.inputs.map(\.type)))
            }
        }
        for use in Set(seen.flatMap(\.variants)) {
            if let fault = use.fault { Issue.record("\(fault)") }
        }
    }
}
