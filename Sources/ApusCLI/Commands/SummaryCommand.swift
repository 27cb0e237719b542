import Apus
import ApusExperiments

/// `apus summary NAME`: a network's layers, as a table.
struct SummaryCommand: Command {
    let syntax = CommandSyntax(
        "summary", summary: "Show a network's layers and parameters", operands: [.workload])

    func run(_ arguments: Arguments) throws {
        let workload = try Workloads.named(arguments.operands[0])
        let network = try workload.network(seed: 0)
        for model in network.models { try Console.line(model.summary()) }
        guard network.models.count > 1 else { return }
        try Console.line(
            "All models together have \(network.model.parameterCount.grouped) parameters: what they share counts once.")
    }
}

extension CommandSyntax.Operand {
    static let experiment = CommandSyntax.Operand(
        "NAME", help: "the experiment: \(Experiments.all.map(\.name).joined(separator: ", "))")
    static let workload = CommandSyntax.Operand(
        "NAME",
        help: "an experiment (\(Experiments.all.map(\.name).joined(separator: ", "))), or a network that is here to be "
            + "timed (\(Workloads.timedOnly.map(\.name).joined(separator: ", ")))")
    static let run = CommandSyntax.Operand("RUN", help: "a run's folder, as 'apus train' made it")
}
