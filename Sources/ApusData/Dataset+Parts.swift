import ApusCore

extension Dataset {
    /// The first `maximum` samples, or all where there are fewer.
    public func prefix(_ maximum: Int) -> Dataset { rows(0..<min(max(maximum, 0), count)) }

    /// All but the first `number` samples.
    public func dropFirst(_ number: Int = 1) -> Dataset { rows(min(max(number, 0), count)..<count) }

    /// The samples with the given indices, in that order; an index may come more than once.
    /// - Throws: `ApusError.setting` for an index that is no sample's.
    public func subset(_ indices: [Int]) throws -> Dataset {
        if let wrong = indices.firstIndex(where: { !(0..<count).contains($0) }) {
            throw ApusError.setting(
                owner: name, name: "subset index \(wrong)", value: "\(indices[wrong])",
                expected: count == 0 ? "absent, as there are no samples" : "from 0 to \(count - 1)")
        }
        let indices = indices.map { Int32($0) }
        return mappingArrays { $0.gatheringRows(indices) }
    }

    /// The samples in a random order that depends on `seed` alone.
    public func shuffled(seed: UInt64) -> Dataset {
        let order = BatchOrder.shuffled(seed: seed).indices(count: count, epoch: 0)
        return mappingArrays { $0.gatheringRows(order) }
    }

    /// The first `firstCount` samples and the rest.
    /// - Throws: `ApusError.setting` where there are not that many.
    public func split(at firstCount: Int) throws -> (first: Dataset, rest: Dataset) {
        guard (0...count).contains(firstCount) else {
            throw ApusError.setting(
                owner: name, name: "the place to split at", value: "\(firstCount)", expected: "from 0 to \(count)")
        }
        return (prefix(firstCount), dropFirst(firstCount))
    }

    /// The first part, `fraction` of the samples (rounded to the nearest whole number), and the rest.
    ///
    /// The samples are not mixed; call `shuffled(seed:)` before where their order means something.
    /// - Throws: `ApusError.setting` for a fraction outside 0...1.
    public func split(fraction: Double) throws -> (first: Dataset, rest: Dataset) {
        guard (0...1).contains(fraction) else {
            throw ApusError.setting(
                owner: name, name: "the fraction to split off", value: "\(fraction)", expected: "from 0 to 1")
        }
        return try split(at: Int((fraction * Double(count)).rounded()))
    }

    private func rows(_ range: Range<Int>) -> Dataset {
        range == 0..<count ? self : mappingArrays { $0.rows(range) }
    }

    private func mappingArrays(_ part: (NDArray) -> NDArray) -> Dataset {
        replacing(
            inputs: inputs.map { $0.replacing(values: part($0.values)) },
            targets: targets.map { $0.replacing(values: part($0.values)) },
            sampleWeights: .some(sampleWeights.map(part)))
    }
}
