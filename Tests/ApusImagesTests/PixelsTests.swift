import ApusCore
import ApusImages
import Testing

@Suite struct PixelsTests {
    private func gray(_ bytes: [UInt8], height: Int = 1) throws -> Pixels {
        try Pixels(NDArray(bytes, shape: [height, bytes.count / height]))
    }

    @Test func numbersAreRoundedAndHeld() throws {
        // 0.5 * 255 = 127.5; 0.1 * 255 = 25.5 as a Float a little above, both rounded up.
        let pixels = try Pixels(NDArray([0, 0.5, 1, -2, 7, .nan, 0.1, .infinity] as [Float], shape: [2, 4]))
        #expect(pixels.bytes == [0, 128, 255, 0, 255, 0, 26, 255])
        #expect((pixels.height, pixels.width, pixels.channelCount) == (2, 4, 1))
    }

    @Test func integersAreTakenAsTheyAre() throws {
        #expect(try Pixels(NDArray([-1, 3, 300] as [Int32], shape: [1, 3, 1])).bytes == [0, 3, 255])
    }

    @Test func arrayRoundTrip() throws {
        let grayArray = NDArray(shape: [2, 3]) { (values: UnsafeMutableBufferPointer<UInt8>) in
            for index in values.indices { values[index] = UInt8(index * 40) }
        }
        #expect(try Pixels(grayArray).array == grayArray)
        let color = try grayArray.reshaped(to: [1, 2, 3])
        #expect(try Pixels(color).array == color)
    }

    @Test func lumaByHand() throws {
        // 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1; a grey pixel keeps its value.
        let bytes: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 77, 77, 77]
        #expect(try Pixels(NDArray(bytes, shape: [1, 5, 3])).gray.bytes == [76, 150, 29, 255, 77])
    }

    @Test func colored() throws {
        #expect(try gray([1, 2]).colored.bytes == [1, 1, 1, 2, 2, 2])
    }

    @Test func shrinkingAveragesByArea() throws {
        // (0 + 100) / 2 and (200 + 255) / 2 = 227.5.
        #expect(try gray([0, 100, 200, 255]).resized(height: 1, width: 2).bytes == [50, 228])
        // A new pixel covers one and a half: (30 + 60/2) / 1.5 = 40, (60/2 + 90) / 1.5 = 80.
        #expect(try gray([30, 60, 90]).resized(height: 1, width: 2).bytes == [40, 80])
        #expect(try gray([30, 60, 90], height: 3).resized(height: 2, width: 1).bytes == [40, 80])
        #expect(try gray([0, 100, 50, 250], height: 2).resized(height: 1, width: 1).bytes == [100])
    }

    @Test func growingIsBilinear() throws {
        // New centres at -0.25 (held at 0), 0.25, 0.75 and 1.25 (held at 1).
        #expect(try gray([0, 100]).resized(height: 1, width: 4).bytes == [0, 25, 75, 100])
        #expect(try gray([0, 100], height: 2).resized(height: 4, width: 1).bytes == [0, 25, 75, 100])
        #expect(try gray([9]).resized(height: 2, width: 3).bytes == [9, 9, 9, 9, 9, 9])
    }

    @Test func channelsStayApart() throws {
        let image = try Pixels(NDArray([0, 10, 20, 100, 110, 120] as [UInt8], shape: [1, 2, 3]))
        #expect(try image.resized(height: 1, width: 1).bytes == [50, 60, 70])
    }

    /// An image of one colour keeps it at every size.
    @Test func resizingKeepsConstants() throws {
        let image = try Pixels(NDArray(repeating: UInt8(201), shape: [7, 5, 3]))
        for (height, width) in [(1, 1), (3, 4), (7, 5), (14, 3), (2, 11), (28, 28)] {
            let resized = try image.resized(height: height, width: width)
            #expect(resized.bytes == [UInt8](repeating: 201, count: height * width * 3))
        }
    }

    @Test func repeated() throws {
        #expect(try gray([1, 2]).repeated(2).bytes == [1, 1, 2, 2, 1, 1, 2, 2])
    }

    @Test func errors() throws {
        #expect {
            try Pixels(NDArray(zeros: [4, 4, 2]))
        } throws: {
            "\($0)"
                == "Pixels: expected [height, width], [height, width, 1] or [height, width, 3], sides from 1 to 16384, "
                + "received [4, 4, 2]. Cure: give one image, channels last."
        }
        #expect(throws: ApusError.self) { try Pixels(NDArray(zeros: [0, 4])) }
        #expect(throws: ApusError.self) { try Pixels(NDArray(zeros: [4])) }
        #expect {
            try gray([1]).resized(height: 0, width: 3)
        } throws: {
            "\($0)" == "Pixels.resized: height is 0; it must be from 1 to 16384."
        }
    }
}
