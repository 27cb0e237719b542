import ApusCore
import Foundation

/// The same work on several things at once.
enum ParallelReading {
    /// The results in the order of `items`.
    /// - Throws: The first item's error, in the order of `items`.
    static func map<Item: Sendable, Result: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) throws -> Result
    ) throws -> [Result] {
        let results = Results<Result>(count: items.count)
        // Dispatch waits for ever where the system gives no thread.
        WorkerThread.perform(count: items.count, threadCount: items.count) { index in
            results.set(index, Swift.Result { try work(items[index]) })
        }
        return try results.all.map { try $0.get() }
    }

    private final class Results<Value: Sendable>: @unchecked Sendable {
        private let lock = NSLock()
        private var values: [Result<Value, any Error>?]

        init(count: Int) { values = Array(repeating: nil, count: count) }

        func set(_ index: Int, _ value: Result<Value, any Error>) { lock.withLock { values[index] = value } }

        var all: [Result<Value, any Error>] { lock.withLock { values.compactMap { $0 } } }
    }
}
