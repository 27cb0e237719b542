import Apus
import ApusExperiments
import Foundation

/// `apus predict RUN IMAGE...`: what a run's network says to images.
struct PredictCommand: Command {
    let syntax = CommandSyntax(
        "predict", summary: "Show what a run's network makes of images",
        operands: [.run, .init("IMAGE", help: "a PNG or JPEG file with one digit", isRepeated: true)],
        options: [RunOptions.device, RunOptions.threads],
        notes: "Images of any size are scaled to 28 x 28 pixels, and dark digits on light paper are inverted.\n"
            + "A network that draws leaves what it drew in the run's folder, as reconstructions.png and .svg.")

    func run(_ arguments: Arguments) throws {
        let run = try TrainedRun.open(arguments.operands[0])
        let device = try RunOptions.chosenDevice(arguments)
        let files = Array(arguments.operands.dropFirst())
        var (readable, images): ([String], [DigitImage]) = ([], [])
        for file in files {
            // One that cannot be used is no reason to keep silent about the others.
            do {
                images.append(try DigitImage(URL(fileURLWithPath: file)))
                readable.append(file)
            } catch let problem as ApusError {
                Console.report("apus: \(problem)")
            }
        }
        if !images.isEmpty { try predict(readable, images, by: run, device) }
        if images.count < files.count { throw CommandEnding(message: nil, exitCode: 1) }
    }

    private func predict(_ files: [String], _ images: [DigitImage], by run: TrainedRun, _ device: Device) throws {
        let array = try NDArray(images.flatMap(\.values), shape: [images.count, 784])
        let answers = try run.experiment.answers(
            to: array, by: run.network, classNames: PublishedDataset.named(run.card.data.name).classNames,
            device: device)
        for (file, (image, answer)) in zip(files, zip(images, answers)) {
            if image.isInverted { Console.report("\(file): light paper; the image is inverted.") }
            try Console.line("\(file): \(answer.text)")
        }
        try drawReconstructions(images, answers, run.folder)
    }

    private func drawReconstructions(_ images: [DigitImage], _ answers: [Answer], _ folder: RunFolder) throws {
        let rows = try zip(images, answers).compactMap { image, answer in
            try answer.image.map { drawn in
                [
                    try ImageSheet.Tile(NDArray(image.values, shape: [28, 28]), caption: "image"),
                    try ImageSheet.Tile(drawn, caption: "drawn"),
                ]
            }
        }
        guard !rows.isEmpty else { return }
        try ImageSheet(rows: rows).save(as: "reconstructions", in: folder.url)
        try Console.line("What it drew: \(folder.url.relativePath)/reconstructions.png and .svg")
    }
}

/// An image file in the form of MNIST: 28 x 28 grey values, light on dark.
package struct DigitImage {
    /// From 0 to 1, row by row.
    package let values: [Float]
    /// Whether the file is dark on light.
    package let isInverted: Bool

    /// - Throws: `ApusError.file`.
    package init(_ url: URL) throws {
        let pixels = try Pixels(contentsOf: url).gray.resized(height: 28, width: 28)
        let grays = pixels.bytes.map { Float($0) / 255 }
        // The border is paper: on average, is it light?
        let border = grays.indices.filter { $0 / 28 == 0 || $0 / 28 == 27 || $0 % 28 == 0 || $0 % 28 == 27 }
        let mean = border.reduce(0) { $0 + grays[$1] } / Float(border.count)
        isInverted = mean > 0.5
        values = isInverted ? grays.map { 1 - $0 } : grays
    }
}
