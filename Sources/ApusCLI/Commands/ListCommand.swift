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

extension Int {
    /// With commas, as in `669,706`.
    var grouped: String {
        var digits = String(magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return (self < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
    }
}
