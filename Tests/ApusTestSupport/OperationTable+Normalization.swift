import ApusCore
import ApusGraph

extension OperationTable {
    static let normalizationRows: [OperationRow] = [
        OperationRow(
            OperationKind(.firstRow), cases: alike(.range(-2...2), shapes: images + [[1], [7]]),
            isDifferentiable: [false]
        ) { $0[0].firstRow },
        OperationRow(
            OperationKind(.batchNormalization), cases: normalized(.range(-2...2)),
            isDifferentiable: [true, true, true]
        ) { normalization($0) },
        farFromZero,
        OperationRow(
            OperationKind(.batchNormalization), "frozen", cases: normalized(.range(-2...2)),
            isDifferentiable: [true, true, true]
        ) { normalization($0, isFrozen: true) },
        OperationRow(
            OperationKind(.batchNormalization), "then a rectifier", cases: normalized(.spaced()),
            isDifferentiable: [true, true, true]
        ) { relu(normalization([$0[0], $0[1], 0.013 + $0[2]])) },
        OperationRow(OperationKind(.runningAverage), cases: alike(.range(-2...2)), isDifferentiable: [true]) {
            $0[0].updating(Variable("average", shape: []).tensor, toward: $0[0].mean(), momentum: 0.9)
        },
    ]

    /// Between 60 and 64 neighbouring numbers of Float are 4e-6 apart, and so is the mean from its neighbours.
    private static var farFromZero: OperationRow {
        var row = OperationRow(
            OperationKind(.batchNormalization), "far from zero", cases: normalized(.range(60...64)),
            isDifferentiable: [true, true, true]
        ) { normalization($0) }
        row.executorTolerance = Tolerance(absolute: 2e-5, relative: 2e-5)
        return row
    }

    private static let images: [Shape] = [
        [2, 1], [5, 3], [2, 3, 4], [2, 3, 2, 2], [1, 2, 2, 2, 3], [3, 17], [-2, 4], [-1, 3, 2],
    ]

    /// An image, a scale and an offset.
    private static func normalized(_ domain: Domain) -> [[RowInput]] {
        images.map { shape in
            let channels: Shape = [shape[-1]]
            return [
                RowInput(shape, domain), RowInput(channels, .range(0.5...2)), RowInput(channels, .range(-1...1)),
            ]
        }
    }

    private static func normalization(_ inputs: [Tensor], isFrozen: Bool = false) -> Tensor {
        let shape = inputs[1].shape
        let mean = Variable("mean", value: NDArray(repeating: 0.25 as Float, shape: shape), isTrainable: false)
        let variance = Variable("variance", value: NDArray(repeating: 1.5 as Float, shape: shape), isTrainable: false)
        mean.isFrozen = isFrozen
        return inputs[0].batchNormalized(
            scale: inputs[1], offset: inputs[2], batch: BatchStatistics(of: inputs[0]), runningMean: mean.tensor,
            runningVariance: variance.tensor, epsilon: 0.125)
    }
}
