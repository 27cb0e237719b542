import Apus

/// The least of several times: on a machine that others use, too, the one that was disturbed the least.
package enum BestTime {
    /// A block of calls takes about so long, in milliseconds, and there are so many blocks.
    private static let (blockTime, blockCount) = (300.0, 4)
    private static let mostCalls = 100_000
    /// What warms up goes on until a block takes so long.
    private static let warmUpTime = 30.0
    /// Of a call from so long on, two are enough.
    private static let longTime = 1_000.0

    /// Milliseconds a call, from the best of 4 blocks of calls that take about 0.3 s each, after short blocks to warm up;
    /// of a call that takes a second or more, the better of two. The same rule as in `Benchmarks/peers/harness.py`, so
    /// that all systems have as many chances of an undisturbed block.
    /// - Parameter time: milliseconds a call of a block of so many. One call, which may allocate, has been made before.
    package static func milliseconds(_ time: (_ callCount: Int) throws -> Double) rethrows -> Double {
        // Two by themselves: one of them may have been disturbed.
        let estimates = (try time(1), try time(1))
        var estimate = min(estimates.0, estimates.1)
        if estimate >= longTime { return estimate }
        var count = 1
        while estimate * Double(count) < warmUpTime, count < mostCalls {
            count = min(2 * count, mostCalls)
            estimate = min(estimate, try time(count))
        }
        let callCount = Int(max(1, min(Double(mostCalls), (blockTime / max(estimate, 1e-6)).rounded())))
        var best = Double.infinity
        for _ in 0..<blockCount { best = min(best, try time(callCount)) }
        return best
    }

    /// Milliseconds a call.
    static func time(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        for _ in 0..<count { try body() }
        return (ContinuousClock.now - start) / .milliseconds(1) / Double(count)
    }
}
