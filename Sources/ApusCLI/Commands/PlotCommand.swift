import Apus

/// `apus plot RUN`: draws a run's pictures again.
struct PlotCommand: Command {
    let syntax = CommandSyntax(
        "plot", summary: "Draw a run's pictures again, from its history and weights", operands: [.run],
        options: [RunOptions.runData, RunOptions.runDataset, RunOptions.device, RunOptions.threads],
        notes: "Curves need no data set; pictures of what a network makes of the test images do.")

    func run(_ arguments: Arguments) throws {
        let run = try TrainedRun.open(arguments.operands[0])
        let device = try RunOptions.chosenDevice(arguments)
        let pictures = RunPictures(experiment: run.experiment, folder: run.folder)
        let history = try History(jsonLines: run.folder.history)
        if history.epochs.isEmpty { Console.report("No epoch of this run has ended, so there are no curves.") }
        try announce(try pictures.drawCurves(of: history), in: run.folder)
        guard run.experiment.drawsTestImages else { return }
        do {
            let data = try run.data(arguments)
            try announce(try pictures.drawImages(run.network, data: data.loaded, device: device), in: run.folder)
        } catch let problem as ApusError {
            throw CommandEnding(
                message:
                    "\(problem) The curves are drawn; the other pictures of \(run.experiment.name) show the data set's "
                    + "test images.",
                exitCode: CommandLineProgram.exitCode(for: problem))
        }
    }

    private func announce(_ names: [String], in folder: RunFolder) throws {
        for name in names { try Console.line("\(folder.url.relativePath)/\(name).png and .svg") }
    }
}
