import ApusCore
import Foundation

extension Dataset {
    /// A data set of the numbers in a CSV file (RFC 4180).
    ///
    ///     let houses = try Dataset(csvAt: url, inputs: ["rooms", "age"], targets: ["price"])
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - inputs: The columns that make the input, float32 `[n, columns]`, in this order. Default: all that are no
    ///     targets.
    ///   - targets: The columns that make the target, float32 `[n, columns]`. Default none.
    ///   - separator: What stands between fields: an ASCII character. Default a comma.
    ///   - hasHeader: Whether the first row gives the columns' names. Default `true`.
    /// - Throws: `ApusError.file`, with line and column where a field is missing or no finite number;
    ///   `ApusError.unknownName` and `ApusError.setting` for a column that the file does not have.
    public init(
        csvAt url: URL, inputs: [CSVColumn]? = nil, targets: [CSVColumn] = [], separator: Character = ",",
        hasHeader: Bool = true
    ) throws {
        try self.init(
            csv: [UInt8](contents(of: url)), path: url.path, inputs: inputs, targets: targets, separator: separator,
            hasHeader: hasHeader)
    }

    /// As `init(csvAt:inputs:targets:separator:hasHeader:)`, of a file's bytes.
    package init(
        csv bytes: [UInt8], path: String, inputs: [CSVColumn]? = nil, targets: [CSVColumn] = [],
        separator: Character = ",", hasHeader: Bool = true
    ) throws {
        let table = try CSVTable(bytes, path: path, separator: separator, hasHeader: hasHeader)
        let targets = try targets.map { try table.place(of: $0) }
        var numbers: [Float] = []
        try self.init(table, of: bytes, inputs: inputs, others: targets) { table in
            for place in targets { numbers.append(try table.number(at: place)) }
        } targets: { count in
            targets.isEmpty ? nil : try NDArray(numbers, shape: [count, targets.count])
        }
    }

    /// A data set of the numbers in a CSV file (RFC 4180) with a class for each row.
    ///
    ///     let flowers = try Dataset(csvAt: url, labels: "kind", classNames: ["setosa", "versicolor", "virginica"])
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - inputs: The columns that make the input, float32 `[n, columns]`, in this order. Default: all but `labels`.
    ///   - labels: The column that makes the target, int32 `[n]`.
    ///   - classNames: What the column holds for each class, from 0. Default: the classes' numbers.
    ///   - separator: What stands between fields: an ASCII character. Default a comma.
    ///   - hasHeader: Whether the first row gives the columns' names. Default `true`.
    /// - Throws: `ApusError.file`, with line and column where a field is missing, no finite number or no class;
    ///   `ApusError.unknownName` and `ApusError.setting` for a column that the file does not have.
    public init(
        csvAt url: URL, inputs: [CSVColumn]? = nil, labels: CSVColumn, classNames: [String]? = nil,
        separator: Character = ",", hasHeader: Bool = true
    ) throws {
        try self.init(
            csv: [UInt8](contents(of: url)), path: url.path, inputs: inputs, labels: labels, classNames: classNames,
            separator: separator, hasHeader: hasHeader)
    }

    /// As `init(csvAt:inputs:labels:classNames:separator:hasHeader:)`, of a file's bytes.
    package init(
        csv bytes: [UInt8], path: String, inputs: [CSVColumn]? = nil, labels: CSVColumn, classNames: [String]? = nil,
        separator: Character = ",", hasHeader: Bool = true
    ) throws {
        let table = try CSVTable(bytes, path: path, separator: separator, hasHeader: hasHeader)
        let place = try table.place(of: labels)
        let known = classNames.map { names in
            Dictionary(names.enumerated().map { ($1, Int32($0)) }) { first, _ in first }
        }
        var classes: [Int32] = []
        try self.init(table, of: bytes, inputs: inputs, others: [place]) { table in
            let text = table.text(at: place)
            if let known {
                guard let label = known[text] else {
                    throw table.problem(place, expected: "one of \((classNames ?? []).joined(separator: ", "))")
                }
                classes.append(label)
            } else {
                guard let label = Int32(text.filter { !$0.isWhitespace }), label >= 0 else {
                    throw table.problem(place, expected: "a class's number (or give classNames)")
                }
                classes.append(label)
            }
        } targets: { _ in
            NDArray(classes)
        }
    }

    /// - Parameters:
    ///   - others: places of columns that are no inputs by default.
    ///   - read: called at each row.
    ///   - targets: the target, when all rows are read.
    private init(
        _ start: CSVTable, of bytes: [UInt8], inputs: [CSVColumn]?, others: [Int], read: (CSVTable) throws -> Void,
        targets: (_ count: Int) throws -> NDArray?
    ) throws {
        var table = start
        let (path, name) = (table.path, URL(fileURLWithPath: table.path).lastPathComponent)
        let places =
            try inputs.map { try $0.map { try start.place(of: $0) } }
            ?? (0..<table.columnCount).filter { !others.contains($0) }
        var numbers: [Float] = []
        var count = 0
        while try table.next() {
            for place in places { numbers.append(try table.number(at: place)) }
            try read(table)
            count += 1
        }
        guard count > 0 else {
            throw ApusError.file(path: path, .foreign(expected: "rows of numbers", found: "a header alone"))
        }
        try self.init(
            inputs: places.isEmpty
                ? [] : [Column(NDArray(numbers, shape: [count, places.count]), name: path)],
            targets: targets(count).map { [try Column($0, name: path)] } ?? [], name: name, source: path,
            checksums: [name: SHA256.hexadecimal(of: bytes)])
    }
}
