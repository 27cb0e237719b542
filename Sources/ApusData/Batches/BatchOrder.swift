import ApusCore

/// The order in which an epoch visits the samples.
public enum BatchOrder: Sendable, Hashable {
    /// From the first to the last, every epoch.
    case natural
    /// A random order that is a function of the seed and the epoch alone, so that a resumed run needs no state.
    case shuffled(seed: UInt64)

    /// Keeps the shuffles apart from every other use of a run's seed: the letters SHUF. Streams of a graph's own
    /// random operations are small numbers.
    package static let shuffleStream: UInt32 = 0x5348_5546

    /// The samples `0..<count` in the order of `epoch`.
    public func indices(count: Int, epoch: Int) -> [Int32] {
        switch self {
        case .natural: (0..<Int32(max(count, 0))).map { $0 }
        case .shuffled(let seed):
            Philox(seed: seed, stream: Self.shuffleStream, step: UInt64(bitPattern: Int64(epoch))).permutation(count)
        }
    }
}
