import ApusCore
import ApusData
import Foundation
import Testing

/// The files in Data/ are written by NumPy; see make-arrays.py.
func dataFile(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Data/\(name)")
}

@Suite struct NPYTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static let types: [(String, ElementType)] = [
        ("f2", .float32), ("f4", .float32), ("f4-big", .float32), ("f8", .float64), ("f8-big", .float64),
        ("i1", .int32), ("i2-big", .int32), ("i4", .int32), ("i8", .int32), ("i8-big", .int32), ("u1", .uint8),
        ("u2", .int32), ("u4", .int32), ("u8-big", .int32), ("version2", .int32), ("version3", .int32),
    ]

    @Test(arguments: types) func everyTypeAndVersion(_ name: String, _ elementType: ElementType) throws {
        let array = try NDArray(contentsOfNPY: dataFile("\(name).npy"))
        #expect(array.shape == [2, 3])
        #expect(array.elementType == elementType)
        #expect(array.doubles == [0, 1, 2, 100, 50, 7])
    }

    @Test func specialNumbers() throws {
        #expect(try NDArray(contentsOfNPY: dataFile("bool.npy")).values() == [0, 0, 1, 1, 1, 1] as [UInt8])
        #expect(try NDArray(contentsOfNPY: dataFile("negative.npy")).values() == [-1, -128] as [Int32])
        let halves: [Float] = try NDArray(contentsOfNPY: dataFile("signs.npy")).values()
        // 6e-8 is nearest to 2^-24, the least half.
        #expect(halves.prefix(5) == [-1.5, 0, 65504, 0x1p-24, .infinity] && halves[1].sign == .minus)
        #expect(halves[5].isNaN)
        let scalar = try NDArray(contentsOfNPY: dataFile("scalar.npy"))
        #expect(scalar.shape == .scalar && scalar.doubles == [2.5])
        let empty = try NDArray(contentsOfNPY: dataFile("empty.npy"))
        #expect(empty.shape == [0, 3] && empty.elementCount == 0)
    }

    @Test func firstIndexFastest() throws {
        let array = try NDArray(contentsOfNPY: dataFile("fortran.npy"))
        #expect(array.shape == [2, 3, 4])
        #expect(array.floats == (0..<24).map { Float($0) })
        #expect(try NDArray(contentsOfNPY: dataFile("fortran-big.npy")).values() == [0, 1, 2, 3, 4, 5] as [Int32])
    }

    @Test(arguments: [
        ("objects", "an array of numbers, found Python objects, which are never loaded."),
        ("texts", "an array of numbers, found texts (type <U2)."),
        ("complex", "an array of numbers, found complex numbers (type <c16)."),
        ("records", "an array of numbers, found records of several fields."),
        ("large", "whole numbers within int32's range, found 5000000000."),
    ]) func whatIsNoArrayOfNumbers(_ name: String, _ expected: String) throws {
        let file = dataFile("\(name).npy")
        #expect(message { _ = try NDArray(contentsOfNPY: file) } == "\(file.path): expected \(expected)")
    }

    @Test(arguments: ["f4", "version2", "scalar"]) func truncatedAnywhere(_ name: String) throws {
        let whole = [UInt8](try Data(contentsOf: dataFile("\(name).npy")))
        for count in 1..<whole.count {
            let file = try folder.write(Array(whole.prefix(count)), to: "a.npy")
            #expect("\(count) of \(whole.count)") {
                try NDArray(contentsOfNPY: file)
            } throws: { error in
                guard case ApusError.file(file.path, .truncated(let expected, count)) = error else { return false }
                return expected > count && expected <= whole.count
            }
        }
        let longer = try folder.write(whole + [0], to: "a.npy")
        #expect(
            message { _ = try NDArray(contentsOfNPY: longer) }
                == "\(longer.path): is damaged: it goes on after the \(whole.count) bytes that its header promises. "
                + "Fetch or copy the file again.")
    }

    private func withHeader(_ text: String, version: UInt8 = 1) throws -> URL {
        let bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [version, 0, UInt8(text.utf8.count), 0]
        return try folder.write(bytes + Array(text.utf8) + [0, 0, 0, 0], to: "a.npy")
    }

    @Test func headersByHand() throws {
        // Double quotes, no comma at the end, another order, a long number of Python 2.
        let file = try withHeader(#"{"shape": (1L,), "fortran_order": False, "descr": "=i4"}"#)
        #expect(try NDArray(contentsOfNPY: file).values() == [0] as [Int32])
        for text in [
            "", "{", "{}", "[]", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)", "{'descr' '<f4'}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': Falsehood, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': 1, }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x",
            "{'descr': [1, 'fortran_order': False, 'shape': (1,), }",
        ] {
            let file = try withHeader(text)
            #expect(
                message { _ = try NDArray(contentsOfNPY: file) }
                    == "\(file.path): is damaged: its header cannot be understood. Fetch or copy the file again.",
                "\(text)")
        }
        let huge = try withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}")
        #expect(
            message { _ = try NDArray(contentsOfNPY: huge) }
                == "\(huge.path): is damaged: its header promises [4294967296, 4294967296] elements, more than can be. "
                + "Fetch or copy the file again.")
        // A promise of four terabytes takes no memory.
        let large = try withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}")
        #expect(message { _ = try NDArray(contentsOfNPY: large) }.contains("is cut short: expected 43980465111"))
        let version = try withHeader("{}", version: 4)
        #expect(
            message { _ = try NDArray(contentsOfNPY: version) }
                == "\(version.path): expected version 1, 2 or 3 of NumPy's format, found version 4.")
        let other = try folder.write(Array("PK".utf8) + [3, 4], to: "b.npy")
        #expect(
            message { _ = try NDArray(contentsOfNPY: other) }
                == "\(other.path): expected a NumPy array (.npy), found a ZIP archive.")
    }

    @Test func writtenAsNumPyWrites() throws {
        let file = folder.url.appendingPathComponent("a.npy")
        for name in ["f4", "f8", "i4", "u1", "scalar", "empty"] {
            try NDArray(contentsOfNPY: dataFile("\(name).npy")).saveNPY(to: file)
            #expect(try Data(contentsOf: file) == Data(contentsOf: dataFile("\(name).npy")), "\(name)")
        }
        #expect(
            message { try NDArray([1] as [Float]).saveNPY(to: folder.url.appendingPathComponent("none/a.npy")) }
                .contains("cannot be written: there is no folder "))
    }
}

@Suite struct NPZTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static let arrays: [String: NDArray] = {
        let images = NDArray(shape: [3, 2, 2]) { (values: UnsafeMutableBufferPointer<UInt8>) in
            for index in values.indices { values[index] = UInt8(index) }
        }
        return [
            "x_train": images, "y_train": NDArray([2, 0, 1] as [Int32]), "weights": NDArray([0.5, 1, 1.5] as [Float]),
        ]
    }()

    @Test(arguments: ["stored", "deflated"]) func filesOfNumPy(_ name: String) throws {
        #expect(try NPZFile(contentsOf: dataFile("\(name).npz")).arrays == Self.arrays)
    }

    @Test(arguments: [false, true]) func roundTrip(isCompressed: Bool) throws {
        let file = folder.url.appendingPathComponent("a.npz")
        let zeros = NDArray(zeros: [100, 100])
        let arrays = Self.arrays.merging(["zeros": zeros, "größe": NDArray(scalar: 2.5)]) { first, _ in first }
        try NPZFile(arrays).save(to: file, isCompressed: isCompressed)
        #expect(try NPZFile(contentsOf: file).arrays == arrays)
        let byteCount = try Data(contentsOf: file).count
        #expect(isCompressed ? byteCount < 3_000 : byteCount > 40_000)
        #expect(
            message { try NPZFile(arrays).save(to: folder.url.appendingPathComponent("none/a.npz")) }
                .contains("cannot be written: there is no folder "))
    }

    @Test func asDataset() throws {
        let file = dataFile("deflated.npz")
        let data = try Dataset(npzAt: file, inputs: ["x_train"], targets: ["y_train"], scale: 1 / 255)
        #expect(data.count == 3 && data.labels == [2, 0, 1])
        #expect(data.inputs[0].scale == Float(1) / 255 && data.inputs[0].sampleShape == [2, 2])
        #expect(
            message { _ = try Dataset(npzAt: file, inputs: ["x_trian"]) }
                == "Unknown array 'x_trian'. Did you mean 'x_train'? Known: weights, x_train, y_train.")
    }

    @Test(arguments: ["stored", "deflated"]) func truncatedAnywhere(_ name: String) throws {
        let whole = [UInt8](try Data(contentsOf: dataFile("\(name).npz")))
        for count in 0..<whole.count {
            let file = try folder.write(Array(whole.prefix(count)), to: "a.npz")
            let problem = message { _ = try NPZFile(contentsOf: file) }
            #expect(problem.hasPrefix("\(file.path): "), "\(count) of \(whole.count): \(problem)")
        }
        let file = try folder.write(whole.dropLast(30), to: "a.npz")
        #expect(
            message { _ = try NPZFile(contentsOf: file) }
                == "\(file.path): is damaged: the table of contents at its end is missing. Fetch or copy the file again."
        )
    }

    @Test func damagedAndForeign() throws {
        var bytes = [UInt8](try Data(contentsOf: dataFile("stored.npz")))
        // The first of the pixels 0, 1, 2, ...: zip's check value does not fit any more.
        let place = try #require(
            (0..<bytes.count - 12).first { Array(bytes[$0..<$0 + 12]) == (0..<12).map { UInt8($0) } })
        bytes[place + 5] = 77
        let file = try folder.write(bytes, to: "a.npz")
        #expect(
            message { _ = try NPZFile(contentsOf: file) }.hasPrefix("\(file.path): is damaged: it cannot be unpacked (")
        )
        let text = try folder.write(Array("hello".utf8), to: "b.npz")
        #expect(
            message { _ = try NPZFile(contentsOf: text) }
                == "\(text.path): expected a zip archive with files in it, found a text file (it begins with \"hello\")."
        )
        let none = folder.url.appendingPathComponent("c.npz")
        try NPZFile([:]).save(to: none)
        #expect(
            message { _ = try NPZFile(contentsOf: none) }
                == "\(none.path): expected a zip archive with files in it, found an empty ZIP archive.")
        // A file by another name than NumPy's.
        try NPZFile(["a": NDArray(scalar: 1.5)]).save(to: none, isCompressed: false)
        var other = [UInt8](try Data(contentsOf: none))
        for place in other.indices.dropLast(5) where other[place..<place + 5].elementsEqual("a.npy".utf8) {
            other.replaceSubrange(place..<place + 5, with: "a.txt".utf8)
        }
        try folder.write(other, to: "c.npz")
        #expect(
            message { _ = try NPZFile(contentsOf: none) }
                == "\(none.path): expected NumPy arrays (.npz), found a zip archive without any.")
    }
}
