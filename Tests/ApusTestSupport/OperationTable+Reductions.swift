import ApusCore
import ApusGraph

extension OperationTable {
    static let reductionRows =
        Reduction.Function.allCases.flatMap { function in
            [
                reductionRow(function, "all axes", shapes: shapes) { Array($0.indices) },
                reductionRow(function, "first axis", shapes: shapes.filter { $0.rank > 0 }) { _ in [0] },
                reductionRow(function, "last axis", shapes: shapes.filter { $0.rank > 0 }) { [$0.count - 1] },
                reductionRow(
                    function, "outer axes",
                    shapes: [[2, 3], [1, 1], [3, 5, 2], [2, 3, 1, 2], [1, 2, 2, 3], [-1, 4, 3]]
                ) { [0, $0.count - 1] },
            ]
        } + [
            OperationRow(
                OperationKind(.argMax), cases: alike(.spaced(), shapes: withLastAxis), isDifferentiable: [false]
            ) { $0[0].argMax() },
            OperationRow(
                OperationKind(.argMax), "ties", cases: alike(.integers(0...1), shapes: withLastAxis),
                isDifferentiable: [false]
            ) { $0[0].argMax() },
            OperationRow(
                OperationKind(.softmax), cases: alike(.range(-3...3), shapes: withLastAxis), isDifferentiable: [true]
            ) { softmax($0[0]) },
            OperationRow(
                OperationKind(.logSoftmax), cases: alike(.range(-3...3), shapes: withLastAxis), isDifferentiable: [true]
            ) { logSoftmax($0[0]) },
            OperationRow(
                OperationKind(.softmaxCrossEntropy), cases: alike(.range(-3...3), .range(0...1), shapes: withLastAxis),
                isDifferentiable: [true, true]
            ) { softmaxCrossEntropy(logits: $0[0], targets: $0[1]) },
        ]

    private static let withLastAxis: [Shape] = [
        [1], [7], [3, 5], [4, 1], [2, 1, 3], [2, 3, 1, 2], [0, 3], [-1, 4], [2, -3, 2],
    ]

    private static func reductionRow(
        _ function: Reduction.Function, _ variant: String, shapes: [Shape],
        axes: @escaping @Sendable ([Int]) -> [Int]
    ) -> OperationRow {
        // Only a sum may be empty.
        let shapes = shapes.filter { shape in
            function == .sum || axes(shape.sizes).allSatisfy { shape[$0] != 0 }
        }
        return OperationRow(
            OperationKind(.reduction, function.rawValue), variant, cases: alike(.spaced(), shapes: shapes),
            isDifferentiable: [true]
        ) { $0[0].reduced(function, axes($0[0].shape.sizes)) }
    }
}
