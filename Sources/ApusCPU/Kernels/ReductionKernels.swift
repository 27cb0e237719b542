import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// A sum or an extreme along some axes: one pass for each run of neighbouring axes, from the last to the first.
final class ReductionKernel: CPUKernel {
    private let passes: [KernelObject]
    /// What lies between two passes; the last pass writes the output.
    private let between: [UnsafeMutablePointer<Float>]
    private let betweenByteCount: Int
    private let input: Int
    private let output: Int

    init(_ reduction: Reduction, _ shape: Shape, _ step: Plan.Step) throws {
        (input, output) = (step.inputs[0], step.outputs[0])
        var shape = shape
        var passes: [KernelObject] = []
        var counts: [Int] = []
        for run in Self.runs(of: reduction.axes) {
            passes.append(
                try KernelObject("apus_reduction_create", destroy: apus_reduction_destroy) {
                    apus_reduction_create(
                        reduction.function.kernelKind, Int64(shape.sizes[..<run.lowerBound].reduce(1, *)),
                        Int64(shape.sizes[run].reduce(1, *)),
                        Int64(shape.sizes[(run.upperBound + 1)...].reduce(1, *)), &$0)
                })
            for axis in run { shape[axis] = 1 }
            counts.append(max(shape.elementCount, 1))
        }
        self.passes = passes
        between = counts.dropLast().map { .allocate(capacity: $0) }
        betweenByteCount = counts.dropLast().reduce(0) { $0 + 4 * $1 }
    }

    deinit { for buffer in between { buffer.deallocate() } }

    var workspaceByteCount: Int {
        passes.reduce(betweenByteCount) { $0 + Int(apus_reduction_workspace($1.pointer)) }
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        var source = UnsafePointer(memory.floats(input))
        for index in passes.indices {
            let target = index == passes.count - 1 ? memory.floats(output) : between[index]
            try check(apus_reduction_run(passes[index].pointer, source, target), "apus_reduction_run")
            source = UnsafePointer(target)
        }
    }

    /// Runs of neighbouring axes, the last first.
    static func runs(of axes: [Int]) -> [ClosedRange<Int>] {
        var runs: [ClosedRange<Int>] = []
        for axis in axes.reversed() {
            if let last = runs.last, last.lowerBound == axis + 1 {
                runs[runs.count - 1] = axis...last.upperBound
            } else {
                runs.append(axis...axis)
            }
        }
        return runs
    }
}

/// The place of the largest element along the last axis.
final class ArgMaxKernel: CPUKernel {
    private let pass: KernelObject
    private let input: Int
    private let output: Int

    init(_ shape: Shape, _ step: Plan.Step) throws {
        (input, output) = (step.inputs[0], step.outputs[0])
        let rows = Int64(shape.sizes.dropLast().reduce(1, *))
        pass = try KernelObject("apus_reduction_create", destroy: apus_reduction_destroy) {
            apus_reduction_create(APUS_REDUCE_ARGMAX, rows, Int64(shape[-1]), 1, &$0)
        }
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        try check(
            apus_reduction_run(pass.pointer, memory.floats(input), memory.addresses[output]), "apus_reduction_run")
    }
}

extension Reduction.Function {
    fileprivate var kernelKind: apus_reduction_kind {
        switch self {
        case .sum: APUS_REDUCE_SUM
        case .max: APUS_REDUCE_MAXIMUM
        case .min: APUS_REDUCE_MINIMUM
        }
    }
}
