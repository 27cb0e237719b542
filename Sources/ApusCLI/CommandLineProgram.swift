import Apus
import Foundation

/// The program: finds the command that is meant, runs it, and turns what it throws into one line and an exit code.
package struct CommandLineProgram: Sendable {
    package static let commands: [any Command] = [
        ListCommand(), SummaryCommand(), TrainCommand(), ReplayCommand(), VerifyResumeCommand(), EvaluateCommand(),
        PredictCommand(), PlotCommand(),
        PlanCommand(), BenchCommand(), DataFetchCommand(), DataListCommand(), DoctorCommand(),
    ]

    /// What is said where, and how it ends.
    package enum Outcome: Hashable {
        /// Print this; all is well.
        case help(String)
        /// Run command number `index` of `commands`.
        case run(Int, Arguments)
    }

    /// What `words` ask for.
    /// - Throws: `ApusError.usage` and `.unknownName`.
    package static func outcome(of words: [String]) throws -> Outcome {
        guard let first = words.first else { return .help(overview) }
        if first == "--help" || first == "-h" || first == "help" {
            let rest = Array(words.dropFirst()).filter { !$0.hasPrefix("-") }
            if first != "help" || rest.isEmpty { return .help(overview) }
            let (index, _) = try command(in: rest)
            return .help(Help.text(for: commands[index].syntax))
        }
        if first == "--version" { return .help("Apus \(ApusVersion.current)\n") }
        if first.hasPrefix("-") {
            throw ApusError.unknownName(kind: "option", name: first, known: ["--help", "--version"])
        }
        let group = commands.filter { $0.syntax.name.hasPrefix(first + " ") }
        if !group.isEmpty, words.count == 1 || words[1] == "--help" || words[1] == "-h" {
            return .help(group.map { Help.text(for: $0.syntax) }.joined(separator: "\n"))
        }
        let (index, rest) = try command(in: words)
        let options = rest.prefix { $0 != "--" }
        if options.contains("--help") || options.contains("-h") { return .help(Help.text(for: commands[index].syntax)) }
        return .run(index, try Arguments(rest, for: commands[index].syntax))
    }

    private static var overview: String { Help.overview(commands, version: ApusVersion.current) }

    /// The command that `words` begin with, and the words after its name.
    private static func command(in words: [String]) throws -> (index: Int, rest: [String]) {
        for (index, command) in commands.enumerated() {
            let name = command.syntax.name.split(separator: " ").map(String.init)
            if words.starts(with: name) { return (index, Array(words.dropFirst(name.count))) }
        }
        let groups = commands.map(\.syntax.name).filter { $0.hasPrefix(words[0] + " ") }
        if !groups.isEmpty, words.count > 1 {
            let known = groups.map { String($0.dropFirst(words[0].count + 1)) }
            throw ApusError.unknownName(kind: "command of 'apus \(words[0])'", name: words[1], known: known)
        }
        var known: [String] = []
        for command in commands {
            let first = command.syntax.name.split(separator: " ").first.map(String.init) ?? ""
            if known.last != first { known.append(first) }
        }
        throw ApusError.unknownName(kind: "command", name: words[0], known: known)
    }

    /// Does what `words` ask for.
    /// - Returns: 0; 1 for a failure; 2 for a command line that cannot be carried out; 128 and a signal's number where
    ///   that signal, or a reader of the output that has gone away (SIGPIPE), ended it.
    package static func run(_ words: [String]) -> Int32 {
        do {
            switch try outcome(of: words) {
            case .help(let text): try Console.write(text)
            case .run(let index, let arguments): try commands[index].run(arguments)
            }
            return 0
        } catch let ending as CommandEnding {
            if let message = ending.message { Console.report("apus: \(message)") }
            return ending.exitCode
        } catch let failure as OutputFailure where failure.isClosedPipe {
            return Interruption.exitCode(of: SIGPIPE)
        } catch {
            Console.report("apus: \(error)")
            return exitCode(for: error)
        }
    }

    package static func exitCode(for error: any Error) -> Int32 {
        switch error {
        case ApusError.usage, ApusError.unknownName: 2
        default: 1
        }
    }
}

@main
enum Main {
    static func main() {
        Console.prepare()
        LastWords.prepare()
        exit(CommandLineProgram.run(Array(CommandLine.arguments.dropFirst())))
    }
}
