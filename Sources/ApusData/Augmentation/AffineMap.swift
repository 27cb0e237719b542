import ApusCore

/// Where the pixels of a changed image are read in the image it is made from, both counted from the centre:
/// `row' = rowFromRow row + rowFromColumn column + rowOffset`, and the column likewise.
struct AffineMap: Equatable {
    var rowFromRow = 1.0
    var rowFromColumn = 0.0
    var rowOffset = 0.0
    var columnFromRow = 0.0
    var columnFromColumn = 1.0
    var columnOffset = 0.0

    static let identity = AffineMap()

    /// Whether rows stay rows.
    var isAxisAligned: Bool { rowFromColumn == 0 && columnFromRow == 0 }

    /// The change of this map followed by that of `later`: its pixels are read where `later` says in an image whose
    /// pixels are read where this one says.
    func followed(by later: AffineMap) -> AffineMap {
        AffineMap(
            rowFromRow: rowFromRow * later.rowFromRow + rowFromColumn * later.columnFromRow,
            rowFromColumn: rowFromRow * later.rowFromColumn + rowFromColumn * later.columnFromColumn,
            rowOffset: rowFromRow * later.rowOffset + rowFromColumn * later.columnOffset + rowOffset,
            columnFromRow: columnFromRow * later.rowFromRow + columnFromColumn * later.columnFromRow,
            columnFromColumn: columnFromRow * later.rowFromColumn + columnFromColumn * later.columnFromColumn,
            columnOffset: columnFromRow * later.rowOffset + columnFromColumn * later.columnOffset + columnOffset)
    }

    /// The image turned counter-clockwise; quarter turns are exact.
    static func rotation(degrees: Double) -> AffineMap {
        let quarters = (degrees / 90).rounded()
        let rest = (degrees - 90 * quarters) * .pi / 180
        var (sine, cosine) = (Double.sin(rest), Double.cos(rest))
        for _ in 0..<((Int(quarters) % 4) + 4) % 4 { (sine, cosine) = (cosine, -sine) }
        // Rows count downwards.
        return AffineMap(
            rowFromRow: cosine, rowFromColumn: sine, columnFromRow: -sine, columnFromColumn: cosine)
    }
}
