/// Places for values in one arena: two values overlap only if they never live at the same time.
package struct MemoryPlan: Sendable {
    /// A value's bytes and its life: from the step that writes it to the last that reads it, both included.
    package struct Request: Hashable, Sendable {
        package var byteCount: Int
        package var lifetime: ClosedRange<Int>

        package init(byteCount: Int, lifetime: ClosedRange<Int>) {
            self.byteCount = byteCount
            self.lifetime = lifetime
        }
    }

    /// Where each request starts, in bytes; a multiple of `alignment`.
    package let offsets: [Int]
    package let byteCount: Int

    package static let alignment = 64

    /// Largest first, each at the lowest place that is free for its whole life.
    package init(_ requests: [Request]) {
        var offsets = [Int](repeating: 0, count: requests.count)
        var placed: [Int] = []
        var end = 0
        let order = requests.indices.sorted {
            (requests[$1].byteCount, $0) < (requests[$0].byteCount, $1)
        }
        for index in order {
            let size = Self.aligned(requests[index].byteCount)
            let neighbours = placed.filter { requests[$0].lifetime.overlaps(requests[index].lifetime) }
                .map { (start: offsets[$0], end: offsets[$0] + Self.aligned(requests[$0].byteCount)) }
                .sorted { $0.start < $1.start }
            var offset = 0
            for neighbour in neighbours {
                if offset + size <= neighbour.start { break }
                offset = max(offset, neighbour.end)
            }
            offsets[index] = offset
            placed.append(index)
            end = max(end, offset + size)
        }
        self.offsets = offsets
        byteCount = end
    }

    private static func aligned(_ byteCount: Int) -> Int { (max(byteCount, 1) + alignment - 1) / alignment * alignment }
}
