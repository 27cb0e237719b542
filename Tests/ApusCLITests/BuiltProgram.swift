import ApusTestSupport
import Foundation
import Testing

/// The program `apus` as it was built beside the tests, run as a process.
struct BuiltProgram {
    struct Result {
        let status: Int32
        let output: String
        let errors: String
    }

    /// Stands beside the tests' own program.
    static var url: URL {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("apus")
    }

    /// Runs `apus` in `folder`, with no network and no data but those inside the program, or those in `data`.
    static func run(_ words: [String], in folder: TemporaryFolder, data: String? = nil) throws -> Result {
        let process = Process()
        process.executableURL = url
        process.arguments = words
        process.currentDirectoryURL = folder.url
        var environment = ProcessInfo.processInfo.environment
        environment["APUS_OFFLINE"] = "1"
        environment["APUS_CACHE"] = folder.file("cache").path
        environment["APUS_DATA"] = data
        process.environment = environment
        // Into files: a pipe that nobody empties would stop the program.
        let name = UUID().uuidString
        let (output, errors) = (folder.file("\(name).out"), folder.file("\(name).err"))
        for file in [output, errors] { try Data().write(to: file) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        process.waitUntilExit()
        defer { for file in [output, errors] { try? FileManager.default.removeItem(at: file) } }
        return Result(
            status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
            errors: try String(contentsOf: errors, encoding: .utf8))
    }
}
