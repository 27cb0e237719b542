import ApusCore
import Foundation
import Testing

/// What guards readers against sizes and texts that come from a file.
@Suite struct OutsideDataTests {
    @Test func sizesThatATensorCanHave() {
        #expect(Shape.isPossible([]) && Shape.isPossible([0]) && Shape.isPossible([1 << 40]))
        #expect(Shape.isPossible([-1, 1 << 40]) && Shape.isPossible([0, 1 << 20, 1 << 20]))
        #expect(!Shape.isPossible([1 << 40, 2]) && !Shape.isPossible([-3, 1 << 39]))
        // 2^62 times 4 is 0 in 64 bits; the strides of an empty array multiply sizes too; the least number has no
        // positive counterpart.
        #expect(!Shape.isPossible([1 << 62, 4]) && !Shape.isPossible([0, 1 << 30, 1 << 30]))
        #expect(!Shape.isPossible([Int.min]) && !Shape.isPossible([Int.max, Int.max]))
    }

    @Test func textsThatCanBeShown() {
        #expect(excerpt("dense/kernel ü 😀") == "dense/kernel ü 😀")
        #expect(excerpt("a\u{1B}[2J\n\u{202E}\u{9B}") == "a\\u{1B}[2J\\u{A}\\u{202E}\\u{9B}")
        #expect(excerpt("abcdef", limit: 6) == "abcdef" && excerpt("abcdefg", limit: 6) == "abcdef...")
        // One character of a thousand marks.
        #expect(excerpt("e" + String(repeating: "\u{301}", count: 1_000)).unicodeScalars.count == 64 + 3)
    }

    @Test func memoryHasALimit() throws {
        try MemoryLimit.check(MemoryLimit.byteCount, path: "FILE")
        #expect(
            throws: ApusError.file(
                path: "FILE", .unreadable(reason: "it takes 11 bytes of memory, more than the 10 that it may"))
        ) { try MemoryLimit.check(11, path: "FILE", limit: 10) }
    }

    /// A file of 2^43 bytes that takes no room on the disk.
    @Test func aSparseFileTakesNoMemory() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("sparse-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data([1]).write(to: url)
        // Not every file system has room for the number.
        guard truncate(url.path, 1 << 43) == 0 else { return }
        #expect(
            throws: ApusError.file(
                path: url.path, .unreadable(reason: "it has more than \(MemoryLimit.byteCount) bytes"))
        ) { try contents(of: url) }
    }
}
