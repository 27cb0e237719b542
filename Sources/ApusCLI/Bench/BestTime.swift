import Apus

/// The least of several times: on a machine that others use, too, the one that was disturbed the least.
enum BestTime {
    /// Milliseconds a call of `body`, from the best of 4 blocks of calls that take about `seconds` each, after 3 calls to
    /// warm up.
    static func milliseconds(blockSeconds: Double = 0.3, _ body: () throws -> Void) rethrows -> Double {
        let warmUp = try time(3, body)
        let count = Int(max(1, min(100_000, blockSeconds * 1_000 / max(warmUp, 0.001))))
        var best = Double.infinity
        for _ in 0..<4 { best = min(best, try time(count, body)) }
        return best
    }

    /// Milliseconds a call.
    static func time(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
        let start = ContinuousClock.now
        for _ in 0..<count { try body() }
        return (ContinuousClock.now - start) / .milliseconds(1) / Double(count)
    }
}
