import ApusCore

/// The first bytes of an NPY file, checked: what the elements are and how they stand.
///
/// The format: a magic word, the version (1 to 3), the length of a Python dictionary (16 bits, from version 2 on 32)
/// with the entries `descr`, `fortran_order` and `shape`, the elements.
///
/// Source: NumPy Enhancement Proposal 1.
struct NPYHeader {
    enum Element: String {
        case float16 = "f2", float32 = "f4", float64 = "f8"
        case int8 = "i1", int16 = "i2", int32 = "i4", int64 = "i8"
        case uint8 = "u1", uint16 = "u2", uint32 = "u4", uint64 = "u8", bool = "b1"

        var byteCount: Int {
            switch self {
            case .int8, .uint8, .bool: 1
            case .float16, .int16, .uint16: 2
            case .float32, .int32, .uint32: 4
            case .float64, .int64, .uint64: 8
            }
        }
    }

    let element: Element
    let isBigEndian: Bool
    /// Whether the first index changes fastest.
    let isColumnMajor: Bool
    let shape: Shape
    /// Where the elements begin.
    let byteCount: Int

    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// The most axes that NumPy gives an array.
    private static let largestRank = 64

    /// - Parameter path: where the bytes come from, for errors.
    /// - Throws: `ApusError.file`: `.foreign`, `.truncated` or `.damaged`.
    init(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        guard !bytes.isEmpty, bytes.prefix(6).elementsEqual(Self.magic.prefix(bytes.count)) else {
            throw ApusError.file(
                path: path,
                .foreign(
                    expected: "a NumPy array (.npy)", found: FileKind.description(of: Array(bytes.prefix(64)))))
        }
        func need(_ count: Int) throws {
            guard bytes.count >= count else {
                throw ApusError.file(path: path, .truncated(expectedByteCount: count, byteCount: bytes.count))
            }
        }
        try need(10)
        let version = Int(bytes[6])
        guard (1...3).contains(version) else {
            throw ApusError.file(
                path: path, .foreign(expected: "version 1, 2 or 3 of NumPy's format", found: "version \(version)"))
        }
        let start = version == 1 ? 10 : 12
        try need(start)
        let length = bytes[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
        byteCount = start + length
        try need(byteCount)
        var fields = PythonFields(bytes[start..<byteCount])
        guard let entries = fields.dictionary(), let description = entries["descr"],
            case .flag(let isColumnMajor) = entries["fortran_order"], case .sizes(let sizes) = entries["shape"],
            entries.count == 3, sizes.count <= Self.largestRank
        else { throw ApusError.file(path: path, .damaged(reason: "its header cannot be understood")) }
        guard case .text(let type) = description, let order = type.first, "<>=|".contains(order),
            let element = Element(rawValue: String(type.dropFirst()))
        else {
            throw ApusError.file(
                path: path, .foreign(expected: "an array of numbers", found: Self.kind(description)))
        }
        guard Shape.isPossible(sizes) else {
            throw ApusError.file(
                path: path, .damaged(reason: "its header promises \(Shape(sizes)) elements, more than can be"))
        }
        self.element = element
        self.isColumnMajor = isColumnMajor
        isBigEndian = order == ">"
        shape = Shape(sizes)
    }

    /// Words for a type that is none of numbers.
    private static func kind(_ description: PythonFields.Value) -> String {
        guard case .text(let type) = description else { return "records of several fields" }
        switch type.dropFirst().first {
        case "O": return "Python objects, which are never loaded"
        case "S", "U": return "texts (type \(excerpt(type)))"
        case "c": return "complex numbers (type \(excerpt(type)))"
        default: return "type \(excerpt(type))"
        }
    }
}

/// Reads a Python dictionary whose values are texts, truth values and tuples of whole numbers; of anything else it
/// says only that it is there.
struct PythonFields {
    enum Value: Equatable {
        case text(String)
        case flag(Bool)
        case sizes([Int])
        case other
    }

    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ bytes: Slice<UnsafeRawBufferPointer>) { rest = bytes }

    /// The entries, or `nil` for what is no dictionary.
    mutating func dictionary() -> [String: Value]? {
        guard take("{") else { return nil }
        var entries: [String: Value] = [:]
        while !take("}") {
            guard let key = text(), take(":"), let value = value() else { return nil }
            guard entries.updateValue(value, forKey: key) == nil else { return nil }
            guard take(",") || peek() == UInt8(ascii: "}") else { return nil }
        }
        return peek() == nil ? entries : nil
    }

    private mutating func value() -> Value? {
        switch peek() {
        case UInt8(ascii: "'"), UInt8(ascii: "\""): return text().map { .text($0) }
        case UInt8(ascii: "("): return sizes().map { .sizes($0) }
        case UInt8(ascii: "["): return skipList() ? .other : nil
        default:
            let word = rest.prefix { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) }
            rest = rest.dropFirst(word.count)
            if word.elementsEqual("True".utf8) { return .flag(true) }
            return word.elementsEqual("False".utf8) ? .flag(false) : nil
        }
    }

    private mutating func text() -> String? {
        guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
        rest = rest.dropFirst()
        guard let end = rest.firstIndex(of: quote) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    private mutating func sizes() -> [Int]? {
        guard take("(") else { return nil }
        var sizes: [Int] = []
        while !take(")") {
            _ = peek()
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard let size = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
            rest = rest.dropFirst(digits.count)
            // Python 2 wrote long numbers so.
            _ = take("L")
            sizes.append(size)
            guard take(",") || peek() == UInt8(ascii: ")") else { return nil }
        }
        return sizes
    }

    /// Passes over a list of anything.
    private mutating func skipList() -> Bool {
        var depth = 0
        while let byte = peek() {
            if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                guard text() != nil else { return false }
                continue
            }
            rest = rest.dropFirst()
            if byte == UInt8(ascii: "[") { depth += 1 }
            if byte == UInt8(ascii: "]") { depth -= 1 }
            if depth == 0 { return true }
        }
        return false
    }

    /// The next byte that is no white space.
    private mutating func peek() -> UInt8? {
        rest = rest.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        return rest.first
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }
}
