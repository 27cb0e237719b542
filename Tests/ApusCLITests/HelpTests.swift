import ApusCLI
import Testing

@Suite struct HelpTests {
    /// What `apus WORDS` prints, where it prints help.
    private func help(_ words: [String]) throws -> String? {
        if case .help(let text) = try CommandLineProgram.outcome(of: words) { return text }
        return nil
    }

    @Test func overviewNamesEveryCommand() throws {
        let overview = try #require(try help([]))
        for command in CommandLineProgram.commands {
            #expect(overview.contains("  \(command.syntax.name)"))
        }
        #expect(try help(["--help"]) == overview)
        #expect(try help(["-h"]) == overview)
        #expect(try help(["help"]) == overview)
    }

    @Test(arguments: CommandLineProgram.commands.indices)
    func helpNamesEveryOptionAndDefault(_ index: Int) throws {
        let syntax = CommandLineProgram.commands[index].syntax
        let words = syntax.name.split(separator: " ").map(String.init)
        let text = try #require(try help(words + ["--help"]))
        let unwrapped = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).joined(separator: " ")
        #expect(text.contains("Usage: apus \(syntax.name)"))
        for option in syntax.options {
            let line = "--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "") + " \(option.help)"
            #expect(unwrapped.contains(line))
            if let value = option.defaultText { #expect(unwrapped.contains("\(option.help) (default: \(value))")) }
        }
        for operand in syntax.operands { #expect(unwrapped.contains("\(operand.placeholder) \(operand.help)")) }
        #expect(try help(["help"] + words) == text)
        #expect(try help(words + ["--nonsense", "-h"]) == text)
    }

    @Test func everyLineFits() throws {
        for command in CommandLineProgram.commands {
            for line in Help.text(for: command.syntax).split(separator: "\n") {
                #expect(line.count <= 120, "\(line)")
            }
        }
    }

    @Test func helpIsThisForASmallCommand() {
        let syntax = CommandSyntax(
            "sing", summary: "Sing a song", operands: [.init("SONG", help: "its name")],
            options: [Option.integer("verses", in: 1...9, help: "How many", default: "all")], notes: "Sing well.")
        let expected = """
            Sing a song.

            Usage: apus sing SONG [OPTIONS]

            Arguments:
              SONG  its name

            Options:
              --verses N  How many (default: all)
              --help      Show this

            Sing well.

            """
        #expect(Help.text(for: syntax) == expected)
    }

    @Test func aGroupOfCommandsShowsAllOfThem() throws {
        let text = try #require(try help(["data"]))
        #expect(text.contains("Usage: apus data fetch NAME"))
        #expect(text.contains("Usage: apus data list"))
    }
}
