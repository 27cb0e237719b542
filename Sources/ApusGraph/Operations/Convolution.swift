import ApusCore

/// Images under kernels, channels last; see `convolution(_:kernel:strides:padding:dilations:groups:)`.
///
/// As a map of the image, and as one of the kernel, it is linear; `ConvolutionInputGradient` and
/// `ConvolutionKernelGradient` are the two maps transposed. The gradients of each of the three are the other two.
package struct Convolution: OperationRule {
    package var motion: WindowMotion
    package var groups: Int

    package init(motion: WindowMotion, groups: Int = 1) {
        self.motion = motion
        self.groups = groups
    }

    package var name: String { "convolution" }
    package var settings: String { convolutionSettings(motion, groups) }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let (image, kernel) = (inputs[0].shape, inputs[1].shape)
        try requireImages([image], kernelRank: kernel.rank)
        let sizes = try motion.outputSizes(
            image: image.spatialSizes, window: Array(kernel.sizes.dropLast(2)), of: self)
        try requireChannels(image[-1], filters: kernel[-1], perGroup: kernel[-2], groups: groups)
        return TensorType(Shape([image[0]] + sizes + [kernel[-1]]))
    }

    package func specialized(batchSize: Int) -> Operation { .convolution(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (image, kernel, upstream) = (context.inputs[0], context.inputs[1], context.upstream)
        let toInput = ConvolutionInputGradient(motion: motion, groups: groups, sizes: image.shape.spatialSizes)
        let toKernel = ConvolutionKernelGradient(
            motion: motion, groups: groups, sizes: Array(kernel.shape.sizes.dropLast(2)))
        return [
            !context.isNeeded[0] ? nil : Tensor(.convolutionInputGradient(toInput), [upstream, kernel]),
            !context.isNeeded[1] ? nil : Tensor(.convolutionKernelGradient(toKernel), [image, upstream]),
        ]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        forEachProduct(motion, groups, image: inputs[0].shape, kernel: inputs[1].shape, output: type.shape) {
            result.values[$2] += inputs[0].values[$0] * inputs[1].values[$1]
        }
        return result
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        productFlopCount(kernel: inputs[1].shape, output: output.shape)
    }
}

/// The gradient of `sum(upstream * convolution(image, kernel))` with respect to the image:
/// `[N, out..., O] x [spatial..., C / groups, O] -> [N, sizes..., C]`.
package struct ConvolutionInputGradient: OperationRule {
    package var motion: WindowMotion
    package var groups: Int
    /// The image's spatial sizes; strides leave several that fit.
    package var sizes: [Int]

    package init(motion: WindowMotion, groups: Int = 1, sizes: [Int]) {
        self.motion = motion
        self.groups = groups
        self.sizes = sizes
    }

    package var name: String { "convolutionInputGradient" }
    package var settings: String { "sizes: \(sizes), " + convolutionSettings(motion, groups) }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let (upstream, kernel) = (inputs[0].shape, inputs[1].shape)
        try requireImages([upstream], kernelRank: kernel.rank, sizes: sizes)
        let expected = try motion.outputSizes(image: sizes, window: Array(kernel.sizes.dropLast(2)), of: self)
        guard expected == upstream.spatialSizes, upstream[-1] == kernel[-1] else {
            throw mismatch(
                expected: "\(Shape([upstream[0]] + expected + [kernel[-1]])), as the convolution of \(sizes) gives",
                received: "\(upstream)", cure: "make sizes, strides, padding and the kernel's last axis agree with it")
        }
        let (channels, isOverflow) = kernel[-2].multipliedReportingOverflow(by: groups)
        try requireChannels(isOverflow ? 0 : channels, filters: kernel[-1], perGroup: kernel[-2], groups: groups)
        return TensorType(Shape([upstream[0]] + sizes + [channels]))
    }

    package func specialized(batchSize: Int) -> Operation { .convolutionInputGradient(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (output, kernel, upstream) = (context.inputs[0], context.inputs[1], context.upstream)
        let forward = Convolution(motion: motion, groups: groups)
        let toKernel = ConvolutionKernelGradient(
            motion: motion, groups: groups, sizes: Array(kernel.shape.sizes.dropLast(2)))
        return [
            !context.isNeeded[0] ? nil : Tensor(.convolution(forward), [upstream, kernel]),
            !context.isNeeded[1] ? nil : Tensor(.convolutionKernelGradient(toKernel), [upstream, output]),
        ]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        forEachProduct(motion, groups, image: type.shape, kernel: inputs[1].shape, output: inputs[0].shape) {
            result.values[$0] += inputs[0].values[$2] * inputs[1].values[$1]
        }
        return result
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        productFlopCount(kernel: inputs[1].shape, output: inputs[0].shape)
    }
}

/// The gradient of `sum(upstream * convolution(image, kernel))` with respect to the kernel:
/// `[N, spatial..., C] x [N, out..., O] -> [sizes..., C / groups, O]`.
package struct ConvolutionKernelGradient: OperationRule {
    package var motion: WindowMotion
    package var groups: Int
    /// The kernel's spatial sizes; strides leave several that fit.
    package var sizes: [Int]

    package init(motion: WindowMotion, groups: Int = 1, sizes: [Int]) {
        self.motion = motion
        self.groups = groups
        self.sizes = sizes
    }

    package var name: String { "convolutionKernelGradient" }
    package var settings: String { "sizes: \(sizes), " + convolutionSettings(motion, groups) }

    package func resultType(of inputs: [TensorType]) throws -> TensorType {
        try requireFloat(inputs)
        let (image, upstream) = (inputs[0].shape, inputs[1].shape)
        try requireImages([image, upstream], kernelRank: image.rank, sizes: sizes)
        let expected = try motion.outputSizes(image: image.spatialSizes, window: sizes, of: self)
        guard expected == upstream.spatialSizes, image[0] == upstream[0] else {
            throw mismatch(
                expected: "\(Shape([image[0]] + expected + [upstream[-1]])), as the convolution of \(image) gives",
                received: "\(upstream)", cure: "make sizes, strides and padding agree with it")
        }
        let perGroup = groups < 1 ? 0 : image[-1] / groups
        try requireChannels(image[-1], filters: upstream[-1], perGroup: perGroup, groups: groups)
        return TensorType(Shape(sizes + [perGroup, upstream[-1]]))
    }

    package func specialized(batchSize: Int) -> Operation { .convolutionKernelGradient(self) }

    package func gradients(_ context: GradientContext) -> [Tensor?] {
        let (image, output, upstream) = (context.inputs[0], context.inputs[1], context.upstream)
        let toInput = ConvolutionInputGradient(motion: motion, groups: groups, sizes: image.shape.spatialSizes)
        let forward = Convolution(motion: motion, groups: groups)
        return [
            !context.isNeeded[0] ? nil : Tensor(.convolutionInputGradient(toInput), [output, upstream]),
            !context.isNeeded[1] ? nil : Tensor(.convolution(forward), [image, upstream]),
        ]
    }

    package func evaluate<Scalar: RealScalar>(
        _ inputs: [ReferenceArray<Scalar>], type: TensorType, context: RunContext
    ) -> ReferenceArray<Scalar> {
        var result = ReferenceArray<Scalar>(type.shape)
        forEachProduct(motion, groups, image: inputs[0].shape, kernel: type.shape, output: inputs[1].shape) {
            result.values[$1] += inputs[0].values[$0] * inputs[1].values[$2]
        }
        return result
    }

    package func flopCount(inputs: [TensorType], output: TensorType) -> Int {
        productFlopCount(kernel: output.shape, output: inputs[1].shape)
    }
}

extension OperationRule {
    fileprivate func convolutionSettings(_ motion: WindowMotion, _ groups: Int) -> String {
        groups == 1 ? motion.description : motion.description + ", groups: \(groups)"
    }

    /// Each image has one to three spatial axes, as many as the kernel and as `sizes`.
    fileprivate func requireImages(_ images: [Shape], kernelRank: Int, sizes: [Int]? = nil) throws {
        let spatialRank = sizes?.count ?? kernelRank - 2
        guard (1...3).contains(spatialRank), kernelRank == spatialRank + 2,
            images.allSatisfy({ $0.rank == spatialRank + 2 })
        else {
            throw mismatch(
                expected: "images [batch, spatial..., channels] and a kernel [spatial..., channels / groups, filters] "
                    + "with the same 1 to 3 spatial axes",
                received: images.map(\.description).joined(separator: " and ")
                    + (sizes.map { ", spatial sizes \($0)" } ?? "") + " and a kernel of \(kernelRank) axes",
                cure: "reshape the images so that the batch comes first and the channels last")
        }
    }

    fileprivate func requireChannels(_ channels: Int, filters: Int, perGroup: Int, groups: Int) throws {
        guard groups >= 1, channels >= 1, filters >= 1, channels.isMultiple(of: groups),
            filters.isMultiple(of: groups)
        else {
            throw mismatch(
                expected: "channels and filters, at least 1 each, that \(groups) groups divide evenly",
                received: "\(channels) channels and \(filters) filters",
                cure: "choose a number of groups that divides both")
        }
        guard perGroup == channels / groups else {
            throw mismatch(
                expected: "a kernel for \(channels / groups) channels (\(channels) in \(groups) groups)",
                received: "one for \(perGroup)", cure: "make the kernel's second to last axis channels / groups")
        }
    }

    fileprivate func productFlopCount(kernel: Shape, output: Shape) -> Int {
        flops(2, output.elementCount, Shape(kernel.sizes.dropLast()).elementCount)
    }

    /// Calls `body` with the places in image, kernel and output of each product of the convolution.
    fileprivate func forEachProduct(
        _ motion: WindowMotion, _ groups: Int, image: Shape, kernel: Shape, output: Shape,
        _ body: (_ image: Int, _ kernel: Int, _ output: Int) -> Void
    ) {
        let (perGroup, filters) = (kernel[-2], kernel[-1])
        let filtersPerGroup = filters / groups
        let parts = Array(PositionSequence(Shape(Array(kernel.sizes.dropLast(2)))))
        for (window, position) in PositionSequence(Shape(Array(output.sizes.dropLast()))).enumerated() {
            for (part, partPosition) in parts.enumerated() {
                guard
                    let place = motion.place(
                        window: Array(position.dropFirst()), part: partPosition, image: image.spatialSizes)
                else { continue }
                let start = offset(of: [position[0]] + place + [0], strides: image.strides)
                for filter in 0..<filters {
                    let first = start + filter / filtersPerGroup * perGroup
                    for channel in 0..<perGroup {
                        body(first + channel, (part * perGroup + channel) * filters + filter, window * filters + filter)
                    }
                }
            }
        }
    }
}

/// The convolution of images with a kernel, in one, two or three spatial axes (as in Keras, the kernel is not
/// mirrored): in one axis
///
///     y[n, o, f] = sum over k, c of x[n, o * stride + k * dilation - before, c] * kernel[k, c, f]
///
/// where x is 0 outside the image. With groups, a filter sees only the channels of its own group, one of `groups`
/// equal parts in order; `groups` equal to the channels makes it depthwise.
///
/// Shapes: x `[N, spatial..., C]`, kernel `[spatial..., C / groups, O]`, result `[N, out..., O]` with
/// `out = (size + before + after - (kernel - 1) * dilation - 1) / stride + 1`, rounded down.
/// - Parameters:
///   - strides: from one window to the next, at least 1 for each spatial axis; by default 1.
///   - padding: zeros around the image; by default none.
///   - dilations: from one place of the kernel to the next, at least 1 for each spatial axis; by default 1.
///   - groups: how many parts the channels and the filters are split into; by default 1.
///
/// The result holds `ApusError.shape` where the kernel is larger than the padded image, where the groups do not divide
/// channels and filters, and where ranks or numbers of settings do not fit.
public func convolution(
    _ x: Tensor, kernel: Tensor, strides: [Int] = [], padding: Padding = .valid, dilations: [Int] = [],
    groups: Int = 1
) -> Tensor {
    let motion = WindowMotion(
        image: x.shape.spatialSizes, window: Array(kernel.shape.sizes.dropLast(2)), strides: strides,
        dilations: dilations, padding: padding)
    return Tensor(.convolution(Convolution(motion: motion, groups: groups)), [x, kernel])
}

/// The transposed convolution: the gradient of `convolution` with respect to its image, given `x` as the gradient of
/// its result. With strides it enlarges.
///
/// Shapes: x `[N, spatial..., C]`, kernel `[spatial..., O / groups, C]`, result `[N, out..., O]`, where without
/// `outputSizes` `out` is `size * stride + max(extent - stride, 0)` for valid padding, `size * stride` for same, and
/// `(size - 1) * stride + extent - before - after` for explicit padding; `extent = (kernel - 1) * dilation + 1`.
/// - Parameters:
///   - outputSizes: the result's spatial sizes; the convolution of an image of these sizes must give x's.
///
/// The other parameters and the errors are those of `convolution`.
/// Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.
public func transposedConvolution(
    _ x: Tensor, kernel: Tensor, strides: [Int] = [], padding: Padding = .valid, dilations: [Int] = [],
    groups: Int = 1, outputSizes: [Int]? = nil
) -> Tensor {
    let (sizes, window) = (x.shape.spatialSizes, Array(kernel.shape.sizes.dropLast(2)))
    // With the faults that a shape rule finds, any sizes do.
    let limits = 1...Int(Int32.max)
    func entry(_ values: [Int], _ axis: Int) -> Int {
        values.indices.contains(axis) && limits.contains(values[axis]) ? values[axis] : 1
    }
    let natural = sizes.indices.map { axis in
        let (size, stride) = (entry(sizes, axis), entry(strides, axis))
        let extent = (entry(window, axis) - 1) * entry(dilations, axis) + 1
        switch padding {
        case .valid: return size * stride + max(extent - stride, 0)
        case .same: return size * stride
        case .explicit(let padding):
            guard padding.indices.contains(axis) else { return size * stride }
            let (before, after) = (padding[axis].before, padding[axis].after)
            guard (0...limits.upperBound).contains(before), (0...limits.upperBound).contains(after) else { return 1 }
            return (size - 1) * stride + extent - before - after
        }
    }
    let image = outputSizes ?? natural
    let motion = WindowMotion(image: image, window: window, strides: strides, dilations: dilations, padding: padding)
    let operation = ConvolutionInputGradient(motion: motion, groups: groups, sizes: image)
    return Tensor(.convolutionInputGradient(operation), [x, kernel])
}
