import ApusCore
import ApusImages
import Testing

import ApusPictures

/// Maps of numbers in another size and over images.
@Suite struct OverlayTests {
    /// Two numbers in four places: centres at -0.25 (held at 0), 0.25, 0.75 and 1.25 (held at 1).
    @Test func enlargingOneAxis() throws {
        let map = try NDArray([0, 1] as [Float], shape: [1, 2])
        #expect(map.resizedMap(height: 1, width: 4).doubles == [0, 0.25, 0.75, 1])
        let column = try NDArray([0, 1] as [Float], shape: [2, 1])
        #expect(column.resizedMap(height: 4, width: 1).doubles == [0, 0.25, 0.75, 1])
    }

    /// From 8 x 8 to 32 x 32, as maps are laid over CIFAR-10's images. Along an axis, place i is at (i + 0.5) / 4 - 0.5
    /// of the map: 0 and 1 are held at the first number, 2 is at 0.125, 5 at 0.875, 17 at 3.875, 31 held at the last.
    /// The map is 10 * row + column, which is linear, so that between centres it is that of the place itself.
    @Test func enlargingAMapOfEightByEight() throws {
        let map = try NDArray((0..<64).map { Float(10 * ($0 / 8) + $0 % 8) }, shape: [8, 8, 1])
        let large = map.resizedMap(height: 32, width: 32)
        #expect(large.shape == [32, 32])
        let values = large.doubles
        func value(_ y: Int, _ x: Int) -> Double { values[32 * y + x] }
        #expect(value(0, 0) == 0 && value(1, 1) == 0)
        #expect(value(0, 2) == 0.125 && value(2, 0) == 1.25)
        #expect(value(5, 17) == 8.75 + 3.875)
        #expect(value(17, 5) == 38.75 + 0.875)
        #expect(value(31, 31) == 77 && value(0, 31) == 7 && value(30, 0) == 70)
    }

    /// A single high number among zeros: at a quarter of the way on both axes, 0.75 * 0.75 of it is left.
    @Test func oneHighNumberFadesAway() throws {
        let map = try NDArray([0, 0, 0, 0, 16, 0, 0, 0, 0] as [Float], shape: [3, 3])
        // Places 2 and 3 of six are at 0.75 and 1.25.
        let values = map.resizedMap(height: 6, width: 6).doubles
        #expect([14, 15, 20, 21].map { values[$0] } == [9, 9, 9, 9])
        // Place 1 is at 0.25: 0.75 * 0.25 * 16, and 0.25 * 0.25 * 16 where both are.
        #expect(values[6 * 2 + 1] == 3 && values[6 * 1 + 1] == 1 && values[0] == 0)
    }

    @Test func shrinkingAverages() throws {
        let map = try NDArray([1, 3, 5, 7] as [Float], shape: [2, 2])
        #expect(map.resizedMap(height: 1, width: 1).doubles == [4])
        #expect(map.resizedMap(height: 2, width: 2).doubles == [1, 3, 5, 7])
    }

    private func gray(_ values: [UInt8], height: Int = 1) throws -> Pixels {
        try Pixels(NDArray(values, shape: [height, values.count / height]))
    }

    /// jet begins with (0, 0, 0.5) and ends with (0.5, 0, 0); 0.5 is byte 128. Half of 100 and half of 128 is 114.
    @Test func halfAndHalf() throws {
        let map = try NDArray([-3, 5] as [Float], shape: [1, 2])
        let image = try gray([100, 100])
        #expect(try ColorMap.jet.overlay(map, on: image).bytes == [50, 50, 114, 114, 50, 50])
        #expect(try ColorMap.jet.overlay(map, on: image, opacity: 0).bytes == [100, 100, 100, 100, 100, 100])
        #expect(try ColorMap.jet.overlay(map, on: image, opacity: 1).bytes == [0, 0, 128, 128, 0, 0])
        // A range of the caller's: 5 is its middle, jet's (0.5, 1, 0.5), and -3 its first colour.
        #expect(
            try ColorMap.jet.overlay(map, on: image, opacity: 1, range: -3...13).bytes == [0, 0, 128, 128, 255, 128])
    }

    /// The map 0, 4 in four places is 0, 1, 3, 4; its own range is 0...4, so a gray map of it is 0, 64, 191, 255.
    @Test func overAnImageOfColor() throws {
        let map = try NDArray([0, 4] as [Float], shape: [1, 2])
        let image = try Pixels(NDArray([UInt8](repeating: 0, count: 11) + [200], shape: [1, 4, 3]))
        #expect(
            try ColorMap.gray.overlay(map, on: image, opacity: 1).bytes
                == [0, 0, 0, 64, 64, 64, 191, 191, 191, 255, 255, 255])
        // (255 + 200) / 2 = 227.5 in the last blue.
        #expect(try ColorMap.gray.overlay(map, on: image).bytes.suffix(3) == [128, 128, 228])
    }

    /// A map without contrasts gets the middle colour, and what is no number magenta.
    @Test func mapsWithoutContrast() throws {
        let image = try gray([0, 0, 0, 0], height: 2)
        let flat = try NDArray([7] as [Float], shape: [1, 1])
        #expect(try ColorMap.gray.overlay(flat, on: image, opacity: 1).bytes == [UInt8](repeating: 128, count: 12))
        let broken = try NDArray([.nan, 1, 2, .nan] as [Float], shape: [2, 2])
        #expect(
            try ColorMap.gray.overlay(broken, on: image, opacity: 1).bytes
                == [255, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 255])
    }

    @Test func errors() throws {
        let image = try gray([1])
        #expect {
            try ColorMap.jet.overlay(NDArray(zeros: [2, 2, 3]), on: image)
        } throws: {
            "\($0)"
                == "ColorMap jet: expected [height, width] or [height, width, 1], sides from 1 to 16384, "
                + "received [2, 2, 3]. Cure: give one map of numbers."
        }
        #expect(throws: ApusError.self) { try ColorMap.jet.overlay(NDArray(zeros: [0, 2]), on: image) }
        #expect {
            try ColorMap.jet.overlay(NDArray(zeros: [2, 2]), on: image, opacity: 1.5)
        } throws: {
            "\($0)" == "ColorMap jet: opacity is 1.5; it must be from 0 to 1."
        }
    }
}
