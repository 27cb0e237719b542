import Apus
import ApusExperiments

/// `apus list`: the experiments.
struct ListCommand: Command {
    let syntax = CommandSyntax("list", summary: "List the experiments")

    func run(_ arguments: Arguments) throws {
        let rows = try Experiments.all.map { experiment in
            let count = try experiment.network(seed: 0).model.parameterCount
            return (
                experiment.name,
                "\(experiment.summary); \(count.grouped) parameters; data set \(experiment.defaults.datasetName)."
            )
        }
        try Console.line(Help.table(rows))
    }
}
