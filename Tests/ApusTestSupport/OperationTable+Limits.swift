import ApusCore
import ApusGraph

extension OperationTable {
    /// What every executor must give at zeros, infinities, NaN and numbers whose exponential nearly overflows. Results
    /// only: gradients have no value of their own there.
    package static let limitRows =
        Unary.Function.allCases.map { function in
            OperationRow(
                OperationKind(.unary, function.rawValue), "limits",
                cases: [[RowInput([numbers.count + 2], .listed(numbers + [80, -80]))]], isDifferentiable: [false]
            ) { Tensor(.unary(Unary(function)), $0) }
        }
        + Binary.Function.allCases.map { function in
            OperationRow(
                OperationKind(.binary, function.rawValue), "limits",
                // Every number with every other.
                cases: [
                    [
                        RowInput([numbers.count, numbers.count], .listed(numbers, stride: numbers.count)),
                        RowInput([numbers.count, numbers.count], .listed(numbers)),
                    ]
                ], isDifferentiable: [false, false]
            ) { Tensor(.binary(Binary(function)), $0) }
        }
        + Reduction.Function.allCases.map { function in
            OperationRow(
                OperationKind(.reduction, function.rawValue), "limits",
                cases: lines.map { [RowInput([1, $0.count], .listed($0))] }, isDifferentiable: [false]
            ) { $0[0].reduced(function, [1]) }
        } + [
            OperationRow(
                OperationKind(.softmax), "limits", cases: lines.map { [RowInput([1, $0.count], .listed($0))] },
                isDifferentiable: [false]
            ) { softmax($0[0]) },
            OperationRow(
                OperationKind(.logSoftmax), "limits", cases: lines.map { [RowInput([1, $0.count], .listed($0))] },
                isDifferentiable: [false]
            ) { logSoftmax($0[0]) },
            OperationRow(
                OperationKind(.softmaxCrossEntropy), "limits",
                cases: lines.map {
                    [RowInput([1, $0.count], .listed($0)), RowInput([1, $0.count], .listed([0, 1]))]
                },
                isDifferentiable: [false, false]
            ) { softmaxCrossEntropy(logits: $0[0], targets: $0[1]) },
            OperationRow(
                OperationKind(.select), "limits",
                cases: [
                    [
                        RowInput([numbers.count], .listed(numbers)), RowInput([numbers.count], .just(.nan)),
                        RowInput([numbers.count], .just(1)),
                    ]
                ], isDifferentiable: [false, false, false]
            ) { select($0[0], $0[1], $0[2]) },
            OperationRow(
                OperationKind(.cast), "limits", cases: [[RowInput([numbers.count], .listed(numbers))]],
                isDifferentiable: [false]
            ) { $0[0].cast(to: .int32) },
        ]

    private static let numbers: [Double] = [0, -0.0, 1, -1, 2, -0.5, .infinity, -.infinity, .nan]

    /// Rows for sums, extremes and softmax; one longer than any vector register.
    private static let lines: [[Double]] = [
        [.nan, 1, 2], [1, .nan, 2], [1, 2, .nan], [.infinity, 1], [-.infinity, 1, 2], [-.infinity, -.infinity],
        [.infinity, .infinity], [.infinity, -.infinity], [1e30, 1e30], [-1e30, 1e30], [1000, 1000, 999],
        [Double](repeating: 0, count: 36) + [.nan], [.nan] + [Double](repeating: 0, count: 36),
        [Double](repeating: -.infinity, count: 36) + [0],
    ]
}
