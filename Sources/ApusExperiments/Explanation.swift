import Apus

/// An experiment whose network shows where in an image it sees what it answers.
public protocol ExplainingExperiment: Experiment {
    /// What a trained network says to each of `images`, and where it sees it; float32 from 0 to 1, n times as many
    /// as `imageShape` has.
    func explanations(
        of images: NDArray, by network: ExperimentNetwork, device: Device
    ) throws -> [Explanation]
}

/// A network's answer to one image, and where in the image it comes from.
public struct Explanation: Sendable {
    /// The class with the greatest score.
    public let classIndex: Int
    /// From 0 to 1.
    public let score: Float
    /// `[height, width]`, coarser than the image: how much speaks for the class at each place, any numbers.
    public let map: NDArray

    public init(classIndex: Int, score: Float, map: NDArray) {
        self.classIndex = classIndex
        self.score = score
        self.map = map
    }

    /// As in `cat 0.87`.
    public func caption(_ classNames: [String]) -> String {
        "\(classNames[classIndex]) \(decimals(score, 2))"
    }

    /// The map, from blue, where least speaks for the class, to red, mixed half and half with `image`.
    public func overlay(on image: Pixels) throws -> Pixels { try ColorMap.jet.overlay(map, on: image) }
}
