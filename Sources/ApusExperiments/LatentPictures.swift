import Apus

extension VariationalAutoencoder {
    /// `vae_mean`, where the encoder puts the test images, and `digits_over_latent`, what the decoder draws there.
    public func pictures(
        of network: ExperimentNetwork, images: Dataset, classNames: [String], device: Device
    ) throws -> [NamedPicture] {
        guard let encoder = network.part(Self.encoderName), let decoder = network.part(Self.decoderName) else {
            return []
        }
        return [
            NamedPicture("vae_mean", try means(of: images, by: encoder, classNames, device)),
            NamedPicture("digits_over_latent", try grid(by: decoder, device)),
        ]
    }

    private func means(
        of images: Dataset, by encoder: Model, _ classNames: [String], _ device: Device
    ) throws -> ScatterChart {
        try images.checkLabels(classCount: classNames.count)
        let means = try encoder.predictions(for: prepare(images), batchSize: 256, device: device)[0]
        return try ScatterChart(
            title: "z_mean of the \(images.count) test images", xLabel: "z[0]", yLabel: "z[1]", points: means,
            coloring: .classes((images.labels ?? []).map { Int($0) }, names: classNames, label: "digit"))
    }

    /// 30 x 30 images for z from -4 to 4 on both axes, z[1] upwards.
    private func grid(by decoder: Model, _ device: Device) throws -> ImageGrid {
        let (side, limit) = (30, Float(4))
        let steps = (0..<side).map { -limit + 2 * limit * Float($0) / Float(side - 1) }
        // The picture's rows go from its upper edge down.
        let places = steps.reversed().flatMap { z1 in steps.flatMap { z0 in [z0, z1] } }
        let drawn = try decoder.predict(NDArray(places, shape: [side * side, 2]), device: device)
        return try ImageGrid(
            title: "what the decoder draws over the latent plane", images: drawn.reshaped(to: [side * side, 28, 28]),
            rows: side, columns: side)
    }
}
