import Apus

extension ClassActivationMaps: ExplainingExperiment {
    public var drawsTestImages: Bool { true }

    /// The channel that belongs to the class with the greatest score: its mean is what the softmax was given.
    public func explanations(
        of images: NDArray, by network: ExperimentNetwork, device: Device
    ) throws -> [Explanation] {
        guard let part = network.part(Self.mapsName) else { return [] }
        let images = try images.reshaped(to: Shape([images.shape[0]] + imageShape.sizes))
        let outputs = try network.model.predict(images, device: device)
        let maps = try part.predict(images, device: device)
        let (scores, activations) = (outputs.floats, maps.floats)
        let (height, width, classCount) = (maps.shape[1], maps.shape[2], maps.shape[3])
        return (0..<images.shape[0]).map { image in
            let own = scores[image * classCount..<(image + 1) * classCount]
            let best = own.indices.max { own[$0] < own[$1] } ?? own.startIndex
            let classIndex = best - own.startIndex
            let first = image * height * width * classCount + classIndex
            let map = NDArray(shape: [height, width]) { (values: UnsafeMutableBufferPointer<Float>) in
                for place in values.indices { values[place] = activations[first + place * classCount] }
            }
            return Explanation(classIndex: classIndex, score: own[best], map: map)
        }
    }

    /// `class_activation_maps`: test images, two of each class, beside the maps of what the network takes them for.
    public func pictures(
        of network: ExperimentNetwork, images: Dataset, classNames: [String], device: Device
    ) throws -> [NamedPicture] {
        try images.checkLabels(classCount: classNames.count)
        let chosen = try images.subset(Self.choice(of: images.labels ?? [], classCount: classNames.count))
        let column = chosen.inputs[0]
        let values = NDArray(column.values.floats.map { $0 * column.scale })
        let shown = try values.reshaped(to: Shape([chosen.count] + imageShape.sizes))
        let explanations = try explanations(of: shown, by: network, device: device)
        let tiles = try zip(explanations, chosen.labels ?? []).enumerated().flatMap { index, pair in
            let (explanation, label) = pair
            let image = try Pixels(shown.rows(index..<index + 1).reshaped(to: imageShape))
            let isRight = explanation.classIndex == Int(label)
            return [
                ImageSheet.Tile(image, caption: classNames[Int(label)]),
                ImageSheet.Tile(
                    try explanation.overlay(on: image), caption: explanation.caption(classNames),
                    captionColor: isRight ? nil : Color(hex: 0xC00000)),
            ]
        }
        let rowLength = 8
        let rows = stride(from: 0, to: tiles.count, by: rowLength).map {
            Array(tiles[$0..<min($0 + rowLength, tiles.count)])
        }
        let sheet = try ImageSheet(
            title: "Test images and their classes; activation maps of the predicted classes, with scores "
                + "(red where wrong)",
            rows: rows, tileSide: 112, groupLength: 2)
        return [NamedPicture("class_activation_maps", sheet)]
    }

    /// The first two images of each class, then others up to twenty; by class.
    package static func choice(of labels: [Int32], classCount: Int) -> [Int] {
        let wanted = 2 * classCount
        var counts = [Int](repeating: 0, count: classCount)
        var (chosen, others): ([Int], [Int]) = ([], [])
        for (index, label) in labels.enumerated() {
            if counts[Int(label)] < 2 { chosen.append(index) } else if others.count < wanted { others.append(index) }
            counts[Int(label)] += 1
        }
        chosen += others.prefix(max(0, wanted - chosen.count))
        return chosen.sorted { (labels[$0], $0) < (labels[$1], $1) }
    }
}
