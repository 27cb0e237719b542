import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Operation table")
struct OperationTableTests {
    @Test("every operation has a row", arguments: OperationKind.all)
    func everyKindHasRow(_ kind: OperationKind) {
        #expect(!OperationTable.rows(for: kind).isEmpty)
    }

    /// 40 operations, of which four have 3 distributions, 20, 10 and 3 functions, and two have 3 cells:
    /// 34 + 3 + 20 + 10 + 3 + 2 * 3.
    @Test func kindsAreCounted() {
        #expect(OperationKind.all.count == 76)
        #expect(Set(OperationKind.all).count == 76)
    }

    @Test func namesAreUnique() {
        #expect(Set(OperationTable.rows.map(\.description)).count == OperationTable.rows.count)
    }

    @Test("a row has at least five cases, one with an open batch size", arguments: OperationTable.rows)
    func rowsHaveEnoughCases(_ row: OperationRow) {
        #expect(row.cases.count >= 5)
        #expect(row.cases.contains { $0.contains { $0.type.shape.isSymbolic } })
        #expect(row.cases.allSatisfy { $0.count == row.isDifferentiable.count })
    }

    @Test("a row uses the operation that it stands for", arguments: OperationTable.rows)
    func rowsUseTheirOperation(_ row: OperationRow) throws {
        for inputs in row.cases {
            let order = topologicalOrder(of: [try row.make(inputs.map(\.tensor)).checked()])
            let kinds = Set(order.map { OperationKind($0.operation) })
            // Reshaping to the same shape, as of a vector, is left out; no other operation may be.
            let isIdentity = row.kind == OperationKind(.reshape) && order.last?.inputs.isEmpty == true
            #expect(kinds.contains(row.kind) || isIdentity, "\(inputs)")
        }
    }

    @Test("gradients agree with central differences", arguments: OperationTable.rows)
    func gradients(_ row: OperationRow) {
        #expect(gradientFaults(of: row) == [])
    }

    @Test("second derivatives agree too", arguments: OperationTable.rows.filter { $0.isDifferentiable.contains(true) })
    func secondDerivatives(_ row: OperationRow) {
        #expect(gradientFaults(of: row.secondOrder, seed: 2) == [])
    }

    @Test("the reference in Float agrees with the one in Double", arguments: OperationTable.rows)
    func reference(_ row: OperationRow) {
        #expect(checkExecutor([row], run: referenceRun(Float.self)) == [])
    }

    @Test("the reference in Float has the limits of the one in Double", arguments: OperationTable.limitRows)
    func limits(_ row: OperationRow) {
        #expect(checkExecutor([row], checksGradients: false, run: referenceRun(Float.self)) == [])
    }
}
