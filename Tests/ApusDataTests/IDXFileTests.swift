import ApusCore
import ApusData
import Foundation
import Testing

@Suite struct IDXFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func read(_ bytes: [UInt8], as name: String = "file") throws -> IDXFile {
        try IDXFile(contentsOf: folder.write(bytes, to: name))
    }

    /// What reading `bytes` reports.
    private func problem(_ bytes: [UInt8]) -> FileProblem? {
        do {
            _ = try read(bytes)
            return nil
        } catch ApusError.file(let path, let problem) {
            return path == folder.url.appendingPathComponent("file").path ? problem : nil
        } catch { return nil }
    }

    @Test func bytesPlainAndPacked() throws {
        let bytes = idx([2, 3], [1, 2, 3, 4, 5, 255])
        for form in [bytes, gzip(bytes)] {
            let file = try read(form)
            #expect(file.values == (try NDArray([1, 2, 3, 4, 5, 255] as [UInt8], shape: [2, 3])))
            #expect(file.checksum == (try SHA256.hexadecimal(of: bytes)))
        }
    }

    @Test func realCompression() throws {
        // Python: gzip.compress(bytes([0, 0, 8, 1, 0, 0, 1, 0]) + bytes([7]) * 256, mtime=0)
        let packed: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x63, 0x60, 0xE0, 0x60, 0x64, 0x60,
            0x60, 0x64, 0x60, 0x1F, 0xE1, 0x00, 0x00, 0x30, 0xB1, 0x50, 0x60, 0x08, 0x01, 0x00, 0x00,
        ]
        #expect(try read(packed).values == NDArray([UInt8](repeating: 7, count: 256)))
    }

    @Test func everyElementType() throws {
        #expect(try read(idx([2], [0xFF, 0x7F], type: 0x09)).values == NDArray([-1, 127] as [Int32]))
        #expect(try read(idx([2], [0xFF, 0xFE, 0x01, 0x00], type: 0x0B)).values == NDArray([-2, 256] as [Int32]))
        #expect(
            try read(idx([2], [0x80, 0, 0, 0, 0, 0, 1, 2], type: 0x0C)).values == NDArray([Int32.min, 258] as [Int32]))
        // 1.5 is 3FC00000, and 3FF8000000000000 as a double (IEEE 754).
        #expect(try read(idx([1], [0x3F, 0xC0, 0, 0], type: 0x0D)).values == NDArray([1.5] as [Float]))
        #expect(try read(idx([1], [0x3F, 0xF8, 0, 0, 0, 0, 0, 0], type: 0x0E)).values == NDArray([1.5] as [Double]))
    }

    @Test func anEmptyAxisIsAllowed() throws {
        #expect(try read(idx([0, 28, 28], [])).values.shape == [0, 28, 28])
    }

    @Test func cutShort() throws {
        let bytes = idx([2, 3], [1, 2, 3, 4, 5, 6])
        // The header takes 12 bytes, the whole file 18.
        #expect(problem(Array(bytes.prefix(15))) == .truncated(expectedByteCount: 18, byteCount: 15))
        #expect(problem(Array(bytes.prefix(9))) == .truncated(expectedByteCount: 12, byteCount: 9))
        #expect(problem(gzip(Array(bytes.prefix(15)))) == .truncated(expectedByteCount: 18, byteCount: 15))
        let packed = gzip(bytes)
        for count in 11..<packed.count - 8 { #expect(problem(Array(packed.prefix(count))) != nil, "\(count)") }
        let path = folder.url.appendingPathComponent("file").path
        #expect(
            message { _ = try read(Array(bytes.prefix(15))) }
                == "\(path): is cut short: expected 18 bytes, found 15. Fetch or copy the file again.")
    }

    @Test func damaged() throws {
        let bytes = idx([2, 3], [1, 2, 3, 4, 5, 6])
        #expect(
            problem(bytes + [0])
                == .damaged(reason: "it goes on after the 18 bytes that its header promises"))
        #expect(problem(gzip(bytes + [0])) != nil)
        // Offset 10 + 5 is the first stored byte, + 12 the first element.
        var flipped = gzip(bytes)
        flipped[10 + 5 + 12] ^= 1
        #expect(
            problem(flipped)
                == .damaged(reason: "its contents do not fit the check value that gzip keeps"))
        var wrongBlock = gzip(bytes)
        wrongBlock[10] = 7
        #expect(problem(wrongBlock) != nil)
    }

    @Test func promisesThatCannotBeKeptTakeNoMemory() throws {
        // 2^32 - 1 by 2^32 - 1 by 2^32 - 1 elements; then 2^40, in a few bytes.
        #expect(
            problem(idx([0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], [1]))
                == .damaged(
                    reason: "its header promises [4294967295, 4294967295, 4294967295] elements, more than can be"))
        #expect(
            problem(idx([1 << 20, 1 << 20], [1]))
                == .truncated(expectedByteCount: 12 + 1 << 40, byteCount: 13))
        #expect(
            problem(gzip(idx([1 << 20, 1 << 20], [1])))
                == .damaged(reason: "its header promises 1099511627788 bytes, more than gzip can hold in its size"))
        // The other way round: ten million bytes behind a promise of four.
        #expect(
            problem(gzip(idx([4], [UInt8](repeating: 0, count: 10_000_000))))
                == .damaged(reason: "it goes on after the 12 bytes that its header promises"))
    }

    @Test(
        arguments: [
            (Array("<!DOCTYPE html>\n<html>".utf8), "an HTML page"),
            (Array("  <html lang=en>".utf8), "an HTML page"),
            (Array("<?xml version=\"1.0\"?>".utf8), "an XML document"),
            (Array("label,pixel0,pixel1\n5,0,0".utf8), "text that begins with \"label,pixel0,pixel1\""),
            ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], "a PNG image"),
            ([0xFF, 0xD8, 0xFF, 0xE0], "a JPEG image"),
            ([0x50, 0x4B, 3, 4, 20, 0], "a ZIP archive"),
            ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0], "a NumPy array (.npy)"),
            ([0, 0, 0x05, 1, 0, 0, 0, 0], "a file that begins with the bytes 00 00 05 01"),
            ([0, 0, 0x08, 0, 1], "a file that begins with the bytes 00 00 08 00"),
            ([0], "a file that begins with the bytes 00"),
            ([0x1F, 0x8B], "gzip data"),
            ([], "an empty file"),
        ] as [([UInt8], String)])
    func foreign(bytes: [UInt8], found: String) throws {
        #expect(problem(bytes) == .foreign(expected: "an IDX file", found: found))
        if !bytes.isEmpty, bytes != [0x1F, 0x8B] {
            #expect(problem(gzip(bytes)) == .foreign(expected: "an IDX file", found: "\(found), packed by gzip"))
        }
    }

    @Test func noFile() throws {
        let missing = folder.url.appendingPathComponent("none")
        #expect(
            message { _ = try IDXFile(contentsOf: missing) }
                == "\(missing.path): there is no such file or folder. Check the path.")
        #expect(
            message { _ = try IDXFile(contentsOf: folder.url) }
                == "\(folder.url.path): expected a file, found a folder.")
    }

    @Test func aDatasetOfTwoFiles() throws {
        let images = try folder.write(idx([2, 1, 2], [0, 255, 51, 0]), to: "images")
        let labels = try folder.write(gzip(idx([2], [1, 0])), to: "labels.gz")
        let data = try Dataset(imagesAt: images, labelsAt: labels, classCount: 2)
        #expect(data.labels == [1, 0])
        #expect(data.inputs[0].values.shape == [2, 1, 2])
        #expect(data.checksums.keys.sorted() == ["images", "labels"])
        #expect(
            message { _ = try Dataset(imagesAt: images, labelsAt: labels, classCount: 1) }
                == "\(labels.path): sample 0 has label 1, but labels go from 0 to 0. "
                + "Check the file, or give the last layer as many units as there are classes.")
        let three = try folder.write(idx([3], [1, 0, 1]), to: "three")
        #expect(
            message { _ = try Dataset(imagesAt: images, labelsAt: three, classCount: 2) }
                == "\(three.path): is damaged: it holds 3 labels, but \(images.path) holds 2 images. "
                + "Fetch or copy the file again.")
        #expect(
            message { _ = try Dataset(imagesAt: images, labelsAt: images, classCount: 2) }
                == "\(images.path): expected labels, whole numbers along one axis, found uint8 of shape [2, 1, 2].")
        #expect(
            message { _ = try Dataset(imagesAt: three, labelsAt: three, classCount: 2) }
                == "\(three.path): expected samples of one axis or more, found an array of shape [3].")
    }
}
