import ApusPlan
import Testing

@Suite struct OrderingTests {
    // 2 needs 0 and 1; by rank 1 goes before 0.
    @Test func lowestRankFirst() {
        #expect(Ordering(prerequisites: [[], [], [0, 1]], ranks: [5, 3, 0]).sorted() == [1, 0, 2])
    }

    @Test func requirementsAreKept() {
        var ordering = Ordering(prerequisites: [[], [], []], ranks: [0, 1, 2])
        let isKept = ordering.require(2, before: 0)
        #expect(isKept)
        #expect(ordering.sorted() == [1, 2, 0])
    }

    @Test func circlesAreRefused() {
        var ordering = Ordering(prerequisites: [[], [0], [1]], ranks: [0, 1, 2])
        let isKept = (ordering.require(2, before: 0), ordering.require(1, before: 1))
        #expect(isKept == (false, false))
        #expect(ordering.sorted() == [0, 1, 2])
    }
}
