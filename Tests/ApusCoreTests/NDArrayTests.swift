import ApusCore
import Testing

@Suite struct NDArrayTests {
    @Test func valuesAndShapes() throws {
        let array = try NDArray([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
        #expect(array.elementCount == 6 && array.byteCount == 24)
        #expect(array.values() == [1, 2, 3, 4, 5, 6] as [Float])
        #expect(NDArray(repeating: 7 as Int32, shape: [2]).values() == [7, 7] as [Int32])
        #expect(NDArray(zeros: [3], .float64).values() == [0, 0, 0] as [Double])
        #expect(NDArray(scalar: 2 as UInt8).shape == .scalar)
        #expect(NDArray([] as [Float]).elementCount == 0)
        #expect(
            throws: ApusError.shape(
                ShapeProblem(
                    operation: "NDArray", expected: "4 values for shape [2, 2]", received: "3 values",
                    cure: "give one value for each element"))
        ) { try NDArray([1, 2, 3] as [Float], shape: [2, 2]) }
    }

    @Test func memoryIsAligned() {
        for count in [1, 3, 1_000] {
            NDArray(zeros: [count]).withUnsafeBytes { #expect(Int(bitPattern: $0.baseAddress) % 64 == 0) }
        }
    }

    @Test func copiesAreIndependent() {
        let original = NDArray([1, 2] as [Float])
        var copy = original
        copy.withUnsafeMutableBytes { $0.storeBytes(of: 9, as: Float.self) }
        #expect(original.floats == [1, 2])
        #expect(copy.floats == [9, 2])
        let (large, small) = (
            NDArray(repeating: 1 as Float, shape: [4, 4]), NDArray(repeating: 1 as Float, shape: [16])
        )
        #expect(large != small)
    }

    @Test func conversions() {
        let array = NDArray([-1.5, 2.9, 300, .nan, .infinity, -.infinity] as [Double])
        #expect(array.converted(to: .uint8).values() == [0, 2, 255, 0, 255, 0] as [UInt8])
        #expect(array.converted(to: .int32).values() == [-1, 2, 300, 0, Int32.max, Int32.min] as [Int32])
        #expect(NDArray([200] as [UInt8]).floats == [200])
        #expect(NDArray([16_777_217] as [Int32]).doubles == [16_777_217])
        #expect(NDArray([1] as [Float]).converted(to: .float32) == NDArray([1] as [Float]))
    }

    @Test func reshaping() throws {
        let array = NDArray((0..<6).map { Float($0) })
        let square = try array.reshaped(to: [2, 3])
        #expect(square.shape == [2, 3] && square.floats == array.floats)
        #expect(throws: ApusError.self) { try array.reshaped(to: [4]) }
    }

    @Test func rowsAlongTheFirstAxis() throws {
        let array = try NDArray((0..<6).map { Int32($0) }, shape: [3, 2])
        #expect(array.rows(1..<3) == (try NDArray([2, 3, 4, 5] as [Int32], shape: [2, 2])))
        #expect(array.rows(3..<3).shape == [0, 2])
        #expect(NDArray(zeros: [0, 2]).rows(0..<0).shape == [0, 2])
    }

    @Test func equalityIsBitwise() {
        #expect(NDArray([Float.nan]) == NDArray([Float.nan]))
        #expect(NDArray([0] as [Float]) != NDArray([-0.0] as [Float]))
        #expect(NDArray([0] as [Float]) != NDArray([0] as [Int32]))
        #expect(NDArray([1] as [Float]).hashValue == NDArray([1] as [Float]).hashValue)
    }

    @Test func description() {
        #expect("\(NDArray([1, 2] as [Float]))" == "NDArray([2], float32, [1.0, 2.0])")
        #expect("\(NDArray(zeros: [9], .uint8))".hasSuffix("0.0, ...])"))
    }
}
