import ApusCore
import ApusGraph

extension OperationTable {
    static let windowRows = convolutionCases.flatMap { $0.rows } + poolingCases.flatMap { $0.rows }

    /// How a kernel moves, and images with kernels for it. The gradients' rows follow from the same cases.
    private struct ConvolutionCase: Sendable {
        var name: String
        var strides: [Int] = []
        var padding = Padding.valid
        var dilations: [Int] = []
        var groups = 1
        var shapes: [(image: Shape, kernel: Shape)]

        func motion(_ image: Shape, _ kernel: Shape) -> WindowMotion {
            let operation = convolution(
                .placeholder(image), kernel: .placeholder(kernel), strides: strides, padding: padding,
                dilations: dilations, groups: groups
            ).node.operation
            guard case .convolution(let rule) = operation else { preconditionFailure("\(name): \(operation)") }
            return rule.motion
        }

        func output(_ image: Shape, _ kernel: Shape) -> Shape {
            convolution(
                .placeholder(image), kernel: .placeholder(kernel), strides: strides, padding: padding,
                dilations: dilations, groups: groups
            ).shape
        }

        var rows: [OperationRow] {
            func inputs(_ first: Shape, _ second: Shape) -> [RowInput] {
                [RowInput(first, .range(-1...1)), RowInput(second, .range(-1...1))]
            }
            // A case's shapes are told apart by its inputs' shapes.
            @Sendable func find(_ isIt: (Shape, Shape) -> Bool) -> (image: Shape, kernel: Shape) {
                shapes.first { isIt($0.image, $0.kernel) } ?? shapes[0]
            }
            return [
                OperationRow(
                    OperationKind(.convolution), name, cases: shapes.map { inputs($0.image, $0.kernel) },
                    isDifferentiable: [true, true]
                ) {
                    convolution(
                        $0[0], kernel: $0[1], strides: strides, padding: padding, dilations: dilations, groups: groups)
                },
                OperationRow(
                    OperationKind(.convolutionInputGradient), name,
                    cases: shapes.map { inputs(output($0.image, $0.kernel), $0.kernel) },
                    isDifferentiable: [true, true]
                ) { tensors in
                    let found = find { output($0, $1) == tensors[0].shape && $1 == tensors[1].shape }
                    return Tensor(
                        .convolutionInputGradient(
                            ConvolutionInputGradient(
                                motion: motion(found.image, found.kernel), groups: groups,
                                sizes: found.image.spatialSizes)), tensors)
                },
                OperationRow(
                    OperationKind(.convolutionKernelGradient), name,
                    cases: shapes.map { inputs($0.image, output($0.image, $0.kernel)) },
                    isDifferentiable: [true, true]
                ) { tensors in
                    let found = find { $0 == tensors[0].shape && output($0, $1) == tensors[1].shape }
                    return Tensor(
                        .convolutionKernelGradient(
                            ConvolutionKernelGradient(
                                motion: motion(found.image, found.kernel), groups: groups,
                                sizes: Array(found.kernel.sizes.dropLast(2)))), tensors)
                },
            ]
        }
    }

    private static let convolutionCases = [
        ConvolutionCase(
            name: "valid",
            shapes: [
                ([1, 1, 1], [1, 1, 1]), ([2, 5, 1], [3, 1, 2]), ([2, 4, 5, 3], [2, 3, 3, 2]),
                ([1, 3, 3, 2, 2], [2, 1, 2, 2, 3]), ([-1, 4, 3, 1], [3, 3, 1, 17]), ([0, 3, 2], [2, 2, 2]),
                ([1, 3, 4, 17], [1, 1, 17, 1]),
            ]),
        ConvolutionCase(
            name: "same", padding: .same,
            shapes: [
                ([2, 5, 2], [3, 2, 2]), ([1, 4, 2], [4, 2, 1]), ([2, 3, 4, 1], [3, 2, 1, 3]),
                ([1, 2, 3, 2, 1], [3, 3, 2, 1, 2]), ([-1, 3, 3, 2], [3, 3, 2, 2]),
            ]),
        ConvolutionCase(
            name: "strides, which leave a rest", strides: [2, 3],
            padding: .explicit([AxisPadding(before: 1, after: 0), AxisPadding(before: 0, after: 2)]),
            shapes: [
                ([1, 5, 7, 2], [3, 2, 2, 3]), ([2, 4, 4, 1], [2, 2, 1, 2]), ([1, 6, 5, 1], [1, 1, 1, 1]),
                ([-1, 3, 4, 2], [2, 3, 2, 2]), ([1, 7, 9, 1], [4, 5, 1, 1]),
            ]),
        ConvolutionCase(
            name: "dilations", strides: [2, 1], padding: .same, dilations: [2, 3],
            shapes: [
                ([1, 5, 7, 2], [3, 2, 2, 3]), ([2, 4, 4, 1], [2, 2, 1, 2]), ([1, 6, 5, 1], [1, 1, 1, 1]),
                ([-1, 5, 4, 2], [2, 3, 2, 2]), ([1, 7, 9, 1], [4, 3, 1, 1]),
            ]),
        ConvolutionCase(
            name: "groups of 2", padding: .explicit([AxisPadding(before: 1, after: 1)]), groups: 2,
            shapes: [
                ([1, 4, 2], [3, 1, 2]), ([2, 5, 4], [2, 2, 6]), ([1, 3, 6], [3, 3, 2]), ([-1, 3, 2], [1, 1, 4]),
                ([2, 4, 34], [2, 17, 4]),
            ]),
        ConvolutionCase(
            name: "depthwise", strides: [1, 2], padding: .same, groups: 3,
            shapes: [
                ([1, 4, 5, 3], [3, 3, 1, 3]), ([2, 3, 3, 3], [2, 2, 1, 6]), ([1, 1, 1, 3], [1, 1, 1, 3]),
                ([-1, 3, 4, 3], [3, 1, 1, 3]), ([1, 5, 2, 3], [1, 2, 1, 3]),
            ]),
    ]

    private struct PoolingCase: Sendable {
        var name: String
        var window: [Int]
        var strides: [Int]?
        var padding = Padding.valid
        var shapes: [Shape]

        func window(_ image: Shape) -> PoolingWindow {
            let operation = maxPool(.placeholder(image), window: window, strides: strides, padding: padding)
                .node.operation
            guard case .maxPool(let rule) = operation else { preconditionFailure("\(name): \(operation)") }
            return rule.window
        }

        func pooled(_ image: Shape) -> Shape {
            maxPool(.placeholder(image), window: window, strides: strides, padding: padding).shape
        }

        var rows: [OperationRow] {
            [
                OperationRow(
                    OperationKind(.maxPool), name, cases: shapes.map { [RowInput($0, .spaced())] },
                    isDifferentiable: [true]
                ) { maxPool($0[0], window: window, strides: strides, padding: padding) },
                OperationRow(
                    OperationKind(.maxPoolSelection), name,
                    cases: shapes.map { [RowInput($0, .spaced()), RowInput($0, .range(-1...1))] },
                    isDifferentiable: [false, true]
                ) { Tensor(.maxPoolSelection(MaxPoolSelection(window: window($0[0].shape))), $0) },
                OperationRow(
                    OperationKind(.maxPoolGradient), name,
                    cases: shapes.map { [RowInput($0, .spaced()), RowInput(pooled($0), .range(-1...1))] },
                    isDifferentiable: [false, true]
                ) { Tensor(.maxPoolGradient(MaxPoolGradient(window: window($0[0].shape))), $0) },
                // A plan may write it over an image that was computed.
                OperationRow(
                    OperationKind(.maxPoolGradient), name + ", a computed image",
                    cases: shapes.map { [RowInput($0, .spaced()), RowInput(pooled($0), .range(-1...1))] },
                    isDifferentiable: [false, true]
                ) { Tensor(.maxPoolGradient(MaxPoolGradient(window: window($0[0].shape))), [2 * $0[0], $0[1]]) },
                OperationRow(
                    OperationKind(.averagePool), name, cases: shapes.map { [RowInput($0, .range(-1...1))] },
                    isDifferentiable: [true]
                ) { averagePool($0[0], window: window, strides: strides, padding: padding) },
                OperationRow(
                    OperationKind(.averagePoolGradient), name,
                    cases: shapes.map { [RowInput(pooled($0), .range(-1...1))] }, isDifferentiable: [true]
                ) { tensors in
                    let image = shapes.first { pooled($0) == tensors[0].shape } ?? shapes[0]
                    return Tensor(
                        .averagePoolGradient(AveragePoolGradient(window: window(image), sizes: image.spatialSizes)),
                        tensors)
                },
            ]
        }
    }

    private static let poolingCases = [
        PoolingCase(
            name: "touching windows", window: [2, 2],
            shapes: [[1, 2, 2, 1], [2, 4, 5, 3], [-1, 3, 2, 2], [0, 2, 2, 1], [1, 2, 3, 67]]),
        PoolingCase(
            name: "windows apart, padded", window: [3, 2], strides: [3, 4],
            padding: .explicit([AxisPadding(before: 1, after: 1), AxisPadding(before: 1, after: 0)]),
            shapes: [[1, 4, 3, 3], [2, 3, 5, 1], [-1, 4, 1, 2], [0, 2, 2, 1], [1, 1, 3, 70]]),
        PoolingCase(
            name: "overlapping windows, same", window: [3], strides: [2], padding: .same,
            shapes: [[1, 5, 2], [2, 4, 1], [1, 1, 3], [-1, 6, 2], [1, 3, 33]]),
        PoolingCase(
            name: "explicit padding", window: [2, 1, 3], strides: [1, 2, 2],
            padding: .explicit([
                AxisPadding(before: 1, after: 0), AxisPadding(before: 0, after: 0), AxisPadding(before: 1, after: 2),
            ]),
            shapes: [[1, 2, 3, 2, 1], [2, 1, 1, 3, 2], [1, 3, 2, 1, 1], [-1, 1, 2, 2, 2], [1, 2, 2, 4, 3]]),
    ]
}
