import Apus
import Foundation

/// An image file in the form that a network takes.
package struct InputImage {
    /// From 0 to 1, row by row, the channels of a pixel side by side.
    package let values: [Float]
    /// Whether a file that is dark on light was made light on dark.
    package let isInverted: Bool
    /// The file's own picture, where it is large in a smaller size: at most `sideLimit` pixels a side.
    package let picture: Pixels

    /// What was done to a file of another size, in words; `nil` for the network's own.
    package let scalingText: String?

    private static let sideLimit = 512

    /// - Parameter shape: `[height, width]` for digits, which are grey and light on dark; `[height, width, 3]` for
    ///   pictures in colour. The file may have any size; proportions are not kept.
    /// - Throws: `ApusError.file`.
    package init(_ url: URL, shape: Shape) throws {
        let file = try Pixels(contentsOf: url)
        let (height, width) = (shape[0], shape[1])
        let pixels = try (shape.rank == 3 && shape[2] == 3 ? file.colored : file.gray)
            .resized(height: height, width: width)
        // Width before height, as image programs give it.
        scalingText =
            (file.height, file.width) == (height, width)
            ? nil
            : "\(file.width) x \(file.height) pixels, scaled to \(width) x \(height)"
                + (file.width * height == file.height * width ? "." : " without keeping its proportions.")
        let numbers = pixels.bytes.map { Float($0) / 255 }
        isInverted = shape.rank == 2 && Self.isLightPaper(numbers, width: width)
        values = isInverted ? numbers.map { 1 - $0 } : numbers
        let factor = min(1, Double(Self.sideLimit) / Double(max(file.height, file.width)))
        picture = try file.resized(
            height: max(1, Int((Double(file.height) * factor).rounded())),
            width: max(1, Int((Double(file.width) * factor).rounded())))
    }

    /// The border is paper: on average, is it light?
    private static func isLightPaper(_ grays: [Float], width: Int) -> Bool {
        let height = grays.count / width
        let border = grays.indices.filter {
            $0 / width == 0 || $0 / width == height - 1 || $0 % width == 0 || $0 % width == width - 1
        }
        return border.reduce(0) { $0 + grays[$1] } / Float(border.count) > 0.5
    }
}
