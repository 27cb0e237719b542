import Foundation

/// Memory whose size follows from a user's settings: there may be too little, which is said rather than stops the
/// program.
package enum HostMemory {
    /// Memory aligned to 64 bytes, at least one byte; to be given back by `deallocate()`.
    /// - Parameter purpose: what takes it, at the beginning of a sentence.
    /// - Throws: `ApusError.memory`.
    package static func allocate(byteCount: Int, for purpose: @autoclosure () -> String) throws
        -> UnsafeMutableRawPointer
    {
        var pointer: UnsafeMutableRawPointer?
        guard posix_memalign(&pointer, 64, max(byteCount, 1)) == 0, let pointer else {
            throw ApusError.memory(purpose: purpose(), byteCount: byteCount)
        }
        return pointer
    }
}
