import ApusCore
import ApusGraph

extension OperationTable {
    static let productRows = [
        productRow("", isLeftTransposed: false, isRightTransposed: false),
        productRow("left transposed", isLeftTransposed: true, isRightTransposed: false),
        productRow("right transposed", isLeftTransposed: false, isRightTransposed: true),
        productRow("both transposed", isLeftTransposed: true, isRightTransposed: true),
    ]

    /// One row by one column, odd sizes, batches, no inner size, no rows, an open batch of rows, one along the inner
    /// axis (as in a weight's gradient), one of matrices.
    private static let factors: [(left: Shape, right: Shape)] = [
        ([1, 1], [1, 1]), ([3, 4], [4, 5]), ([1, 7], [7, 1]), ([7, 1], [1, 3]), ([2, 3, 4], [2, 4, 2]),
        ([2, 1, 3, 1], [2, 1, 1, 3]), ([3, 0], [0, 2]), ([0, 3], [3, 2]), ([-1, 4], [4, 3]), ([2, -1], [-1, 3]),
        ([-1, 2, 3], [-1, 3, 2]),
    ]

    private static func productRow(
        _ variant: String, isLeftTransposed: Bool, isRightTransposed: Bool
    ) -> OperationRow {
        func stored(_ shape: Shape, _ isTransposed: Bool) -> Shape {
            isTransposed ? Shape(Array(shape.sizes.dropLast(2)) + [shape[-1], shape[-2]]) : shape
        }
        return OperationRow(
            OperationKind(.matMul), variant,
            cases: factors.map {
                [
                    RowInput(stored($0.left, isLeftTransposed), .range(-1...1)),
                    RowInput(stored($0.right, isRightTransposed), .range(-1...1)),
                ]
            },
            isDifferentiable: [true, true]
        ) {
            Tensor(.matMul(MatMul(isLeftTransposed: isLeftTransposed, isRightTransposed: isRightTransposed)), $0)
        }
    }
}
