import Foundation

/// Threads of our own. Foundation's `Thread` does not tell where the system has none to give, and whoever waits for its
/// work then waits for ever.
package enum WorkerThread {
    /// Enough for what runs here, and a small part of what a thread is given otherwise: where memory is limited
    /// (`ulimit -v`), that may be too much.
    package static let stackByteCount = 1 << 20

    /// Runs `body` on a new thread, which ends with it.
    /// - Returns: whether there is such a thread; `body` is not run where there is none.
    package static func start(
        stackByteCount: Int = Self.stackByteCount, _ body: @escaping @Sendable () -> Void
    ) -> Bool {
        let work = Unmanaged.passRetained(Work(body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, stackByteCount)
        #if canImport(Darwin)
            var thread: pthread_t?
            let code = pthread_create(&thread, &attributes, { run($0) }, work.toOpaque())
        #else
            var thread = pthread_t()
            let code = pthread_create(&thread, &attributes, { run($0) }, work.toOpaque())
        #endif
        if code != 0 { work.release() }
        return code == 0
    }
}

private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
    return nil
}
