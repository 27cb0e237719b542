import ApusCore
import ApusGraph

extension OperationTable {
    static let indexingRows = [
        OperationRow(
            OperationKind(.oneHot),
            // Some labels lie outside.
            cases: shapes.map { [RowInput($0, .integers(-1...4), .int32)] }, isDifferentiable: [false]
        ) { oneHot($0[0], depth: 4) },
        OperationRow(
            OperationKind(.gather),
            cases: [
                ([5, 3], [4]), ([1, 1], []), ([3, 7], [2, 3]), ([5, 2], [-1, 3]), ([4, 40], [9]), ([2, 3], [0]),
            ]
            .map { [RowInput($0, .range(-2...2)), RowInput($1, .integers(0...$0[0] - 1), .int32)] },
            isDifferentiable: [true, false]
        ) { gather($0[0], at: $0[1]) },
        OperationRow(
            OperationKind(.scatterAdd),
            // More rows than indices, and indices that come up several times.
            cases: [
                ([4, 3], [4]), ([1], []), ([2, 3, 7], [2, 3]), ([-1, 3, 2], [-1, 3]), ([9, 40], [9]), ([0, 3], [0]),
            ]
            .map { [RowInput($0, .range(-2...2)), RowInput($1, .integers(0...3), .int32)] },
            isDifferentiable: [true, false]
        ) { Tensor(.scatterAdd(ScatterAdd(length: 4)), $0) },
    ]
}
