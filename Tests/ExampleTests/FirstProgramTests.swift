import ApusTestSupport
import Foundation
import Testing

/// The program in the README is the one in Examples, and does what the README says.
@Suite struct FirstProgramTests {
    @Test func readmeShowsTheProgram() throws {
        let program = try Documents.text("Examples/first-program/main.swift")
        #expect(try Documents.blocks("swift", of: "README.md").contains(program))
    }

    /// On the part of MNIST inside the program: three epochs of 47 steps.
    @Test func programTrainsAndSaves() throws {
        let folder = try TemporaryFolder()
        let output = try Programs.run("FirstProgram", in: folder.url)
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("WARNING: Only the part of MNIST inside this program is used: ") == true)
        #expect(lines.contains("Parameters: 101,770 (397.54 KiB)"))
        for epoch in 1...3 { #expect(lines.contains { $0.contains("  step \(epoch)  ") }) }
        #expect(lines.last == "The first test image is a 7.")
        for file in ["model.json", "weights.safetensors"] {
            #expect(FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("digits/\(file)").path))
        }
    }
}
