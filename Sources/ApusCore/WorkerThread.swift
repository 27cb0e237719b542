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

    /// Calls `body` with each number of `0..<count`, on up to `threadCount` threads, the caller's among them, and waits.
    /// Where the system has no thread to give, the caller does it all.
    package static func perform(
        count: Int, threadCount: Int, stackByteCount: Int = Self.stackByteCount,
        _ body: @escaping @Sendable (Int) -> Void
    ) {
        let numbers = Numbers(count)
        let work: @Sendable () -> Void = { while let number = numbers.take() { body(number) } }
        for _ in 1..<max(min(threadCount, count), 1) {
            numbers.workerBegins()
            let isRunning = start(stackByteCount: stackByteCount) {
                work()
                numbers.workerEnds()
            }
            if !isRunning {
                numbers.workerEnds()
                break
            }
        }
        work()
        numbers.waitForWorkers()
    }
}

/// The numbers that several threads take one after another.
private final class Numbers: @unchecked Sendable {
    private let condition = NSCondition()
    private let count: Int
    private var next = 0
    private var workerCount = 0

    init(_ count: Int) { self.count = count }

    func take() -> Int? {
        condition.withLock {
            guard next < count else { return nil }
            defer { next += 1 }
            return next
        }
    }

    func workerBegins() { condition.withLock { workerCount += 1 } }

    func workerEnds() {
        condition.withLock {
            workerCount -= 1
            if workerCount == 0 { condition.signal() }
        }
    }

    func waitForWorkers() {
        condition.withLock { while workerCount > 0 { condition.wait() } }
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
