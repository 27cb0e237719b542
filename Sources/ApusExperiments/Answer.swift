import Apus
import Foundation

/// What a network says to one image.
public struct Answer: Sendable {
    /// A line.
    public let text: String
    /// What it makes of the image, of `imageShape`, from 0 to 1; `nil` where it only names it.
    public let image: NDArray?

    public init(_ text: String, image: NDArray? = nil) {
        self.text = text
        self.image = image
    }
}

extension Experiment {
    /// The class with the greatest output, and all outputs.
    public func answers(
        to images: NDArray, by network: ExperimentNetwork, classNames: [String], device: Device
    ) throws -> [Answer] {
        let sizes = network.model.inputs[0].shape.sizes.dropFirst()
        let inputs = try images.reshaped(to: Shape([images.shape[0]] + sizes))
        let outputs = try network.model.predict(inputs, device: device)
        let (values, count) = (outputs.floats, outputs.shape[-1])
        return (0..<outputs.shape[0]).map { index in
            let scores = Array(values[index * count..<(index + 1) * count])
            let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
            let all = zip(classNames, scores).map { "\($0) \(decimals($1, 4))" }.joined(separator: "  ")
            return Answer("\(classNames[best]) (\(decimals(scores[best], 4)))   \(all)")
        }
    }
}

extension VariationalAutoencoder {
    /// Where the encoder puts the image, and what the decoder draws there.
    public func answers(
        to images: NDArray, by network: ExperimentNetwork, classNames: [String], device: Device
    ) throws -> [Answer] {
        guard let encoder = network.part(Self.encoderName), let decoder = network.part(Self.decoderName) else {
            return []
        }
        let vectors = try images.reshaped(to: [images.shape[0], 784])
        let codes = try encoder.predictAll([vectors], device: device)
        let drawn = try decoder.predict(codes[0], device: device)
        let (means, logVariances) = (codes[0].floats, codes[1].floats)
        return try (0..<images.shape[0]).map { index in
            let mean = means[2 * index..<2 * index + 2].map { decimals($0, 3) }.joined(separator: ", ")
            let deviation = logVariances[2 * index..<2 * index + 2].map { decimals(Float.exp(0.5 * $0), 3) }
                .joined(separator: ", ")
            return Answer(
                "z = [\(mean)], give or take [\(deviation)]",
                image: try drawn.rows(index..<index + 1).reshaped(to: [28, 28]))
        }
    }
}

func decimals(_ value: Float, _ count: Int) -> String { String(format: "%.\(count)f", Double(value)) }
