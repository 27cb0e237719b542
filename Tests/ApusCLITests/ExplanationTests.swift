import Apus
import ApusCLI
import ApusExperiments
import ApusTestSupport
import Foundation
import Testing

/// Class activation maps, and what is said and drawn with them.
@Suite struct ExplanationTests {
    private let experiment = ClassActivationMaps()

    /// A map's mean over its 8 x 8 places is the class's number before the softmax; the score is
    /// exp(mean of the class) / sum of exp(means), and the map handed out is the channel of the greatest.
    @Test func aMapsMeanDecides() throws {
        let network = try experiment.network(seed: 4)
        var numbers = SeededNumbers(seed: 9)
        let images = numbers.array([3, 32, 32, 3], in: 0...1)
        let part = try #require(network.part(ClassActivationMaps.mapsName))
        let maps = try part.predict(images)
        #expect(maps.shape == [3, 8, 8, 10])
        let (places, scores) = (maps.doubles, try network.model.predict(images).doubles)
        let explanations = try experiment.explanations(of: images, by: network, device: .cpu)
        #expect(explanations.count == 3)
        for (image, explanation) in explanations.enumerated() {
            func channel(_ index: Int) -> [Double] { (0..<64).map { places[(64 * image + $0) * 10 + index] } }
            let means = (0..<10).map { channel($0).reduce(0, +) / 64 }
            let sum = means.reduce(0) { $0 + exp($1) }
            for index in 0..<10 { #expect(abs(exp(means[index]) / sum - scores[10 * image + index]) < 1e-5) }
            let best = try #require(means.indices.max { means[$0] < means[$1] })
            #expect(explanation.classIndex == best)
            #expect(abs(Double(explanation.score) - exp(means[best]) / sum) < 1e-5)
            #expect(explanation.map.shape == [8, 8])
            #expect(explanation.map.doubles == channel(best))
        }
    }

    /// What an image is taken for does not depend on those that it is computed with.
    @Test func imagesAreExplainedOneByOneAsTogether() throws {
        let network = try experiment.network(seed: 8)
        var numbers = SeededNumbers(seed: 10)
        let images = numbers.array([4, 32, 32, 3], in: 0...1)
        let together = try experiment.explanations(of: images, by: network, device: .cpu)
        for index in 0..<4 {
            let alone = try #require(
                experiment.explanations(of: images.rows(index..<index + 1), by: network, device: .cpu).first)
            #expect(alone.classIndex == together[index].classIndex)
            #expect(abs(alone.score - together[index].score) < 1e-5)
            for (one, other) in zip(alone.map.floats, together[index].map.floats) { #expect(abs(one - other) < 1e-4) }
        }
    }

    /// The network with every variable at zero but the last bias: ln 9 for class 4, and 0 for nine others. Then the
    /// score of class 4 is 9 / (9 + 9 * 1) = 0.5, of each other 1 / 18, and its map is ln 9 throughout.
    private func networkOfClassFour() throws -> ExperimentNetwork {
        let network = try experiment.network(seed: 0)
        for entry in network.model.variables {
            let isLast = entry.path.hasSuffix("class_activation_map/bias")
            let values = isLast ? (0..<10).map { $0 == 4 ? Float(2.197_224_6) : 0 } : nil
            try entry.variable.assign(values.map { NDArray($0) } ?? NDArray(zeros: entry.variable.shape))
        }
        return network
    }

    @Test func aScoreByHand() throws {
        let network = try networkOfClassFour()
        // As many numbers as an image has are enough, whatever their shape.
        let image = NDArray(zeros: [1, 3072])
        let explanation = try #require(experiment.explanations(of: image, by: network, device: .cpu).first)
        #expect(explanation.classIndex == 4)
        #expect(abs(explanation.score - 0.5) < 1e-6)
        #expect(explanation.map.floats == [Float](repeating: 2.197_224_6, count: 64))
        let names = PublishedDataset.cifar10.classNames
        #expect(explanation.caption(names) == "deer 0.50")
        let answer = try #require(
            experiment.answers(to: image, by: network, classNames: names, device: .cpu).first)
        #expect(
            answer.text
                == "deer (0.5000)   airplane 0.0556  automobile 0.0556  bird 0.0556  cat 0.0556  deer 0.5000  "
                + "dog 0.0556  frog 0.0556  horse 0.0556  ship 0.0556  truck 0.0556")
        #expect(answer.image == nil)
    }

    /// Two of each class come first; a class that has fewer leaves its places to the others.
    @Test func theSheetHasTwoOfEachClass() {
        let labels: [Int32] = [1, 0, 1, 1, 0, 0]
        #expect(ClassActivationMaps.choice(of: labels, classCount: 2) == [1, 4, 0, 2])
        #expect(ClassActivationMaps.choice(of: labels, classCount: 3) == [1, 4, 5, 0, 2, 3])
        #expect(ClassActivationMaps.choice(of: [2, 2, 2, 2], classCount: 4) == [0, 1, 2, 3])
        #expect(ClassActivationMaps.choice(of: [], classCount: 3) == [])
    }

    /// 21 images: twenty are drawn, in rows of four pairs: 8 tiles of 112 with 10 between, 3 * 18 more, 24 for margins;
    /// a title, and five rows of a caption, a tile and a gap.
    @Test func theSheetsSize() throws {
        var numbers = SeededNumbers(seed: 2)
        let bytes = numbers.array([21, 32, 32, 3], in: 0...255).converted(to: .uint8)
        let images = try Dataset(
            inputs: bytes, targets: NDArray((0..<21).map { Int32($0 % 7) }), scale: 1 / 255)
        let pictures = try experiment.pictures(
            of: networkOfClassFour(), images: images, classNames: PublishedDataset.cifar10.classNames, device: .cpu)
        #expect(pictures.map(\.name) == ["class_activation_maps"])
        let sheet = try #require(pictures.first?.picture as? ImageSheet)
        #expect(sheet.size == PictureSize(width: 8 * 112 + 7 * 10 + 3 * 18 + 24, height: 30 + 5 * 138 - 10 + 24))
        #expect(sheet.rows.map(\.count) == [8, 8, 8, 8, 8])
        #expect(sheet.rows[0].map(\.caption).prefix(4) == ["airplane", "deer 0.50", "airplane", "deer 0.50"])
        // Deer is class 4: right where the image is one.
        let tiles = sheet.rows.flatMap { $0 }
        for pair in 0..<20 {
            let isRight = tiles[2 * pair].caption == "deer"
            #expect((tiles[2 * pair + 1].captionColor == tiles[0].captionColor) == isRight)
        }
        #expect(tiles.count { $0.caption == "deer" } == 3)
        // A map of one value throughout is jet's middle (128, 255, 128), half and half with the image, whose
        // colours stay.
        let corner = tiles[0].pixels.bytes.prefix(3)
        #expect(Set(corner).count == 3)
        let mixed = zip(corner, [128, 255, 128]).map { UInt8((Double($0) / 2 + $1 / 2).rounded()) }
        #expect(Array(tiles[1].pixels.bytes.prefix(3)) == mixed)
    }

    @Test func picturesAreNamedAfterTheirFiles() {
        #expect(
            ExplanationPictures.names(for: ["a/cat.png", "dog.jpeg", "b/cat.jpg", "cat", "cat-2.png", "a.b.png"])
                == ["cat", "dog", "cat-2", "cat-3", "cat-2-2", "a.b"])
    }

    /// Two tiles of 256 with 10 between and margins, a caption above.
    @Test func onePictureForEachImage() throws {
        let map = try NDArray([0, 1, 2, 3] as [Float], shape: [2, 2])
        let explanation = Explanation(classIndex: 1, score: 0.999, map: map)
        let pictures = ExplanationPictures(folder: URL(fileURLWithPath: "."), classNames: ["cat", "dog"])
        let sheet = try pictures.sheet(Pixels(NDArray(zeros: [32, 64, 3])), explanation)
        #expect(sheet.size == PictureSize(width: 546, height: 16 + 128 + 24))
        #expect(sheet.rows.map { $0.map(\.caption) } == [["image", "dog 1.00"]])
        // The map is laid over four times as many pixels a side, so that it is smooth.
        #expect((sheet.rows[0][1].pixels.height, sheet.rows[0][1].pixels.width) == (128, 256))
    }
}
