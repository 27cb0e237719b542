import ApusCore

/// A random change of training images. A list of them is applied in its order; each sample draws anew in each epoch.
///
///     try trainer.fit(
///         train, epochs: 50, validation: test,
///         augmentation: [.horizontalFlip(), .zoom(height: 0.5...1.5, width: 0.5...1.5)])
///
/// What is drawn is a function of (seed, epoch, the sample's index in its data set, the change's place in the list):
/// neither the batch size nor the order nor the number of threads changes it.
///
/// Images are the inputs of shape `[height, width]` or `[height, width, channels]` a sample that are not int32; all
/// images of a sample are changed alike. Other inputs and the targets stay, but for `mixup`.
///
/// Neighbouring changes of the geometry (flips, zoom, shift, rotation) are done in one pass: each new pixel is read
/// once, bilinearly, at the place where all of them together find it. Beyond the image its edge pixels are repeated.
/// Pixel centres are at whole numbers, and the centre of n pixels is at (n - 1) / 2.
///
/// Brightness and contrast keep what came as bytes within the range of bytes (0...1 with a scale of 1/255); other
/// numbers have no bounds.
public enum Augmentation: Sendable, Hashable, Codable {
    /// Left and right are exchanged with a probability from 0 to 1.
    case horizontalFlip(probability: Double = 0.5)
    /// Top and bottom are exchanged with a probability from 0 to 1.
    case verticalFlip(probability: Double = 0.5)
    /// A factor for the height and one for the width, drawn from each range by itself; above 0.
    ///
    /// The pixel at p is read at `centre + factor (p - centre)`: below 1 the middle of the image fills the frame, above
    /// 1 the image shrinks and its edges are repeated around it. Keras' `zoom_range=0.5` is `0.5...1.5` for both.
    case zoom(height: ClosedRange<Double>, width: ClosedRange<Double>)
    /// The image moves by drawn parts of its height (down where positive) and width (to the right): from -1 to 1.
    case shift(height: ClosedRange<Double>, width: ClosedRange<Double>)
    /// The image turns about its centre by a drawn angle, counter-clockwise where positive: from -360 to 360.
    case rotation(degrees: ClosedRange<Double>)
    /// A frame of black pixels (zeros) is put around the image, and a part of the image's own size is cut out of it at
    /// a random place. The frame's width is from 0 to 16,384.
    case crop(padding: Int)
    /// A drawn number is added to all values of an image, in their units in a batch.
    case brightness(ClosedRange<Double>)
    /// `mean + factor (x - mean)` for each value of an image, with the mean of its channel; the factor, at least 0, is
    /// drawn from the range.
    case contrast(ClosedRange<Double>)
    /// A square of this many pixels a side, about a random pixel and cut off at the image's edges, becomes zero.
    ///
    /// Source: DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    case cutout(size: Int)
    /// The sample is mixed with another one, drawn from the whole data set and changed by the rest of the list as in
    /// its own turn: `lambda own + (1 - lambda) other`, with lambda from Beta(alpha, alpha), for inputs, targets and
    /// sample weights. It stands last in the list, and needs targets that are not int32. 0 mixes nothing.
    ///
    /// Source: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, 2018.
    case mixup(alpha: Double)
}

extension Augmentation {
    /// - Throws: `ApusError.setting` for the first setting out of its range.
    static func check(_ list: [Augmentation]) throws {
        for (place, change) in list.enumerated() {
            try change.checkSettings()
            if case .mixup = change, place != list.count - 1 {
                throw ApusError.setting(
                    owner: "Augmentation", name: "mixup's place", value: "\(place + 1) of \(list.count)",
                    expected: "the last")
            }
        }
        guard list.count <= AugmentationDraw.placeLimit else {
            throw ApusError.setting(
                owner: "Augmentation", name: "the number of changes", value: "\(list.count)",
                expected: "at most \(AugmentationDraw.placeLimit)")
        }
    }

    private func checkSettings() throws {
        func require(_ isValid: Bool, _ name: String, _ value: Any, _ expected: String) throws {
            if !isValid {
                throw ApusError.setting(
                    owner: "Augmentation", name: name, value: "\(value)", expected: expected)
            }
        }
        func require(_ range: ClosedRange<Double>, within bounds: ClosedRange<Double>, _ name: String) throws {
            try require(
                bounds.contains(range.lowerBound) && bounds.contains(range.upperBound), name, range,
                "within \(bounds.lowerBound)...\(bounds.upperBound)")
        }
        func isFinite(_ range: ClosedRange<Double>) -> Bool { range.lowerBound.isFinite && range.upperBound.isFinite }
        switch self {
        case .horizontalFlip(let probability):
            try require((0...1).contains(probability), "horizontalFlip's probability", probability, "from 0 to 1")
        case .verticalFlip(let probability):
            try require((0...1).contains(probability), "verticalFlip's probability", probability, "from 0 to 1")
        case .zoom(let height, let width):
            for (name, range) in [("height", height), ("width", width)] {
                try require(range.lowerBound > 0 && isFinite(range), "zoom's \(name)", range, "above 0 and finite")
            }
        case .shift(let height, let width):
            try require(height, within: -1...1, "shift's height")
            try require(width, within: -1...1, "shift's width")
        case .rotation(let degrees): try require(degrees, within: -360...360, "rotation's degrees")
        case .crop(let padding):
            try require((0...16_384).contains(padding), "crop's padding", padding, "from 0 to 16384")
        case .brightness(let range): try require(isFinite(range), "brightness", range, "finite")
        case .contrast(let range):
            try require(range.lowerBound >= 0 && isFinite(range), "contrast", range, "at least 0 and finite")
        case .cutout(let size): try require(size >= 0, "cutout's size", size, "at least 0")
        case .mixup(let alpha):
            try require(alpha >= 0 && alpha.isFinite, "mixup's alpha", alpha, "at least 0 and finite")
        }
    }
}
