import Apus
import ApusCLI
import ApusTestSupport
import Foundation
import Testing

@Suite struct InputImageTests {
    /// A PNG of `gray` everywhere but for one pixel in the middle.
    private func image(_ gray: Float, middle: Float, in folder: TemporaryFolder) throws -> InputImage {
        var values = [Float](repeating: gray, count: 784)
        values[14 * 28 + 14] = middle
        let url = folder.file("image.png")
        try Pixels(NDArray(values, shape: [28, 28])).savePNG(to: url)
        return try InputImage(url, shape: [28, 28])
    }

    @Test func lightOnDarkStays() throws {
        let image = try image(0, middle: 1, in: TemporaryFolder())
        #expect(!image.isInverted)
        #expect(image.values[14 * 28 + 14] == 1)
        #expect(image.values.reduce(Float(0), +) == Float(1))
    }

    @Test func darkOnLightIsInverted() throws {
        let image = try image(1, middle: 0, in: TemporaryFolder())
        #expect(image.isInverted)
        #expect(image.values[14 * 28 + 14] == 1)
        #expect(image.values.reduce(Float(0), +) == Float(1))
    }

    @Test func scalingIsTold() throws {
        let folder = try TemporaryFolder()
        func text(width: Int, height: Int) throws -> String? {
            try Pixels(NDArray(zeros: [height, width])).savePNG(to: folder.file("image.png"))
            return try InputImage(folder.file("image.png"), shape: [28, 28]).scalingText
        }
        #expect(try text(width: 28, height: 28) == nil)
        #expect(try text(width: 300, height: 300) == "300 x 300 pixels, scaled to 28 x 28.")
        #expect(try text(width: 14, height: 7) == "14 x 7 pixels, scaled to 28 x 28 without keeping its proportions.")
    }

    private func colors(_ pixels: [UInt8], width: Int, channels: Int = 3) throws -> InputImage {
        let folder = try TemporaryFolder()
        let shape: Shape = [pixels.count / width / channels, width, channels]
        let array = NDArray(shape: shape) { (values: UnsafeMutableBufferPointer<UInt8>) in
            for index in values.indices { values[index] = pixels[index] }
        }
        try Pixels(array).savePNG(to: folder.file("image.png"))
        return try InputImage(folder.file("image.png"), shape: [32, 32, 3])
    }

    /// A red pixel over a white one: the upper rows are red to number 7, whose centre is where the red pixel's is, the
    /// lower ones white; row 15 is at 15.5 * 2 / 32 - 0.5 = 0.46875 of the way: green is 255 * 0.46875 = 119.5, rounded
    /// to 120. White paper stays white.
    @Test func picturesInColorAreStretchedAndNotInverted() throws {
        let image = try colors([255, 0, 0, 255, 255, 255], width: 1)
        #expect(image.values.count == 3072)
        #expect(!image.isInverted)
        func color(_ row: Int, _ column: Int) -> [Float] {
            let first = 3 * (32 * row + column)
            return Array(image.values[first..<first + 3])
        }
        let mixed = Float(120) / 255
        #expect(color(0, 0) == [1, 0, 0])
        #expect(color(7, 0) == [1, 0, 0])
        #expect(color(15, 31) == [1, mixed, mixed])
        #expect(color(31, 31) == [1, 1, 1])
        #expect(image.picture.bytes == [255, 0, 0, 255, 255, 255])
    }

    @Test func grayFilesHaveThreeEqualChannels() throws {
        let image = try colors([51], width: 1, channels: 1)
        #expect(image.values == [Float](repeating: Float(51) / 255, count: 3072))
        #expect(image.picture.channelCount == 1)
    }

    /// 1,024 x 3 pixels become 512 x 2 (1.5 rounded up).
    @Test func largeFilesAreShownSmaller() throws {
        let image = try colors([UInt8](repeating: 7, count: 1024 * 3), width: 1024, channels: 1)
        #expect((image.picture.height, image.picture.width) == (2, 512))
    }
}
