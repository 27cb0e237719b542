import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A convolution with what follows it, or one of its gradients: see `apus_convolution_description`.
final class ConvolutionKernel: CPUKernel {
    private let convolution: KernelObject
    /// Outlives the convolution.
    private let engine: KernelObject
    private let kind: apus_convolution_kind
    private let inputs: [Int]
    private let bias: Int?
    private let output: Int
    private let method: apus_convolution_method

    var name: String {
        switch method {
        case APUS_CONVOLUTION_BY_WINOGRAD: "Convolution by Winograd's filtering"
        case APUS_CONVOLUTION_BY_WINOGRAD_PAIRS: "Convolution by Winograd's filtering in bfloat16"
        case APUS_CONVOLUTION_BY_SPREADING: "Convolution's gradient, spread"
        case APUS_CONVOLUTION_BY_ONEDNN_PAIRS, APUS_CONVOLUTION_BY_PAIRS: "Convolution in bfloat16"
        default: "Convolution"
        }
    }

    /// - Parameter output: the shape of what the step computes.
    init(
        _ kind: apus_convolution_kind, _ motion: WindowMotion, groups: Int, hasBias: Bool = false,
        activation: Unary.Function? = nil, output type: TensorType, _ step: Plan.Step, _ engine: KernelObject
    ) throws {
        self.kind = kind
        self.engine = engine
        inputs = Array(step.inputs.prefix(2))
        bias = hasBias ? step.inputs[2] : nil
        output = step.outputs[0]
        let (first, second) = (step.inputTypes[0].shape, step.inputTypes[1].shape)
        let (image, kernel, result) =
            switch kind {
            case APUS_CONVOLUTION_IMAGE_GRADIENT: (type.shape, second, first)
            case APUS_CONVOLUTION_KERNEL_GRADIENT: (first, type.shape, second)
            default: (first, second, type.shape)
            }
        var description = apus_convolution_description()
        description.kind = kind
        description.rank = Int32(motion.strides.count)
        description.batch = Int64(image[0])
        description.channels = Int64(image[-1])
        description.filters = Int64(kernel[-1])
        description.groups = Int64(groups)
        setSpatial(&description.image, image.spatialSizes)
        setSpatial(&description.kernel, Array(kernel.sizes.dropLast(2)))
        setSpatial(&description.output, result.spatialSizes)
        setSpatial(&description.strides, motion.strides)
        setSpatial(&description.dilations, motion.dilations)
        setSpatial(&description.padding_before, motion.padding.map(\.before))
        setSpatial(&description.padding_after, motion.padding.map(\.after))
        description.has_bias = hasBias
        description.activation = productActivation(activation)
        description.method = Self.method(description, engine)
        convolution = try KernelObject("apus_convolution_create", destroy: apus_convolution_destroy) {
            let status = apus_convolution_create(engine.pointer, &description, &$0)
            // oneDNN has bfloat16 primitives for most shapes, not for all.
            guard status == APUS_UNSUPPORTED, description.method == APUS_CONVOLUTION_BY_ONEDNN_PAIRS else {
                return status
            }
            description.method = Self.methodOfFloats(description)
            return apus_convolution_create(engine.pointer, &description, &$0)
        }
        method = description.method
    }

    private static func method(
        _ wanted: apus_convolution_description, _ engine: KernelObject
    ) -> apus_convolution_method {
        // Where oneDNN multiplies in bfloat16, that is faster still.
        if apus_engine_has_rounded_factors(engine.pointer) { return APUS_CONVOLUTION_BY_ONEDNN }
        guard apus_engine_has_pair_products(engine.pointer) else { return methodOfFloats(wanted) }
        if isFilteredFaster(wanted, byPairs: true) { return APUS_CONVOLUTION_BY_WINOGRAD_PAIRS }
        return methodOfPairs(wanted) ?? methodOfFloats(wanted)
    }

    private static func methodOfFloats(_ wanted: apus_convolution_description) -> apus_convolution_method {
        if isFilteredFaster(wanted, byPairs: false) { return APUS_CONVOLUTION_BY_WINOGRAD }
        return isSpreadFaster(wanted) ? APUS_CONVOLUTION_BY_SPREADING : APUS_CONVOLUTION_BY_ONEDNN
    }

    /// In bfloat16 where that is faster than float32, by our own loops or oneDNN's: measured on a Zen 4 with batches of 16
    /// to 128, oneDNN takes 0.5 to 0.8 of float32's time, but for few channels and filters, and for a kernel's gradient
    /// where windows stand apart (0.9 to 2.3) or are of one place (0.7 to 1.3). Our own loops take 0.3 to 0.6 of float32's
    /// time where channels are few, of which oneDNN makes sixteen; for a kernel's gradient 0.4 to 0.9, less than oneDNN's
    /// but where a large kernel does not stay in the cache; for an image's 0.6 to 0.8, less than oneDNN's where no edge
    /// is padded or channels are few. They share samples out among threads, so that there have to be some.
    private static func methodOfPairs(_ wanted: apus_convolution_description) -> apus_convolution_method? {
        let (channels, filters) = (wanted.channels / wanted.groups, wanted.filters / wanted.groups)
        let isDense = (0..<Int(wanted.rank)).allSatisfy { axes(wanted.strides)[$0] == 1 }
        let isWide = wanted.kernel.1 > 1
        let kernelCount = wanted.kernel.0 * wanted.kernel.1 * channels * filters
        // Sums of larger ones are taken in fewer parts, for fewer threads.
        let (isKernelSmall, isFourfold) = (kernelCount <= 1 << 17, kernelCount <= 1 << 18)
        let areLoopsPossible =
            wanted.batch >= 16 && withUnsafePointer(to: wanted) { apus_pairs_convolution_is_possible($0) }
        let areOneDNNsFaster = channels * filters >= 96
        switch wanted.kind {
        case APUS_CONVOLUTION_IMAGE_GRADIENT:
            let isPadded = axes(wanted.padding_before) + axes(wanted.padding_after) != [0, 0, 0, 0, 0, 0]
            let isSpread = channels < 8 ? filters >= 24 : channels % 16 != 0 && filters >= 48 && !isPadded
            if areLoopsPossible && isWide && isKernelSmall && isSpread { return APUS_CONVOLUTION_BY_PAIRS }
        case APUS_CONVOLUTION_KERNEL_GRADIENT:
            let isSampleSmall = wanted.image.0 * wanted.image.1 * channels <= 1 << 17
            let hasEnoughProducts = isWide || min(channels, filters) >= 24
            if areLoopsPossible && hasEnoughProducts && isSampleSmall && (isKernelSmall || !isDense && isFourfold) {
                return APUS_CONVOLUTION_BY_PAIRS
            }
            if !isDense || !(isWide || channels >= 32) { return nil }
        default:
            if areLoopsPossible && isWide && channels < 8 { return APUS_CONVOLUTION_BY_PAIRS }
        }
        return areOneDNNsFaster ? APUS_CONVOLUTION_BY_ONEDNN_PAIRS : nil
    }

    /// By products that are spread over the image, by our own loops (`spread_gradient.c`): measured with AVX-512 and
    /// batches of 16 and more it takes 0.4 to 0.98 of oneDNN's time where channels do not fill vectors; and more than
    /// that where they do, where few filters leave little to multiply, and where a kernel does not stay in the cache.
    private static func isSpreadFaster(_ wanted: apus_convolution_description) -> Bool {
        let kernelCount = wanted.kernel.0 * wanted.kernel.1 * wanted.channels * wanted.filters
        return withUnsafePointer(to: wanted) { apus_spread_gradient_is_possible($0) } && wanted.channels % 16 != 0
            && wanted.filters >= 48 && wanted.kernel.1 > 1 && wanted.batch >= 16 && kernelCount <= 1 << 17
            && String(cString: apus_instruction_set()) == "AVX-512"
    }

    /// By Winograd's filtering where that is possible and faster, by our own loops (`winograd.c`): measured with batches
    /// of 64 and 128, with 3 x 3 kernels it takes 0.4 to 0.6 of the direct convolution's time on AVX-512 from 32 channels,
    /// 0.6 to 0.9 from 12, and on older processors less than that. By bfloat16 pairs, on a Zen 4, it takes 0.3 to 0.65 of
    /// the others' from 32 channels, 0.5 to 1 with 16, and 1.2 to 2.5 with 12. With 5 x 5 kernels, on a Zen 4 alone, it
    /// takes 0.4 to 0.9 in float32 from 16 channels, and 0.8 to 1.3 with 12; by pairs 0.4 to 1 from 24 channels, and 0.7 to
    /// 1.1 with 16.
    private static func isFilteredFaster(_ wanted: apus_convolution_description, byPairs: Bool) -> Bool {
        guard withUnsafePointer(to: wanted, { apus_winograd_is_possible($0) }) else { return false }
        let fewestChannels: Int64 =
            switch (wanted.kernel.0, byPairs) {
            case (5, true): 24
            case (5, false), (_, true): 16
            default: 12
            }
        guard min(wanted.channels, wanted.filters) >= fewestChannels else { return false }
        let tiling = withUnsafePointer(to: wanted) { apus_winograd_tiling_of($0) }
        let tiles = tiling.tile_rows * tiling.tile_columns
        // Where tiles stand over the edge by half, or are few beside the kernel that is transformed too, nothing is won.
        let fewest: Int64 = wanted.kind == APUS_CONVOLUTION_KERNEL_GRADIENT ? 128 : 32
        return 2 * tiling.height * tiling.width >= tiling.tile * tiling.tile * tiles && wanted.batch * tiles >= fewest
    }

    var implementation: String? { String(cString: apus_convolution_implementation(convolution.pointer)) }
    var workspaceByteCount: Int { Int(apus_convolution_workspace(convolution.pointer)) }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let (first, second) = (UnsafePointer(memory.floats(inputs[0])), UnsafePointer(memory.floats(inputs[1])))
        let (image, kernel, result): (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?) =
            switch kind {
            case APUS_CONVOLUTION_IMAGE_GRADIENT: (nil, second, first)
            case APUS_CONVOLUTION_KERNEL_GRADIENT: (first, nil, second)
            default: (first, second, nil)
            }
        try check(
            apus_convolution_run(
                convolution.pointer, image, kernel, result, bias.map { UnsafePointer(memory.floats($0)) },
                memory.floats(output)), "apus_convolution_run")
    }
}

/// Writes `values`, three at most, into one of C's arrays of spatial axes.
func setSpatial(_ array: inout (Int64, Int64, Int64), _ values: [Int]) {
    func entry(_ axis: Int) -> Int64 { axis < values.count ? Int64(values[axis]) : 0 }
    array = (entry(0), entry(1), entry(2))
}

private func axes(_ array: (Int64, Int64, Int64)) -> [Int64] { [array.0, array.1, array.2] }

/// What may follow a product within the same step.
func productActivation(_ function: Unary.Function?) -> apus_activation {
    switch function {
    case nil: APUS_ACTIVATION_NONE
    case .relu: APUS_ACTIVATION_RELU
    case .sigmoid: APUS_ACTIVATION_SIGMOID
    case .tanh: APUS_ACTIVATION_TANH
    case .some(let other): preconditionFailure("\(other) does not follow a product")
    }
}
