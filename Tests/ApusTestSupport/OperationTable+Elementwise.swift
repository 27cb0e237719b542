import ApusCore
import ApusGraph

extension OperationTable {
    /// No axes, one element, odd sizes, axes of size 1, four axes, none at all, and open batches.
    static let shapes: [Shape] = [[], [1], [7], [3, 5], [2, 1, 3], [2, 3, 1, 2], [0, 3], [-1, 3], [3, -2, 2]]

    /// For each of `shapes`, one input a domain.
    static func alike(_ domains: Domain..., shapes: [Shape] = shapes) -> [[RowInput]] {
        shapes.map { shape in domains.map { RowInput(shape, $0) } }
    }

    static let elementwiseRows = unaryRows + binaryRows + otherElementwiseRows

    private static let unaryRows = Unary.Function.allCases.map { function in
        var row = OperationRow(
            OperationKind(.unary, function.rawValue), cases: alike(domain(of: function)),
            isDifferentiable: [function != .sign && function != .floor]
        ) { Tensor(.unary(Unary(function)), $0) }
        // Straight through.
        if function == .roundToBfloat16 { row.differentiatedAs = { $0[0] } }
        return row
    }

    private static func domain(of function: Unary.Function) -> Domain {
        switch function {
        case .negate, .square, .exp, .expMinusOne, .erf, .tanh: .range(-2...2)
        case .absolute, .sign, .relu: .signed(0.1...2)
        case .floor: .betweenIntegers(-3...3)
        case .reciprocal: .signed(0.5...2)
        case .squareRoot, .reciprocalSquareRoot, .log: .range(0.3...3)
        case .logOnePlus: .range(-0.6...2)
        case .sin, .cos, .sigmoid, .softplus: .range(-4...4)
        // Such numbers are rounded to themselves.
        case .roundToBfloat16: .listed([0.5, -1.25, 3, 0x1.02p0, -0x1.fep3, 0.1875, -7])
        }
    }

    private static let binaryRows = Binary.Function.allCases.map { function in
        OperationRow(
            OperationKind(.binary, function.rawValue), cases: cases(of: function),
            isDifferentiable: Array(repeating: ![.greater, .greaterOrEqual, .equal].contains(function), count: 2)
        ) { Tensor(.binary(Binary(function)), $0) }
    }

    private static func cases(of function: Binary.Function) -> [[RowInput]] {
        switch function {
        case .add, .subtract, .multiply: alike(.range(-2...2), .range(-2...2))
        case .divide: alike(.range(-2...2), .signed(0.5...2))
        case .maximum, .minimum: alike(.spaced(), .spaced(offset: 1.0 / 32))
        case .power: alike(.range(0.5...2), .range(-2...3))
        // Whole numbers, so that some are equal.
        case .greater, .greaterOrEqual, .equal: alike(.integers(-1...1), .integers(-1...1))
        }
    }

    private static let otherElementwiseRows = [
        OperationRow(
            OperationKind(.select), cases: alike(.integers(0...1), .range(-2...2), .range(-2...2)),
            isDifferentiable: [false, true, true]
        ) { select($0[0], $0[1], $0[2]) },
        OperationRow(
            OperationKind(.cast), "to int32", cases: alike(.betweenIntegers(-4...3)), isDifferentiable: [false]
        ) { $0[0].cast(to: .int32) },
        OperationRow(
            OperationKind(.cast), "to float32",
            cases: shapes.map { [RowInput($0, .integers(-9...9), .int32)] }, isDifferentiable: [false]
        ) { $0[0].cast(to: .float32) },
        OperationRow(
            OperationKind(.binary, "multiply"), "broadcasting",
            cases: [
                ([], [3]), ([2, 1], [1, 3]), ([3], [2, 3]), ([4, 1, 3], [2, 1]), ([1, 1, 1, 1], [2, 1, 3, 1]),
                ([1, 3], [0, 3]), ([-1, 3], [3]), ([], [-1, 2]), ([-1, 1], [1, 4]),
            ].map { [RowInput($0.0, .range(-2...2)), RowInput($0.1, .range(-2...2))] },
            isDifferentiable: [true, true]
        ) { $0[0] * $0[1] },
    ]
}
