import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A pooling or a gradient of one: see `apus_pooling_description`.
final class PoolingKernel: CPUKernel {
    private let pooling: KernelObject
    private let image: Int?
    private let values: Int?
    private let output: Int

    /// - Parameters:
    ///   - image: the image's shape, and `pooled` the shape of its pooling.
    init(_ kind: apus_pooling_kind, _ window: PoolingWindow, image: Shape, pooled: Shape, _ step: Plan.Step) throws {
        var description = apus_pooling_description()
        description.kind = kind
        description.rank = Int32(window.sizes.count)
        description.batch = Int64(image[0])
        description.channels = Int64(image[-1])
        setSpatial(&description.image, image.spatialSizes)
        setSpatial(&description.window, window.sizes)
        setSpatial(&description.output, pooled.spatialSizes)
        setSpatial(&description.strides, window.motion.strides)
        setSpatial(&description.padding_before, window.motion.padding.map(\.before))
        pooling = try KernelObject("apus_pooling_create", destroy: apus_pooling_destroy) {
            apus_pooling_create(&description, &$0)
        }
        self.image = kind == APUS_POOLING_AVERAGE_GRADIENT ? nil : step.inputs[0]
        values = step.inputs.count == 2 ? step.inputs[1] : kind == APUS_POOLING_AVERAGE_GRADIENT ? step.inputs[0] : nil
        output = step.outputs[0]
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        try check(
            apus_pooling_run(
                pooling.pointer, image.map { UnsafePointer(memory.floats($0)) },
                values.map { UnsafePointer(memory.floats($0)) }, memory.floats(output)), "apus_pooling_run")
    }
}
