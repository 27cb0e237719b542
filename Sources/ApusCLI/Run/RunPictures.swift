import Apus
import ApusExperiments
import Foundation

/// The pictures of a run, drawn into its folder.
struct RunPictures {
    let experiment: any Experiment
    let folder: RunFolder

    /// A panel for the loss and each metric, training beside validation; nothing where no epoch has ended.
    /// - Returns: the names of the files, without endings.
    @discardableResult
    func drawCurves(of history: History) throws -> [String] {
        guard let first = history.epochs.first else { return [] }
        let panels = Panels(
            title: experiment.name,
            training: first.training.names.map { name in
                Panels.TrainingCurve(name, training: history[name], validation: history["val_\(name)"])
            })
        return try save([NamedPicture("curves", panels)])
    }

    /// What the network makes of the test images.
    /// - Returns: the names of the files, without endings.
    @discardableResult
    func drawImages(_ network: ExperimentNetwork, data: LoadedDataset, device: Device) throws -> [String] {
        try save(experiment.pictures(of: network, images: data.test, classNames: data.classNames, device: device))
    }

    private func save(_ pictures: [NamedPicture]) throws -> [String] {
        for picture in pictures { try picture.picture.save(as: picture.name, in: folder.url) }
        return pictures.map(\.name)
    }
}
