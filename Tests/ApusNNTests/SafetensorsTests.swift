import ApusCore
import ApusGraph
import ApusNN
import Foundation
import Testing

/// A folder of its own, gone when `body` is done.
func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url)
}

@Suite struct SafetensorsTests {
    private func file(_ header: String, values: Int = 0, length: UInt64? = nil) -> Data {
        var data = Data()
        withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { data.append(contentsOf: $0) }
        data.append(contentsOf: header.utf8)
        data.append(Data(repeating: 0, count: values))
        return data
    }

    /// What reading the bytes throws, without the file's path.
    private func fault(_ data: Data) throws -> String {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("file")
            try data.write(to: url)
            return message { _ = try Safetensors.read(url) }.replacingOccurrences(of: url.path, with: "FILE")
        }
    }

    @Test func roundTrip() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("all.safetensors")
            let tensors: [(name: String, value: NDArray)] = [
                ("b/kernel", try NDArray([1, -2.5, .infinity, 0, 1e-20, 7] as [Float], shape: [2, 3])),
                ("a \"quoted\" ü", NDArray([1, 2, 3] as [UInt8])), ("double", NDArray(scalar: Double.pi)),
                ("int", NDArray([Int32.min, 5] as [Int32])), ("empty", NDArray(zeros: [0, 4])),
            ]
            try Safetensors.write(tensors, to: url)
            let found = try Safetensors.read(url)
            #expect(Set(found.map(\.name)) == Set(tensors.map(\.name)) && found.count == 5)
            for (name, value) in tensors { #expect(found.first { $0.name == name }?.value == value) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["all.safetensors"])
            try Safetensors.write([], to: url)
            #expect(try Safetensors.read(url).isEmpty)
        }
    }

    /// By the format's description: the header's length, the header with spaces up to a multiple of 8, 1.0 and 2.0.
    @Test func bytes() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("one")
            try Safetensors.write([("x", NDArray([1, 2] as [Float]))], to: url)
            let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
            #expect(header.utf8.count == 54)
            let expected = [56, 0, 0, 0, 0, 0, 0, 0] + Array((header + "  ").utf8) + [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]
            #expect(try Array(Data(contentsOf: url)) == expected)
        }
    }

    @Test func metadataAndOrder() throws {
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("file")
            try file(
                """
                {"second":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"__metadata__":{"format":"pt"},
                 "first":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}
                """, values: 5
            ).write(to: url)
            #expect(try Safetensors.read(url).map(\.name) == ["first", "second"])
        }
    }

    private static func header(_ entries: String...) -> String { "{\(entries.joined(separator: ","))}" }
    private static func entry(
        _ name: String, _ range: String, type: String = "U8", shape: String = "[4]"
    ) -> String { "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(range)}" }

    /// Header, bytes of values, and what reading says.
    private static let broken: [(header: String, values: Int, message: String)] = [
        ("[]", 0, "FILE: is damaged: the header does not start with '{'."),
        ("{\"a\":", 0, "FILE: is damaged: the header is not JSON: unexpected end at byte 5."),
        (
            header(entry("a", "[0,4]"), entry("a", "[4,8]")), 8,
            "FILE: is damaged: the header is not JSON: key 'a' a second time at byte 56."
        ),
        (
            header(entry("a", "[0,4]"), entry("b", "[2,6]")), 6,
            "FILE: is damaged: tensor 'b' overlaps the tensor before it."
        ),
        (header(entry("a", "[0,4]"), entry("b", "[5,9]")), 9, "FILE: is damaged: tensor 'b' leaves a gap before it."),
        (header(entry("a", "[1,5]")), 5, "FILE: is damaged: tensor 'a' leaves a gap before it."),
        (header(entry("a", "[0,4]")), 6, "FILE: is damaged: 2 bytes behind the last tensor."),
        (header(entry("a", "[0,3]")), 3, "FILE: is damaged: tensor 'a' of type U8[4] takes 3 bytes."),
        (header(entry("a", "[4,0]")), 4, "FILE: is damaged: tensor 'a' has data_offsets that are no range."),
        (header(entry("a", "[0,4,8]")), 4, "FILE: is damaged: tensor 'a' has data_offsets that are no range."),
        (header(entry("a", "[-4,0]")), 4, "FILE: is damaged: tensor 'a' has data_offsets that are no range."),
        (header(entry("a", "[0,4]", shape: "[-4]")), 4, "FILE: is damaged: tensor 'a' has a size that is no count."),
        (header(entry("a", "[0,4]", shape: "[4.0]")), 4, "FILE: is damaged: tensor 'a' has a size that is no count."),
        (
            header(entry("a", "[0,0]", type: "F32", shape: "[4611686018427387904,4]")), 0,
            "FILE: is damaged: tensor 'a' of type F32[4611686018427387904, 4] takes 0 bytes."
        ),
        (
            header(entry("a", "[0,0]", type: "F32", shape: "[4611686018427387904,4611686018427387904,0]")), 0,
            "FILE: is damaged: tensor 'a' of type F32[4611686018427387904, 4611686018427387904, 0] takes 0 bytes."
        ),
        (
            header("\"a\":{\"dtype\":\"U8\",\"shape\":[0]}"), 0,
            "FILE: is damaged: tensor 'a' needs dtype, shape and data_offsets, and nothing else."
        ),
        (header("\"__metadata__\":{\"a\":1}"), 0, "FILE: is damaged: __metadata__ is not a list of texts."),
    ]

    @Test(arguments: broken.indices) func brokenRules(_ row: Int) throws {
        let (header, values, message) = Self.broken[row]
        #expect(try fault(file(header, values: values)) == message + " Fetch or copy the file again.")
    }

    @Test func otherFaults() throws {
        #expect(
            try fault(Data([1, 2, 3])) == "FILE: is cut short: expected 8 bytes, found 3. Fetch or copy the file again."
        )
        #expect(
            try fault(file("{}", length: 10))
                == "FILE: is cut short: expected 18 bytes, found 10. Fetch or copy the file again.")
        #expect(
            try fault(file(Self.header(Self.entry("a", "[0,4]")), values: 1))
                == "FILE: is cut short: expected 65 bytes, found 62. Fetch or copy the file again.")
        #expect(
            try fault(file("{}", length: 100_000_001))
                == "FILE: is a file that begins with the bytes 01 e1 f5 05, not a safetensors file.")
        // Other kinds of file are told by their first bytes.
        #expect(
            try fault(Data("hello, world\n".utf8))
                == "FILE: is a text file (it begins with \"hello, world\"), not a safetensors file.")
        #expect(
            try fault(Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13]))
                == "FILE: is a PNG image, not a safetensors file.")
        #expect(
            try fault(file(Self.header(Self.entry("a", "[0,8]", type: "BF16")), values: 8))
                == "FILE: expected tensors of type F32, F64, I32, U8, found BF16 in 'a'.")
        #expect(
            message { _ = try Safetensors.read(URL(fileURLWithPath: "/no/such/file")) }
                == "/no/such/file: there is no such file or folder. Check the path.")
        #expect(
            message { _ = try Safetensors.read(URL(fileURLWithPath: "/")) } == "/: cannot be read: Is a directory.")
    }

    @Test func whatCannotBeWritten() throws {
        let value = NDArray([1] as [Float])
        #expect(
            message { try Safetensors.write([("a", value)], to: URL(fileURLWithPath: "/no/such/folder/a")) }
                == "/no/such/folder/a: cannot be written: there is no folder /no/such/folder. Create it first.")
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("file")
            try Safetensors.write([("a", value)], to: url)
            #expect(
                message { try Safetensors.write([("b", value), ("b", value)], to: url) }
                    == "Safetensors: name is 'b'; it must be another than all others and __metadata__.")
            // What was there is unharmed.
            #expect(try Safetensors.read(url).map(\.name) == ["a"])
        }
    }

    /// Texts that RFC 8259 does not allow.
    @Test(arguments: [
        "", "{", "{\"a\" 1}", "{a:1}", "[1,]", "[01]", "[1.]", "[.5]", "[1e]", "[--1]", "[\"\u{1}\"]", "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\ud800\"]", "[\"\\udc00\"]", "nul", "[1] 2", "[\"a]", String(repeating: "[", count: 100),
    ])
    func textsThatAreNoJSON(_ text: String) {
        #expect(throws: JSONFault.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test func json() throws {
        let text = " {\"a\": [1, -2.5e+3, true, false, null, \"\\u00fc\\ud83d\\ude00\\n\"], \"b\": {}} "
        let value = try JSONValue(parsing: text.utf8)
        let items: [JSONValue] = [
            .number("1"), .number("-2.5e+3"), .boolean(true), .boolean(false), .null, .string("ü😀\n"),
        ]
        #expect(value["a"] == .array(items))
        #expect(value["b"] == .object([]))
        #expect(throws: JSONFault.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }
}
