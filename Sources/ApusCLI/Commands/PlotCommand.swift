import Apus

/// `apus plot RUN`: draws a run's pictures again.
struct PlotCommand: Command {
    let syntax = CommandSyntax(
        "plot", summary: "Draw a run's pictures again, from its history and weights", operands: [.run],
        options: [RunOptions.runData, RunOptions.runDataset, RunOptions.device, RunOptions.threads])

    func run(_ arguments: Arguments) throws {
        let run = try TrainedRun(opening: arguments.operands[0])
        let device = try RunOptions.chosenDevice(arguments)
        let history = try History(jsonLines: run.folder.history)
        let data = try run.data(arguments)
        let names = try RunPictures.draw(
            run.experiment, run.network, history: history, data: data.loaded, device: device, into: run.folder)
        for name in names { Console.line("\(run.folder.url.relativePath)/\(name).png and .svg") }
    }
}
