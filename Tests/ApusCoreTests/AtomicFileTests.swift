import ApusCore
import ApusTestSupport
import Foundation
import Testing

@Suite struct AtomicFileTests {
    private func names(in folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
    }

    @Test func replacesAFileAndLeavesNothingBeside() throws {
        let folder = try TemporaryFolder()
        let place = folder.file("file")
        try AtomicFile.write(Array("old".utf8), to: place)
        try AtomicFile.write(Data("new".utf8), to: place)
        #expect(try contents(of: place) == Data("new".utf8))
        #expect(try names(in: folder) == ["file"])
    }

    @Test func unfinishedFilesLeaveTheOldOne() throws {
        struct Stop: Error {}
        let folder = try TemporaryFolder()
        let place = folder.file("file")
        try AtomicFile.write(Data("old".utf8), to: place)
        #expect(throws: Stop.self) {
            try AtomicFile.write(to: place) { file in
                try Array("new".utf8).withUnsafeBytes { try file.append($0) }
                throw Stop()
            }
        }
        #expect(try contents(of: place) == Data("old".utf8))
        #expect(try names(in: folder) == ["file"])
    }

    /// The descriptor is exchanged for one that is open for reading only.
    @Test func theReasonIsThatOfTheWriting() throws {
        let folder = try TemporaryFolder()
        let place = folder.file("file")
        #expect(throws: ApusError.file(path: place.path, .unwritable(reason: "Bad file descriptor"))) {
            try AtomicFile.write(to: place) { file in
                let readable = open("/dev/null", O_RDONLY)
                dup2(readable, file.descriptor)
                close(readable)
                try Array("new".utf8).withUnsafeBytes { try file.append($0) }
            }
        }
        #expect(try names(in: folder) == [])
    }

    /// The new name is on the disk only with its folder.
    @Test func aFolderThatCannotBeSyncedIsAnError() throws {
        let folder = try TemporaryFolder()
        #expect(throws: Never.self) { try AtomicFile.syncFolder(of: folder.file("file")) }
        let missing = folder.file("none/file")
        #expect(throws: ApusError.file(path: missing.path, .missingFolder(missing.deletingLastPathComponent().path))) {
            try AtomicFile.syncFolder(of: missing)
        }
        let below = try folder.write([1], to: "taken").appendingPathComponent("file")
        #expect(throws: ApusError.file(path: below.path, .unwritable(reason: "Not a directory"))) {
            try AtomicFile.syncFolder(of: below)
        }
    }

    /// A folder in which files can be made, but which cannot be opened; whoever administers the machine can do all.
    @Test(.enabled(if: geteuid() != 0)) func writingTellsOfItsFolder() throws {
        let folder = try TemporaryFolder()
        let place = folder.file("file")
        #expect(chmod(folder.path, 0o300) == 0)
        defer { chmod(folder.path, 0o700) }
        #expect(throws: ApusError.file(path: place.path, .unwritable(reason: "Permission denied"))) {
            try AtomicFile.write(Data(), to: place)
        }
    }

    @Test func emptyFiles() throws {
        let folder = try TemporaryFolder()
        try AtomicFile.write(Data(), to: folder.file("empty"))
        #expect(try contents(of: folder.file("empty")).isEmpty)
    }

    @Test func refusedPlaces() throws {
        let folder = try TemporaryFolder()
        let missing = folder.file("none/file")
        #expect(throws: ApusError.file(path: missing.path, .missingFolder(missing.deletingLastPathComponent().path))) {
            try AtomicFile.write(Data(), to: missing)
        }
        #expect(throws: ApusError.file(path: missing.path, .missing)) { try contents(of: missing) }
        #expect(throws: ApusError.file(path: folder.url.path, .unreadable(reason: "Is a directory"))) {
            try contents(of: folder.url)
        }
        // The folder's own name is taken: nothing is left in the folder above.
        let taken = folder.file("taken")
        try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
        #expect(throws: ApusError.file(path: taken.path, .unwritable(reason: "Is a directory"))) {
            try AtomicFile.write(Data(), to: taken)
        }
        #expect(try names(in: folder) == ["taken"])
    }

    @Test func limitsCountBytes() throws {
        let folder = try TemporaryFolder()
        let place = try folder.write([1, 2, 3], to: "three")
        #expect(try contents(of: place, byteLimit: 3) == Data([1, 2, 3]))
        #expect(throws: ApusError.file(path: place.path, .unreadable(reason: "it has more than 2 bytes"))) {
            try contents(of: place, byteLimit: 2)
        }
    }
}
