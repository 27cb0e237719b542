import ApusCore
import Testing

import ApusPictures

@Suite struct ColorMapTests {
    private func expectColor(_ color: Color, _ red: Double, _ green: Double, _ blue: Double) {
        let isClose = abs(color.red - red) < 1e-12 && abs(color.green - green) < 1e-12 && abs(color.blue - blue) < 1e-12
        #expect(isClose, "\(color)")
    }

    @Test func gray() {
        expectColor(ColorMap.gray.color(at: 0), 0, 0, 0)
        expectColor(ColorMap.gray.color(at: 0.25), 0.25, 0.25, 0.25)
        expectColor(ColorMap.gray.color(at: 1), 1, 1, 1)
    }

    /// By the customary formula: red is 1.5 - |4x - 3|, green 1.5 - |4x - 2|, blue 1.5 - |4x - 1|, held within 0...1.
    @Test(arguments: [0, 0.1, 0.125, 0.25, 0.3, 0.375, 0.5, 0.625, 0.7, 0.75, 0.875, 0.95, 1])
    func jet(_ x: Double) {
        func part(_ center: Double) -> Double { max(0, min(1, 1.5 - abs(4 * x - center))) }
        expectColor(ColorMap.jet.color(at: x), part(3), part(2), part(1))
    }

    @Test func viridis() {
        #expect(ColorMap.viridis.color(at: 0) == Color(hex: 0x440154))
        #expect(ColorMap.viridis.color(at: 0.5) == Color(hex: 0x21918C))
        #expect(ColorMap.viridis.color(at: 1) == Color(hex: 0xFDE725))
        // Half-way between 44 01 54 and 48 24 75: 46, 12.8, 64.8 in hexadecimal, so 70, 18.5, 100.5.
        expectColor(ColorMap.viridis.color(at: 0.05), 70.0 / 255, 18.5 / 255, 100.5 / 255)
    }

    @Test func beyondTheEnds() {
        #expect(ColorMap.viridis.color(at: -3) == Color(hex: 0x440154))
        #expect(ColorMap.viridis.color(at: .infinity) == Color(hex: 0xFDE725))
        #expect(ColorMap.viridis.color(at: -.infinity) == Color(hex: 0x440154))
        #expect(ColorMap.viridis.color(at: .nan) == ColorMap.missing)
    }

    @Test func pixelsOfNumbers() throws {
        // The scale is 0 to 2, so 1 is in the middle: 127.5, rounded up.
        let numbers: [Float] = [0, 1, 2, .nan]
        let pixels = try ColorMap.gray.pixels(of: NDArray(numbers, shape: [2, 2]))
        #expect(pixels.bytes == [0, 0, 0, 128, 128, 128, 255, 255, 255, 255, 0, 255])
        let ranged = try ColorMap.gray.pixels(of: NDArray(numbers, shape: [2, 2]), range: 1...2)
        #expect(ranged.bytes.prefix(9) == [0, 0, 0, 0, 0, 0, 255, 255, 255])
        let constant = try ColorMap.gray.pixels(of: NDArray([Float](repeating: 7, count: 2), shape: [1, 2]))
        #expect(constant.bytes == [UInt8](repeating: 128, count: 6))
    }

    @Test func errors() throws {
        #expect {
            try ColorMap.jet.pixels(of: NDArray(zeros: [2, 2, 3]))
        } throws: {
            "\($0)"
                == "ColorMap jet: expected [height, width] or [height, width, 1], sides from 1 to 16384, "
                + "received [2, 2, 3]. Cure: give one map of numbers."
        }
        #expect {
            try ColorMap(name: "mine", stops: [.init(0.5, .black), .init(0.5, .white)])
        } throws: {
            "\($0)" == "ColorMap mine: stops is [0.5, 0.5]; it must be positions rising within 0...1."
        }
        #expect(throws: ApusError.self) { try ColorMap(name: "none", stops: []) }
    }
}
