import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// Rows of a table by their numbers, or rows added to those of a table.
final class GatherKernel: CPUKernel {
    private let isScatter: Bool
    private let length: Int
    private let width: Int
    private let count: Int
    private let source: Int
    private let indices: Int
    private let output: Int
    private let origin: String

    /// - Parameters:
    ///   - table: the shape of the table that is read or added to.
    ///   - count: how many indices there are.
    init(isScatter: Bool, table: Shape, count: Int, _ step: Plan.Step) {
        self.isScatter = isScatter
        (length, width, self.count) = (table[0], table[1], count)
        (source, indices, output) = (step.inputs[0], step.inputs[1], step.outputs[0])
        origin = step.origin
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        let (from, numbers, to) = (memory.floats(source), memory.integers(indices), memory.floats(output))
        let status: apus_status
        if isScatter {
            to.update(repeating: 0, count: length * width)
            status = apus_scatter_add_rows(from, numbers, to, Int64(count), Int64(length), Int64(width))
        } else {
            status = apus_gather_rows(from, numbers, to, Int64(count), Int64(length), Int64(width))
        }
        if status == apus_status(APUS_INDEX_OUT_OF_RANGE) {
            for place in 0..<count where !(0..<length).contains(Int(numbers[place])) {
                throw ApusError.index(Int(numbers[place]), place: place, count: length, layer: origin)
            }
        }
        try check(status, isScatter ? "apus_scatter_add_rows" : "apus_gather_rows")
    }
}
