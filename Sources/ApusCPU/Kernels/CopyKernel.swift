import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// Elements of one value, walked with `source` strides, and where they go, walked with `target` strides.
struct CopyPart {
    let input: Int
    let sourceStrides: [Int]
    let targetStrides: [Int]
    let sizes: [Int]
    /// In elements.
    let sourceOffset: Int
    let targetOffset: Int

    init(
        _ input: Int, from sourceStrides: [Int], to targetStrides: [Int], over sizes: [Int], sourceOffset: Int = 0,
        targetOffset: Int = 0
    ) {
        self.input = input
        self.sourceStrides = sourceStrides
        self.targetStrides = targetStrides
        self.sizes = sizes
        self.sourceOffset = sourceOffset
        self.targetOffset = targetOffset
    }
}

/// Moves elements: transposes, slices, padding, concatenation, stretching written out.
final class CopyKernel: CPUKernel {
    private let copies: [KernelObject]
    private let parts: [CopyPart]
    private let output: Int
    private let elementSize: Int
    private let elementCount: Int64
    private let clearsFirst: Bool

    /// - Parameter clearsFirst: whether the output is filled with zeros before.
    init(_ parts: [CopyPart], _ type: TensorType, _ step: Plan.Step, clearsFirst: Bool = false) throws {
        self.parts = parts
        self.clearsFirst = clearsFirst
        output = step.outputs[0]
        elementSize = type.elementType.byteCount
        elementCount = Int64(type.shape.elementCount)
        copies = try parts.map { part in
            let domain = StridedDomain(
                sizes: part.sizes, strides: [part.sourceStrides, part.targetStrides]
            ).collapsed()
            var description = apus_copy_description()
            description.rank = Int32(domain.sizes.count)
            description.element_size = Int32(type.elementType.byteCount)
            try copyAxes(domain.sizes, &description.dimensions)
            try copyAxes(domain.strides[0], &description.source_strides)
            try copyAxes(domain.strides[1], &description.destination_strides)
            return try KernelObject("apus_copy_create", destroy: apus_copy_destroy) {
                apus_copy_create(&description, &$0)
            }
        }
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let target = memory.addresses[output]
        if clearsFirst {
            var zero = 0.0
            try check(apus_fill(target, elementCount, &zero, Int32(elementSize)), "apus_fill")
        }
        for index in copies.indices {
            try check(
                apus_copy_run(
                    copies[index].pointer,
                    memory.addresses[parts[index].input] + parts[index].sourceOffset * elementSize,
                    target + parts[index].targetOffset * elementSize), "apus_copy_run")
        }
    }
}
