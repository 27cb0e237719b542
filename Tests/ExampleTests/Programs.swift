import Foundation
import Testing

/// The examples as they were built together with these tests.
enum Programs {
    /// What a program prints, run in `folder` without data, cache or network.
    static func run(_ program: String, _ arguments: String..., in folder: URL) throws -> String {
        let process = Process()
        process.executableURL = products.appendingPathComponent(program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        // What sanitizers are told holds for the programs, too.
        let options = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
        let own = ["APUS_OFFLINE": "1", "APUS_CACHE": folder.appendingPathComponent("cache").path, "HOME": folder.path]
        process.environment = options.merging(own) { $1 }
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }

    /// The folder that the build put the tests and the programs into.
    private static var products: URL {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var url = URL(fileURLWithPath: bundle).resolvingSymlinksInPath()
        while url.path.contains(".xctest") { url.deleteLastPathComponent() }
        return url
    }
}
