import ApusCore
import Foundation

/// Named arrays in one file, as the safetensors format has it: 8 bytes for the header's length (little-endian), the
/// header as JSON (for each name `dtype`, `shape` and `data_offsets`), then all values, row-major and without gaps.
public enum Safetensors {
    /// The longest header that the format allows, in bytes.
    package static let longestHeader = 100_000_000

    /// Writes `tensors` in their order. The file appears only when it is complete.
    /// - Throws: `ApusError.setting` for a name that stands twice or is `__metadata__`; `ApusError.file` with
    ///   `.unwritable`.
    public static func write(_ tensors: [(name: String, value: NDArray)], to url: URL) throws {
        let start = try start(of: tensors)
        try AtomicFile.write(to: url) { file in
            try start.withUnsafeBytes { try file.append($0) }
            for (_, value) in tensors { try value.withUnsafeBytes { try file.append($0) } }
        }
    }

    /// All that stands before the values of `tensors`: the header's length, and the header.
    /// - Parameter metadata: texts by name, which the format has room for.
    /// - Throws: `ApusError.setting` for a name that stands twice or is `__metadata__`.
    package static func start(
        of tensors: [(name: String, value: NDArray)], metadata: [String: String] = [:]
    ) throws -> [UInt8] {
        var names: Set<String> = []
        for (name, _) in tensors where !names.insert(name).inserted || name == "__metadata__" {
            throw ApusError.setting(
                owner: "Safetensors", name: "name", value: "'\(name)'",
                expected: "another than all others and __metadata__")
        }
        var entries: [String] = []
        if !metadata.isEmpty {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            entries.append("\"__metadata__\":\(String(decoding: try encoder.encode(metadata), as: UTF8.self))")
        }
        var offset = 0
        for (name, value) in tensors {
            let end = offset + value.byteCount
            let key = String(decoding: try JSONEncoder().encode(name), as: UTF8.self)
            let shape = value.shape.sizes.map(String.init).joined(separator: ",")
            entries.append(
                "\(key):{\"dtype\":\"\(dataType(of: value.elementType))\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(entries.joined(separator: ","))}".utf8)
        // Spaces bring the values to a multiple of 8 bytes.
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }

    /// The arrays of the file at `url`, in the order of their values.
    /// - Throws: `ApusError.file`: `.missing`, `.unreadable`, `.otherKind`, `.foreign` for element types that Apus lacks, `.truncated`, and `.damaged` for all that breaks the format's rules.
    public static func read(_ url: URL) throws -> [(name: String, value: NDArray)] {
        try read(contents(of: url), path: url.path).tensors
    }

    /// The arrays that `data` holds, in the order of their values, and its metadata. `path` names it in errors.
    /// - Throws: as `read(_:)`.
    package static func read(
        _ data: Data, path: String
    ) throws -> (tensors: [(name: String, value: NDArray)], metadata: [String: String]) {
        try SafetensorsReader(path: path, data: data).contents()
    }

    static func dataType(of type: ElementType) -> String {
        switch type {
        case .float32: "F32"
        case .float64: "F64"
        case .int32: "I32"
        case .uint8: "U8"
        }
    }
}

private struct SafetensorsReader {
    let path: String
    let data: Data

    private struct Entry {
        let name: String
        let shape: Shape
        let elementType: ElementType
        let range: Range<Int>
    }

    private func damaged(_ reason: String) -> ApusError { .file(path: path, .damaged(reason: reason)) }

    func contents() throws -> (tensors: [(name: String, value: NDArray)], metadata: [String: String]) {
        guard data.count >= 8 else {
            throw ApusError.file(path: path, .truncated(expectedByteCount: 8, byteCount: data.count))
        }
        let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= Safetensors.longestHeader else {
            let found = FileKind.description(of: Array(data.prefix(64)))
            throw ApusError.file(path: path, .otherKind(expected: "a safetensors file", found: found))
        }
        let start = 8 + Int(length)
        guard data.count >= start else {
            throw ApusError.file(path: path, .truncated(expectedByteCount: start, byteCount: data.count))
        }
        let (found, metadata) = try entries(header: data[data.startIndex + 8..<data.startIndex + start])
        let entries = found.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        var end = 0
        for entry in entries {
            if entry.range.lowerBound != end {
                let what = entry.range.lowerBound < end ? "overlaps the tensor before it" : "leaves a gap before it"
                throw damaged("tensor '\(excerpt(entry.name))' \(what)")
            }
            end = entry.range.upperBound
        }
        guard data.count - start >= end else {
            throw ApusError.file(path: path, .truncated(expectedByteCount: start + end, byteCount: data.count))
        }
        guard data.count - start == end else {
            throw damaged("\(data.count - start - end) bytes behind the last tensor")
        }
        let tensors = entries.map { entry in
            var value = NDArray(zeros: entry.shape, entry.elementType)
            let first = data.startIndex + start + entry.range.lowerBound
            value.withUnsafeMutableBytes { target in
                _ = data.copyBytes(to: target, from: first..<first + entry.range.count)
            }
            return (name: entry.name, value: value)
        }
        return (tensors, metadata)
    }

    private func entries(header: Data) throws -> ([Entry], metadata: [String: String]) {
        guard header.first == UInt8(ascii: "{") else { throw damaged("the header does not start with '{'") }
        let members: [JSONValue.Member]
        do {
            guard case .object(let found) = try JSONValue(parsing: header, depth: 8) else {
                throw damaged("the header is no object")
            }
            members = found
        } catch let fault as JSONFault {
            throw damaged("the header is not JSON: \(fault)")
        }
        var metadata: [String: String] = [:]
        let entries: [Entry] = try members.compactMap { member in
            if member.key == "__metadata__" {
                metadata = try texts(in: member.value)
                return nil
            }
            return try entry(member.key, member.value)
        }
        return (entries, metadata)
    }

    private func texts(in value: JSONValue) throws -> [String: String] {
        guard case .object(let members) = value else { throw damaged("__metadata__ is not a list of texts") }
        return try members.reduce(into: [:]) { texts, member in
            guard case .string(let text) = member.value else { throw damaged("__metadata__ is not a list of texts") }
            texts[member.key] = text
        }
    }

    private func entry(_ name: String, _ value: JSONValue) throws -> Entry {
        let shown = excerpt(name)
        guard case .object(let members) = value, Set(members.map(\.key)) == ["dtype", "shape", "data_offsets"],
            case .string(let type) = value["dtype"], case .array(let sizes) = value["shape"],
            case .array(let offsets) = value["data_offsets"]
        else { throw damaged("tensor '\(shown)' needs dtype, shape and data_offsets, and nothing else") }
        guard let elementType = ElementType.allCases.first(where: { Safetensors.dataType(of: $0) == type }) else {
            let known = ElementType.allCases.map(Safetensors.dataType(of:)).joined(separator: ", ")
            throw ApusError.file(
                path: path, .foreign(expected: "tensors of type \(known)", found: "\(excerpt(type)) in '\(shown)'"))
        }
        let shape = sizes.compactMap(\.integer).filter { $0 >= 0 }
        guard shape.count == sizes.count else { throw damaged("tensor '\(shown)' has a size that is no count") }
        let bounds = offsets.compactMap(\.integer)
        guard bounds.count == 2, offsets.count == 2, bounds[0] >= 0, bounds[0] <= bounds[1] else {
            throw damaged("tensor '\(shown)' has data_offsets that are no range")
        }
        guard let byteCount = Shape.product(of: shape + [elementType.byteCount]), byteCount == bounds[1] - bounds[0]
        else {
            throw damaged("tensor '\(shown)' of type \(type)\(shape) takes \(bounds[1] - bounds[0]) bytes")
        }
        return Entry(name: name, shape: Shape(shape), elementType: elementType, range: bounds[0]..<bounds[1])
    }
}
