import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite struct IndexingTests {
    private let table = Tensor.placeholder([3, 2], name: "table")
    private let indices = Tensor.placeholder([2, 2], .int32, name: "indices")

    /// Rows 1 2, 3 4, 5 6.
    @Test func rowsByTheirNumbers() throws {
        let rows = gather(table, at: indices)
        #expect(rows.shape == [2, 2, 2] && rows.elementType == .float32)
        let numbers: [Double] = [1, 2, 3, 4, 5, 6]
        #expect(try evaluate(rows, given: [(table, numbers), (indices, [2, 0, 0, 1])]) == [5, 6, 1, 2, 1, 2, 3, 4])
        // The reference marks what is not there; devices report it.
        let outside = try evaluate(rows, given: [(table, numbers), (indices, [3, 0, -1, 1])])
        #expect(outside[0].isNaN && outside[4].isNaN && outside[2...3] == [1, 2])
    }

    /// Rows 1 2, 3 4 and 5 6 go to the rows 1, 0 and 1 of three.
    @Test func rowsOfOneNumberAddUp() throws {
        let (rows, places) = (Tensor.placeholder([3, 2]), Tensor.placeholder([3], .int32))
        let sum = Tensor(.scatterAdd(ScatterAdd(length: 3)), [rows, places])
        #expect(try evaluate(sum, given: [(rows, [1, 2, 3, 4, 5, 6]), (places, [1, 0, 1])]) == [3, 4, 6, 8, 0, 0])
    }

    @Test func faults() {
        #expect(
            gather(table, at: .placeholder([2])).failureText
                == "gather: expected int32 indices, received float32[2]. Cure: use cast(to: .int32).")
        #expect(
            gather(.placeholder([3]), at: indices).failureText
                == "gather: expected a table [length, width], received [3]. "
                + "Cure: reshape it to a row for each number.")
        #expect(
            gather(.input([3]), at: indices).failureText
                == "gather: expected a table [length, width], received [batch, 3]. "
                + "Cure: reshape it to a row for each number.")
        #expect(
            Tensor(.scatterAdd(ScatterAdd(length: 3)), [table, indices]).failureText
                == "scatterAdd: expected a row for each of the indices [2, 2], received [3, 2]. "
                + "Cure: give the rows the indices' axes, and one more for their width.")
        #expect(
            Tensor(.scatterAdd(ScatterAdd(length: -1)), [.placeholder([2, 2, 4]), indices]).failureText
                == "scatterAdd: expected a length from 0, received -1. Cure: give the table's rows.")
    }
}
