import ApusCore

/// Positions to walk, with the strides of each array that is walked along.
package struct StridedDomain: Hashable, Sendable {
    package var sizes: [Int]
    /// For each array, elements from one position to the next along each axis.
    package var strides: [[Int]]

    package init(sizes: [Int], strides: [[Int]]) {
        self.sizes = sizes
        self.strides = strides
    }

    /// The same walk with as few axes as possible: axes of size 1 go, and neighbours that every array walks as one
    /// become one.
    package func collapsed() -> StridedDomain {
        var result = StridedDomain(sizes: [], strides: strides.map { _ in [] })
        for axis in sizes.indices where sizes[axis] != 1 {
            if let last = result.sizes.indices.last,
                strides.indices.allSatisfy({ result.strides[$0][last] == strides[$0][axis] * sizes[axis] })
            {
                result.sizes[last] *= sizes[axis]
                for array in strides.indices { result.strides[array][last] = strides[array][axis] }
            } else {
                result.sizes.append(sizes[axis])
                for array in strides.indices { result.strides[array].append(strides[array][axis]) }
            }
        }
        return result
    }
}
