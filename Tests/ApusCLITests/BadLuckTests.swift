import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

/// Misfortunes that any user of a machine can bring about; the others are in `Scripts/bad-luck`.
@Suite(.serialized) struct BadLuckTests {
    private func lastLine(_ text: String) -> String { text.split(separator: "\n").last.map(String.init) ?? "" }

    /// What an abort below the program does, as where Swift's runtime finds no memory.
    @Test func anAbortIsSaidAndHarmsNothing() throws {
        let folder = try TemporaryFolder()
        let program = try RunningProgram(
            ["train", "perceptron", "--epochs", "1000000", "--checkpoint-every", "5", "--out", "run"], in: folder)
        try program.wait(forLineWith: "  step ")
        // A disk may be slow; without one the run would begin anew.
        let checkpoints = CheckpointFolder(folder.file("run/checkpoints"))
        while checkpoints.files.isEmpty, program.process.isRunning { usleep(500) }
        program.send(SIGABRT)
        let (status, errors) = try program.end()
        #expect(status == SIGABRT)
        #expect(
            errors.hasSuffix(
                "apus: cannot go on (SIGABRT): memory has run out, or the program is at fault. "
                    + "What was written so far is unharmed: apus train --resume run\n"), "\(errors)")
        try RunningProgram.expectThatTheRunGoesOn(in: folder)
    }

    #if os(Linux)
        /// With less and less of a stack, in kilobytes, the program reaches its end somewhere, and says so.
        @Test func aStackThatIsUsedUpIsSaid() throws {
            let folder = try TemporaryFolder()
            var texts: [String] = []
            for size in stride(from: 32, through: 192, by: 8) {
                let process = BuiltProgram.process([], in: folder, environment: ["SWIFT_BACKTRACE": "enable=no"])
                process.executableURL = URL(fileURLWithPath: "/bin/bash")
                process.arguments = [
                    "-c", "ulimit -s \(size); exec \(BuiltProgram.url.path) train perceptron --max-steps 1",
                ]
                let errors = try BuiltProgram.emptyFile(in: folder)
                process.standardError = try FileHandle(forWritingTo: errors)
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                if process.terminationReason == .uncaughtSignal {
                    texts.append(try String(contentsOf: errors, encoding: .utf8))
                }
            }
            // A stack that is too small to start with leaves nobody who could say anything.
            #expect(
                texts.contains {
                    $0.contains("apus: cannot go on (SIGSEGV): memory has run out, or the program is at fault.")
                }, "\(texts)")
        }

        /// A step of 6,000 images takes gigabytes; the limit is one of the shell's, in kilobytes.
        @Test func aPlanTooLargeIsRefused() throws {
            let folder = try TemporaryFolder()
            func limited(_ words: [String]) throws -> (status: Int32, errors: String) {
                let process = BuiltProgram.process([], in: folder)
                process.executableURL = URL(fileURLWithPath: "/bin/bash")
                process.arguments =
                    ["-c", "ulimit -v 1000000; exec \"$@\"", "bash", BuiltProgram.url.path] + words
                let errors = try BuiltProgram.emptyFile(in: folder)
                process.standardError = try FileHandle(forWritingTo: errors)
                process.standardOutput = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                return (process.terminationStatus, try String(contentsOf: errors, encoding: .utf8))
            }
            // A sanitizer alone takes terabytes of addresses.
            guard try limited(["--version"]).status == 0 else { return }
            let (status, errors) = try limited(["train", "cnn", "--batch-size", "6000", "--out", "run"])
            #expect(status == 1)
            let line = lastLine(errors)
            #expect(line.hasPrefix("apus: A function with a batch of 6000: its memory is "), "\(errors)")
            #expect(line.contains(" bytes; it must be at most 512000000 on this machine."), "\(errors)")
        }
    #endif
}
