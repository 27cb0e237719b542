import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

@Suite struct RunFolderTests {
    @Test func aNewFolderIsMadeWithThoseAboveIt() throws {
        let temporary = try TemporaryFolder()
        let path = temporary.file("a/b/run").path
        let folder = try RunFolder.make(at: path, experiment: "mlp")
        #expect(folder.url.path == path)
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test func anEmptyFolderIsTakenAndAFullOneRefused() throws {
        let temporary = try TemporaryFolder()
        let folder = try RunFolder.make(at: temporary.url.path, experiment: "mlp")
        #expect(folder.url.path == temporary.url.path)
        try temporary.write([1], to: "precious")
        let error = #expect(throws: ApusError.self) {
            try RunFolder.make(at: temporary.url.path, experiment: "mlp")
        }
        #expect(
            error.map { "\($0)" } == "The output folder \(temporary.url.path) is not empty, and nothing is overwritten."
                + " Name another with --out, or remove it first.")
        #expect(FileManager.default.fileExists(atPath: temporary.file("precious").path))
    }

    @Test func aFileInTheWayIsNamed() throws {
        let temporary = try TemporaryFolder()
        let file = try temporary.write([1], to: "file")
        let error = #expect(throws: ApusError.self) { try RunFolder.make(at: file.path, experiment: "mlp") }
        #expect(
            error == .file(path: file.path, .unwritable(reason: "a file of that name is in the way")))
        let below = file.appendingPathComponent("run")
        #expect(throws: ApusError.file(path: below.path, .unwritable(reason: "Not a directory"))) {
            try RunFolder.make(at: below.path, experiment: "mlp")
        }
    }

    @Test func onlyARunsFolderIsOpened() throws {
        let temporary = try TemporaryFolder()
        let missing = temporary.file("missing").path
        #expect(throws: ApusError.file(path: missing, .missing)) { try RunFolder(opening: missing) }
        let expected = "a run's folder, with its card.json"
        #expect(
            throws: ApusError.file(path: temporary.url.path, .foreign(expected: expected, found: "another folder"))
        ) {
            try RunFolder(opening: temporary.url.path)
        }
        let file = try temporary.write([1], to: "file")
        #expect(throws: ApusError.file(path: file.path, .foreign(expected: expected, found: "a file"))) {
            try RunFolder(opening: file.path)
        }
        try temporary.write(Array("{}".utf8), to: "card.json")
        let folder = try RunFolder(opening: temporary.url.path)
        #expect(
            throws: ApusError.file(
                path: temporary.file("card.json").path,
                .foreign(expected: "the card of a run of Apus", found: "one without 'experiment'"))
        ) {
            try RunCard(readingFrom: folder)
        }
        for (text, found) in [
            ("", "an empty file"), ("[1]", "another file"),
            ("{\"experiment\": \"ml", "a damaged one (a string without end at byte 18)"),
            ("{\"experiment\": 1}", "one with another kind of value for 'experiment'"),
        ] {
            try temporary.write(Array(text.utf8), to: "card.json")
            #expect(
                throws: ApusError.file(
                    path: temporary.file("card.json").path,
                    .foreign(expected: "the card of a run of Apus", found: found))
            ) {
                try RunCard(readingFrom: folder)
            }
        }
    }
}
