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
        let output = try run("FirstProgram", in: folder.url)
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("WARNING: Only the part of MNIST inside this program is used: ") == true)
        #expect(lines.contains("Parameters: 101,770 (397.54 KiB)"))
        for epoch in 1...3 { #expect(lines.contains { $0.contains("  step \(epoch)  ") }) }
        #expect(lines.last == "The first test image is a 7.")
        for file in ["model.json", "weights.safetensors"] {
            #expect(FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("digits/\(file)").path))
        }
    }

    /// What a program that was built with these tests prints, run in `folder` without data, cache or network.
    private func run(_ program: String, in folder: URL) throws -> String {
        let process = Process()
        process.executableURL = products.appendingPathComponent(program)
        process.currentDirectoryURL = folder
        process.environment = [
            "APUS_OFFLINE": "1", "APUS_CACHE": folder.appendingPathComponent("cache").path, "HOME": folder.path,
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }

    /// The folder that the build put the tests and the programs into.
    private var products: URL {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var url = URL(fileURLWithPath: bundle).resolvingSymlinksInPath()
        while url.path.contains(".xctest") { url.deleteLastPathComponent() }
        return url
    }
}
