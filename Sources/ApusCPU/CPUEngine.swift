import ApusCore
import ApusPlan
import CApusKernels

/// An object that the kernels' C made, destroyed with its last user.
final class KernelObject {
    let pointer: OpaquePointer
    private let destroy: (OpaquePointer?) -> Void

    /// - Parameters:
    ///   - call: the function's name, for errors.
    ///   - create: calls it.
    init(
        _ call: String, destroy: @escaping (OpaquePointer?) -> Void,
        create: (inout OpaquePointer?) throws -> apus_status
    ) throws {
        var made: OpaquePointer?
        try check(create(&made), call)
        guard let made else { preconditionFailure("\(call) made nothing") }
        pointer = made
        self.destroy = destroy
    }

    deinit { destroy(pointer) }
}

/// Writes `values` into the first places of one of C's arrays of axes.
/// - Throws: `ApusError.shape` where there are more than the kernels take.
func copyAxes<Axes>(_ values: [Int], _ array: inout Axes) throws {
    guard values.count <= Int(APUS_MAXIMUM_RANK) else {
        throw ApusError.shape(
            ShapeProblem(
                operation: "CPU kernel", expected: "at most \(APUS_MAXIMUM_RANK) axes", received: "\(values.count)",
                cure: "join axes with reshaped(to:)"))
    }
    withUnsafeMutableBytes(of: &array) { bytes in
        let places = bytes.bindMemory(to: Int64.self)
        for (index, value) in values.enumerated() { places[index] = Int64(value) }
    }
}
