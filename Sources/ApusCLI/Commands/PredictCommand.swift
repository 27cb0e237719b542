import Apus
import ApusExperiments
import Foundation

/// `apus predict RUN IMAGE...`: what a run's network says to images.
struct PredictCommand: Command {
    static let explain = Option.flag(
        "explain", help: "Draw where in each image the network sees its answer, in the run's folder 'explained'")

    let syntax = CommandSyntax(
        "predict", summary: "Show what a run's network makes of images",
        operands: [.run, .init("IMAGE", help: "a PNG or JPEG file", isRepeated: true)],
        options: [explain, RunOptions.device, RunOptions.threads],
        notes: "Images of any size are scaled to what the network takes: 28 x 28 grey pixels for digits, where dark\n"
            + "ones on light paper are inverted, 32 x 32 pixels in colour for \(PredictCommand.explaining).\n"
            + "--explain is for \(PredictCommand.explaining), whose networks have maps of what they see.\n"
            + "A network that draws leaves what it drew in the run's folder, as reconstructions.png and .svg.")

    /// The experiments that can be explained.
    private static var explaining: String {
        Experiments.all.filter { $0 is any ExplainingExperiment }.map(\.name).joined(separator: ", ")
    }

    func run(_ arguments: Arguments) throws {
        let run = try TrainedRun.open(arguments.operands[0])
        let device = try RunOptions.chosenDevice(arguments)
        let explaining = try arguments.has(Self.explain) ? explainingExperiment(of: run) : nil
        let files = Array(arguments.operands.dropFirst())
        var (readable, images): ([String], [InputImage]) = ([], [])
        for file in files {
            // One that cannot be used is no reason to keep silent about the others.
            do {
                images.append(try InputImage(URL(fileURLWithPath: file), shape: run.experiment.imageShape))
                readable.append(file)
            } catch let problem as ApusError {
                Console.report("apus: \(problem)")
            }
        }
        if !images.isEmpty { try predict(readable, images, by: run, explaining, device) }
        if images.count < files.count { throw CommandEnding(message: nil, exitCode: 1) }
    }

    private func explainingExperiment(of run: TrainedRun) throws -> any ExplainingExperiment {
        guard let experiment = run.experiment as? any ExplainingExperiment else {
            throw ApusError.usage(
                problem:
                    "--explain needs a network with maps of what it sees; that of \(run.experiment.name) has none.",
                cure: "Give a run of \(Self.explaining), or leave --explain out.")
        }
        return experiment
    }

    private func predict(
        _ files: [String], _ images: [InputImage], by run: TrainedRun, _ explaining: (any ExplainingExperiment)?,
        _ device: Device
    ) throws {
        let shape = Shape([images.count] + run.experiment.imageShape.sizes)
        let array = try NDArray(images.flatMap(\.values), shape: shape)
        let classNames = try PublishedDataset.named(run.card.data.name).classNames
        let answers = try run.experiment.answers(
            to: array, by: run.network, classNames: classNames, device: device)
        for (file, (image, answer)) in zip(files, zip(images, answers)) {
            if let text = image.scalingText { Console.report("\(file): \(text)") }
            if image.isInverted { Console.report("\(file): light paper; the image is inverted.") }
            try Console.line("\(file): \(answer.text)")
        }
        try drawReconstructions(images, answers, run)
        guard let explaining else { return }
        let explanations = try explaining.explanations(of: array, by: run.network, device: device)
        try ExplanationPictures(folder: run.folder.explanations, classNames: classNames)
            .draw(files, images, explanations)
    }

    private func drawReconstructions(_ images: [InputImage], _ answers: [Answer], _ run: TrainedRun) throws {
        let rows = try zip(images, answers).compactMap { image, answer in
            try answer.image.map { drawn in
                [
                    try ImageSheet.Tile(NDArray(image.values, shape: run.experiment.imageShape), caption: "image"),
                    try ImageSheet.Tile(drawn, caption: "drawn"),
                ]
            }
        }
        guard !rows.isEmpty else { return }
        try ImageSheet(rows: rows).save(as: "reconstructions", in: run.folder.url)
        try Console.line("What it drew: \(run.folder.path)/reconstructions.png and .svg")
    }
}
