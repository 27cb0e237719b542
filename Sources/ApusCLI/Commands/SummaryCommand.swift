import Apus
import ApusExperiments

/// `apus summary NAME`: a network's layers, as a table.
struct SummaryCommand: Command {
    let syntax = CommandSyntax(
        "summary", summary: "Show an experiment's layers and parameters", operands: [.experiment])

    func run(_ arguments: Arguments) throws {
        let experiment = try Experiments.named(arguments.operands[0])
        for model in try experiment.network(seed: 0).models { try Console.line(model.summary()) }
    }
}

extension CommandSyntax.Operand {
    static let experiment = CommandSyntax.Operand(
        "NAME", help: "the experiment: \(Experiments.all.map(\.name).joined(separator: ", "))")
    static let run = CommandSyntax.Operand("RUN", help: "a run's folder, as 'apus train' made it")
}
