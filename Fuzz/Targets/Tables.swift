import ApusCore
import ApusData

extension FuzzTarget {
    /// Records of CIFAR-10's binary version.
    package static let cifar = FuzzTarget("cifar", longestInput: 8_192) { bytes in
        let file = try CIFARFile(bytes, path: "FILE")
        use(file.images)
        use(file.labels)
    }

    /// A tar archive, plain or packed by gzip, with such records in it.
    package static let cifarArchive = FuzzTarget("cifar-archive", longestInput: 8_192) { bytes in
        try bytes.withUnsafeBytes { memory in
            let reader = try ArchiveReader(memory: memory, name: "FILE", as: .tar)
            while let entry = try reader.next() {
                let contents = try reader.contents(of: entry, byteLimit: 1 << 16)
                if !contents.isEmpty { use(try CIFARFile(contents, path: "FILE").images) }
            }
        }
    }

    /// CSV in the ways that the first byte chooses: numbers or labels, with a header or none, one separator or another.
    package static let csv = FuzzTarget("csv", longestInput: 1_024) { bytes in
        let way = Int(bytes.first ?? 0)
        let (text, separator) = (Array(bytes.dropFirst()), way & 1 == 0 ? Character(",") : Character(";"))
        let hasHeader = way & 2 == 0
        let data =
            switch way >> 2 & 3 {
            case 0: try Dataset(csv: text, path: "FILE", separator: separator, hasHeader: hasHeader)
            case 1: try Dataset(csv: text, path: "FILE", targets: [0], separator: separator, hasHeader: hasHeader)
            case 2: try Dataset(csv: text, path: "FILE", labels: 1, separator: separator, hasHeader: hasHeader)
            default:
                try Dataset(
                    csv: text, path: "FILE", inputs: ["x"], labels: "kind", classNames: ["a", "b"],
                    separator: separator, hasHeader: hasHeader)
            }
        for column in data.inputs + data.targets { use(column.values) }
    }
}
