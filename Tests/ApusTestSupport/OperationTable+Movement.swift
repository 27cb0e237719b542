import ApusCore
import ApusGraph

extension OperationTable {
    static let movementRows = [
        movementRow(.reshape, "sizes reversed", shapes: shapes) {
            Tensor(.reshape(Reshape(shape: Shape($0.shape.sizes.reversed()))), [$0])
        },
        movementRow(.reshape, "flat", shapes: shapes) { $0.reshaped(to: [$0.shape.elementCount]) },
        movementRow(
            .broadcast, "axes of size 1, and a new one",
            shapes: [[], [1], [3], [1, 3], [2, 1, 1], [2, 1, 3], [0, 1], [-1, 1]]
        ) {
            $0.broadcast(to: Shape([2] + $0.shape.sizes.map { $0 == 1 ? 3 : $0 }))
        },
        OperationRow(
            OperationKind(.broadcast), "to another's shape",
            cases: [
                ([], [2]), ([3], [2, 3]), ([1, 3], [4, 3]), ([2, 1], [2, 5]), ([3], [-1, 3]), ([1, 2], [-1, 2]),
                ([], [-1, 2]),
            ]
            .map { [RowInput($0.0, .range(-2...2)), RowInput($0.1, .range(-2...2))] },
            isDifferentiable: [true, true]
        ) { $0[0].broadcast(to: $0[1].shape) * $0[1] },
        movementRow(.transpose, "reversed", shapes: shapes) {
            Tensor(.transpose(Transpose(permutation: Array($0.shape.sizes.indices.reversed()))), [$0])
        },
        movementRow(.transpose, "first axis last", shapes: shapes.filter { $0.rank > 0 } + [[2, 3, 4, 2]]) {
            Tensor(.transpose(Transpose(permutation: Array(1..<$0.shape.rank) + [0])), [$0])
        },
        movementRow(.slice, "all but the first", shapes: settledLast) { $0.slice(1..<$0.shape[-1], axis: -1) },
        movementRow(.slice, "inside", shapes: settledBeforeLast) { $0.slice(1..<$0.shape[-2] - 1, axis: -2) },
        movementRow(.pad, "last axis", shapes: settledLast + [[0]]) { $0.padded(before: 1, after: 2, axis: -1) },
        movementRow(.pad, "second to last axis", shapes: settledBeforeLast) {
            $0.padded(before: 2, after: 0, axis: -2)
        },
        OperationRow(
            OperationKind(.concatenate), "last axis",
            cases: settledLast.map { shape in
                var longer = shape
                longer[-1] += 2
                return [
                    RowInput(shape, .range(-2...2)), RowInput(longer, .range(-2...2)), RowInput(shape, .range(-2...2)),
                ]
            },
            isDifferentiable: [true, true, true]
        ) { concatenate($0) },
        OperationRow(
            OperationKind(.concatenate), "second to last axis",
            cases: settledBeforeLast.map { shape in
                var shorter = shape
                shorter[-2] = 1
                return [RowInput(shape, .range(-2...2)), RowInput(shorter, .range(-2...2))]
            },
            isDifferentiable: [true, true]
        ) { concatenate($0, axis: -2) },
    ]

    private static let settledLast: [Shape] = [
        [1], [7], [3, 5], [3, 1], [2, 1, 3], [2, 3, 1, 2], [0, 3], [-1, 4],
    ]
    private static let settledBeforeLast: [Shape] = [
        [2, 3], [5, 1], [2, 3, 4], [2, 1, 4, 3], [2, 4, 0], [-1, 3, 2],
    ]

    private static func movementRow(
        _ family: OperationKind.Family, _ variant: String, shapes: [Shape],
        make: @escaping @Sendable (Tensor) -> Tensor
    ) -> OperationRow {
        OperationRow(
            OperationKind(family), variant, cases: alike(.range(-2...2), shapes: shapes), isDifferentiable: [true]
        ) { make($0[0]) }
    }
}
