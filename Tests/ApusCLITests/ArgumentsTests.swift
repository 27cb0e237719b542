import Apus
import ApusCLI
import Testing

/// A command line that cannot be carried out, and what is said to it.
struct BadCommandLine: Sendable, CustomTestStringConvertible {
    let words: [String]
    let message: String

    init(_ words: String, _ message: String) {
        self.words = words.split(separator: " ").map(String.init)
        self.message = message
    }

    var testDescription: String { "apus " + words.joined(separator: " ") }
}

@Suite struct ArgumentsTests {
    static let commandNames =
        "list, summary, train, replay, verify-resume, evaluate, predict, plot, plan, bench, data, doctor"
    static let planOptions = "--batch-size, --device, --threads, --precision, --steps, --help"

    static let badCommandLines = [
        BadCommandLine("trian mlp", "Unknown command 'trian'. Did you mean 'train'? Known: \(commandNames)."),
        BadCommandLine("xyzzy", "Unknown command 'xyzzy'. Known: \(commandNames)."),
        BadCommandLine("help trian", "Unknown command 'trian'. Did you mean 'train'? Known: \(commandNames)."),
        BadCommandLine("--hlep", "Unknown option '--hlep'. Did you mean '--help'? Known: --help, --version."),
        BadCommandLine(
            "data fethc mnist", "Unknown command of 'apus data' 'fethc'. Did you mean 'fetch'? Known: fetch, list."),
        BadCommandLine(
            "plan mlp --bach-size 3",
            "Unknown option '--bach-size'. Did you mean '--batch-size'? Known: \(planOptions)."),
        BadCommandLine("plan mlp -b 3", "Unknown option '-b'. Known: \(planOptions)."),
        BadCommandLine(
            "summary",
            "apus summary needs NAME: an experiment (perceptron, mlp, cnn, lstm, lstm-hard-sigmoid, vae, cam), or a "
                + "network that is here to be timed (wide-100, wide-1000, convolution-48, convolution-200, gru, resnet20, "
                + "transformer). See 'apus summary --help'."),
        BadCommandLine("predict run", "apus predict needs IMAGE: a PNG or JPEG file. See 'apus predict --help'."),
        BadCommandLine(
            "predict run a.png --explian",
            "Unknown option '--explian'. Did you mean '--explain'? Known: --explain, --device, --threads, --help."),
        BadCommandLine(
            "predict run a.png --explain=cat", "--explain takes no value. See 'apus predict --help'."),
        BadCommandLine(
            "summary mlp vae", "apus summary cannot use the word 'vae'. See 'apus summary --help'."),
        BadCommandLine("train mlp --epochs", "--epochs needs a value. See 'apus train --help'."),
        BadCommandLine("train mlp --epochs --seed 1", "--epochs needs a value. See 'apus train --help'."),
        BadCommandLine(
            "train mlp --epochs 0",
            "--epochs is '0'; it must be a whole number from 1 to 1000000. See 'apus train --help'."),
        BadCommandLine(
            "train mlp --epochs=3.5",
            "--epochs is '3.5'; it must be a whole number from 1 to 1000000. See 'apus train --help'."),
        BadCommandLine(
            "train mlp --learning-rate -1",
            "--learning-rate is '-1'; it must be a finite number above 0. See 'apus train --help'."),
        BadCommandLine(
            "train mlp --learning-rate nan",
            "--learning-rate is 'nan'; it must be a finite number above 0. See 'apus train --help'."),
        BadCommandLine(
            "train mlp --seed -1", "--seed is '-1'; it must be a whole number, 0 or more. See 'apus train --help'."),
        BadCommandLine("train mlp --seed 1 --seed 2", "--seed is given twice. Give it once."),
        BadCommandLine("train mlp --shuffle=yes", "--shuffle takes no value. See 'apus train --help'."),
        BadCommandLine("train mlp --out=", "--out is ''; it must be a path. See 'apus train --help'."),
        BadCommandLine("train mlp --device cuda", "Unknown device 'cuda'. Known: cpu."),
        BadCommandLine(
            "train mlp --dataset mnits",
            "Unknown data set 'mnits'. Did you mean 'mnist'? Known: mnist, fashion-mnist, cifar10."),
    ]

    @Test(arguments: badCommandLines)
    func badCommandLineSaysWhatIsWrong(_ line: BadCommandLine) throws {
        let error = try #require(throws: ApusError.self) { try CommandLineProgram.outcome(of: line.words) }
        #expect("\(error)" == line.message)
        #expect(CommandLineProgram.exitCode(for: error) == 2)
    }

    @Test func exitCodesTellAWrongCommandLineFromAFailure() {
        #expect(CommandLineProgram.exitCode(for: ApusError.usage(problem: "", cure: "")) == 2)
        #expect(CommandLineProgram.exitCode(for: ApusError.unknownName(kind: "", name: "", known: [])) == 2)
        #expect(CommandLineProgram.exitCode(for: ApusError.file(path: "", .missing)) == 1)
        #expect(CommandLineProgram.exitCode(for: ApusError.notFinite(quantity: "loss", step: 1, origin: nil)) == 1)
    }

    static let number = Option.integer("number", in: 1...9, help: "A number", default: "5")
    static let rate = Option.positiveNumber("rate", help: "A rate", default: nil)
    static let path = Option.path("path", "FILE", help: "A path", default: nil)
    static let isLoud = Option.flag("loud", help: "Whether it is loud")
    static let syntax = CommandSyntax(
        "test", summary: "Test", operands: [.init("WORD", help: "words", isRequired: false, isRepeated: true)],
        options: [number, rate, path, isLoud])

    @Test func valuesFollowTheirOptionOrAnEqualsSign() throws {
        let arguments = try Arguments(["a", "--number", "3", "b", "--rate=2.5e-3", "--loud"], for: Self.syntax)
        #expect(arguments.operands == ["a", "b"])
        #expect(arguments[Self.number] == 3)
        #expect(arguments[Self.rate] == 0.0025)
        #expect(arguments[Self.path] == nil)
        #expect(arguments.has(Self.isLoud))
    }

    @Test func absentOptionsAreNil() throws {
        let arguments = try Arguments([], for: Self.syntax)
        #expect(arguments.operands.isEmpty)
        #expect(arguments[Self.number] == nil)
        #expect(!arguments.has(Self.isLoud))
    }

    @Test func wordsAfterTwoHyphensAreOperands() throws {
        let arguments = try Arguments(["--", "--number", "-x", "--"], for: Self.syntax)
        #expect(arguments.operands == ["--number", "-x", "--"])
    }

    @Test func aSingleHyphenAndSpacesInValuesStay() throws {
        let arguments = try Arguments(["-", "--path", "a b=c"], for: Self.syntax)
        #expect(arguments.operands == ["-"])
        #expect(arguments[Self.path] == "a b=c")
    }

    @Test(arguments: [("1", 1), ("9", 9)]) func rangesHoldTheirEnds(_ text: String, _ value: Int) throws {
        #expect(try Arguments(["--number", text], for: Self.syntax)[Self.number] == value)
    }

    @Test(arguments: ["0", "10", "", "1.0", "99999999999999999999"]) func outsideARangeIsRefused(_ text: String) {
        #expect(throws: ApusError.self) { try Arguments(["--number", text], for: Self.syntax) }
    }
}
