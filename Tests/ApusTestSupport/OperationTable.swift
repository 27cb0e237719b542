import ApusGraph

/// Every operation with inputs to check it by: gradients against central differences, executors against the reference.
package enum OperationTable {
    package static let rows =
        sourceRows + elementwiseRows + reductionRows + productRows + normalizationRows + windowRows + movementRows
        + indexingRows + sequenceRows

    /// The rows of one kind.
    package static func rows(for kind: OperationKind) -> [OperationRow] {
        rows.filter { $0.kind == kind }
    }
}
