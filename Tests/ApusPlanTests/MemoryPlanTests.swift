import ApusCore
import ApusPlan
import Testing

@Suite struct MemoryPlanTests {
    // By hand: a (0...1) and b (1...2) live together in step 1; c (2...3) meets only b and takes a's place.
    @Test func placesAreUsedAgain() {
        let plan = MemoryPlan([
            .init(byteCount: 128, lifetime: 0...1), .init(byteCount: 64, lifetime: 1...2),
            .init(byteCount: 100, lifetime: 2...3),
        ])
        #expect(plan.offsets == [0, 128, 0])
        #expect(plan.byteCount == 192)
    }

    @Test func nothingNeedsNothing() {
        #expect(MemoryPlan([]).byteCount == 0)
    }

    @Test func emptyValuesHaveAPlaceToo() {
        #expect(MemoryPlan([.init(byteCount: 0, lifetime: 0...0)]).byteCount == MemoryPlan.alignment)
    }

    @Test(arguments: 0..<20) func livingValuesNeverOverlap(seed: Int) {
        let random = Philox(seed: UInt64(seed))
        let requests = (0..<60).map { index in
            let start = Int(random.uniform(3 * index) * 30)
            return MemoryPlan.Request(
                byteCount: Int(random.uniform(3 * index + 1) * 1000),
                lifetime: start...start + Int(random.uniform(3 * index + 2) * 8))
        }
        let plan = MemoryPlan(requests)
        for a in requests.indices {
            #expect(plan.offsets[a] % MemoryPlan.alignment == 0)
            #expect(plan.offsets[a] + requests[a].byteCount <= plan.byteCount)
            for b in 0..<a where requests[a].lifetime.overlaps(requests[b].lifetime) {
                let isApart =
                    plan.offsets[a] + requests[a].byteCount <= plan.offsets[b]
                    || plan.offsets[b] + requests[b].byteCount <= plan.offsets[a]
                #expect(isApart)
            }
        }
        // Better than no sharing at all.
        #expect(plan.byteCount < requests.reduce(0) { $0 + $1.byteCount + 64 })
    }
}
