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
    /// - Parameter outputFile: where the standard output goes instead of into the result.
    static func run(
        _ words: [String], in folder: TemporaryFolder, data: String? = nil, environment: [String: String] = [:],
        outputFile: String? = nil
    ) throws -> Result {
        let process = process(words, in: folder, data: data, environment: environment)
        // Into files: a pipe that nobody empties would stop the program.
        let (output, errors) = (try emptyFile(in: folder), try emptyFile(in: folder))
        defer { for file in [output, errors] { try? FileManager.default.removeItem(at: file) } }
        process.standardOutput = try FileHandle(
            forWritingTo: outputFile.map { URL(fileURLWithPath: $0) } ?? output)
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: try String(contentsOf: output, encoding: .utf8),
            errors: try String(contentsOf: errors, encoding: .utf8))
    }

    /// `apus`, ready to be started.
    static func process(
        _ words: [String], in folder: TemporaryFolder, data: String? = nil, environment more: [String: String] = [:]
    ) -> Process {
        let process = Process()
        process.executableURL = url
        process.arguments = words
        process.currentDirectoryURL = folder.url
        var environment = ProcessInfo.processInfo.environment
        environment["APUS_OFFLINE"] = "1"
        environment["APUS_CACHE"] = folder.file("cache").path
        environment["APUS_DATA"] = data
        process.environment = environment.merging(more) { $1 }
        process.standardInput = FileHandle.nullDevice
        return process
    }

    static func emptyFile(in folder: TemporaryFolder) throws -> URL {
        let file = folder.file(UUID().uuidString)
        try Data().write(to: file)
        return file
    }
}

/// The program while it runs, with somebody who reads its output.
final class RunningProgram {
    let process: Process
    private let output = Pipe()
    private let errors: URL
    private var text = ""

    init(_ words: [String], in folder: TemporaryFolder) throws {
        process = BuiltProgram.process(words, in: folder)
        errors = try BuiltProgram.emptyFile(in: folder)
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    /// Reads until a whole line with `part` has come; fails where the output ends without one.
    func wait(forLineWith part: String) throws {
        while !text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().contains(where: {
            $0.contains(part)
        }) {
            let data = output.fileHandleForReading.availableData
            try #require(!data.isEmpty, "The output ended: \(text)")
            text += String(decoding: data, as: UTF8.self)
        }
    }

    func send(_ signals: Int32...) { for signal in signals { kill(process.processIdentifier, signal) } }

    /// Bytes that were written and not yet read.
    var waitingByteCount: Int32 {
        var count: Int32 = 0
        _ = ioctl(output.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &count)
        return count
    }

    func closeOutput() throws { try output.fileHandleForReading.close() }

    /// The folder's `run` can be taken up, comes to a further step, and is stopped again.
    static func expectThatTheRunGoesOn(in folder: TemporaryFolder) throws {
        let resumed = try RunningProgram(["train", "--resume", "run"], in: folder)
        try resumed.wait(forLineWith: "Going on after step ")
        try resumed.wait(forLineWith: "  step ")
        resumed.send(SIGINT)
        #expect(try resumed.end().status == 130)
    }

    /// The exit code and what was said to the standard error output.
    func end() throws -> (status: Int32, errors: String) {
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOf: errors, encoding: .utf8))
    }
}
