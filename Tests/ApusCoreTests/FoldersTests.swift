import ApusCore
import Foundation
import Testing

@Suite struct FoldersTests {
    @Test func foldersAreMadeUpToTheRoot() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: root) }
        let deep = root.appendingPathComponent("a/b")
        try makeFolder(at: deep)
        try makeFolder(at: deep)
        #expect(try FileManager.default.contentsOfDirectory(atPath: deep.path) == [])
        let file = root.appendingPathComponent("file")
        try AtomicFile.write([UInt8](), to: file)
        #expect(
            throws: ApusError.file(
                path: file.path, .unwritable(reason: "a file of that name is in the way"))
        ) { try makeFolder(at: file) }
        let below = file.appendingPathComponent("a")
        #expect(throws: ApusError.file(path: below.path, .unwritable(reason: "Not a directory"))) {
            try makeFolder(at: below)
        }
    }
}
