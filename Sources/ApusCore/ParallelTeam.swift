/// The threads that a device's steps run on, for work between two steps: waking others for it would cost more than the
/// work, and they would be in the way of the next step.
package struct ParallelTeam: Sendable {
    /// Work on the items `begin..<end` (the second and third argument), with the context given to `run`.
    package typealias Body = @convention(c) (UnsafeMutableRawPointer?, Int64, Int64, Int32) -> Void

    /// The number of threads.
    package let size: @Sendable () -> Int
    /// Calls a body on contiguous ranges that cover `0..<count`, none much shorter than `grain`, and waits.
    package let run: @Sendable (_ count: Int64, _ grain: Int64, Body, _ context: UnsafeMutableRawPointer?) -> Void

    package init(
        size: @escaping @Sendable () -> Int,
        run: @escaping @Sendable (Int64, Int64, Body, UnsafeMutableRawPointer?) -> Void
    ) {
        self.size = size
        self.run = run
    }
}
