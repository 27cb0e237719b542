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
        case APUS_CONVOLUTION_BY_SPREADING: "Convolution's gradient, spread"
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
        method = description.method
        convolution = try KernelObject("apus_convolution_create", destroy: apus_convolution_destroy) {
            apus_convolution_create(engine.pointer, &description, &$0)
        }
    }

    private static func method(
        _ wanted: apus_convolution_description, _ engine: KernelObject
    ) -> apus_convolution_method {
        // Where oneDNN multiplies in bfloat16, that is faster still.
        if apus_engine_has_rounded_factors(engine.pointer) { return APUS_CONVOLUTION_BY_ONEDNN }
        if isFilteredFaster(wanted) { return APUS_CONVOLUTION_BY_WINOGRAD }
        return isSpreadFaster(wanted) ? APUS_CONVOLUTION_BY_SPREADING : APUS_CONVOLUTION_BY_ONEDNN
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
    /// of 128, on AVX-512 it takes 0.4 to 0.6 of the direct convolution's time from 32 channels, 0.6 to 0.9 from 12, and
    /// on older processors less than that.
    private static func isFilteredFaster(_ wanted: apus_convolution_description) -> Bool {
        guard withUnsafePointer(to: wanted, { apus_winograd_is_possible($0) }),
            min(wanted.channels, wanted.filters) >= 12
        else { return false }
        let result = wanted.kind == APUS_CONVOLUTION_IMAGE_GRADIENT ? wanted.image : wanted.output
        let tiles = ((result.0 + 3) / 4) * ((result.1 + 3) / 4)
        // Where tiles stand over the edge by half, or are few beside the kernel that is transformed too, nothing is won.
        let fewest: Int64 = wanted.kind == APUS_CONVOLUTION_KERNEL_GRADIENT ? 128 : 32
        return result.0 * result.1 >= 8 * tiles && wanted.batch * tiles >= fewest
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
