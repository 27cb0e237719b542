import Apus
import ApusExperiments
import Foundation

/// The pictures of a run.
enum RunPictures {
    /// Draws all of them into the run's folder.
    /// - Returns: their names, without endings.
    @discardableResult
    static func draw(
        _ experiment: any Experiment, _ network: ExperimentNetwork, history: History, data: LoadedDataset,
        device: Device, into folder: RunFolder
    ) throws -> [String] {
        var pictures: [NamedPicture] = []
        if !history.epochs.isEmpty {
            pictures.append(NamedPicture("curves", curves(of: history, title: experiment.name)))
        }
        pictures += try experiment.pictures(
            of: network, images: data.test, classNames: data.classNames, device: device)
        for picture in pictures { try picture.picture.save(as: picture.name, in: folder.url) }
        return pictures.map(\.name)
    }

    /// A panel for the loss and each metric, training beside validation.
    static func curves(of history: History, title: String) -> Panels {
        let names = history.epochs.first?.training.names ?? []
        return Panels(
            title: title,
            training: names.map { name in
                Panels.TrainingCurve(name, training: history[name], validation: history["val_\(name)"])
            })
    }
}
