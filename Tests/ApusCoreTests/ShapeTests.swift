import ApusCore
import Foundation
import Testing

@Suite struct ShapeTests {
    @Test func sizesAndStrides() {
        let shape: Shape = [2, 3, 4]
        #expect(shape.rank == 3)
        #expect(shape.elementCount == 24)
        // Row-major: 3 * 4, 4, 1.
        #expect(shape.strides == [12, 4, 1])
        #expect(shape[0] == 2 && shape[-1] == 4)
        #expect(Shape.scalar.elementCount == 1 && Shape.scalar.isScalar && Shape.scalar.strides.isEmpty)
        #expect(Shape([2, 0]).elementCount == 0)
    }

    @Test func productsThatOverflowAreNone() {
        #expect(Shape.product(of: []) == 1)
        #expect(Shape.product(of: [2, -3, 4]) == -24)
        #expect(Shape.product(of: [2, 0, 4]) == 0)
        // 2^62 * 2 = 2^63 is the first number that does not fit.
        #expect(Shape.product(of: [1 << 62, 1]) == 1 << 62)
        #expect(Shape.product(of: [1 << 62, 2]) == nil)
        #expect(Shape.product(of: [1 << 62, 1 << 62, 0]) == nil)
        #expect("\(Shape([.min]))" == "[9223372036854775808*batch]")
    }

    @Test func anOpenBatchSizeIsSettled() {
        let shape: Shape = [-28, 10]
        #expect(shape.isSymbolic)
        #expect(shape.elementCount == -280)
        #expect(shape.specialized(batchSize: 3) == [84, 10])
        #expect(Shape([5]).specialized(batchSize: 3) == [5])
        #expect("\(Shape([-1, 784]))" == "[batch, 784]")
        #expect("\(shape)" == "[28*batch, 10]")
        #expect("\(Shape.scalar)" == "[]")
    }

    @Test(
        arguments: [
            ([2, 3], [3], [2, 3]), ([2, 1], [1, 4], [2, 4]), ([], [5], [5]), ([-1, 3], [3], [-1, 3]),
            ([-1, 3], [1, 1], [-1, 3]), ([0, 3], [1], [0, 3]), ([2, 3], [2], nil), ([-1], [-2], nil),
        ] as [([Int], [Int], [Int]?)])
    func broadcasting(first: [Int], second: [Int], expected: [Int]?) {
        #expect(Shape(first).broadcast(with: Shape(second)) == expected.map { Shape($0) })
        #expect(Shape(second).broadcast(with: Shape(first)) == expected.map { Shape($0) })
    }

    @Test func axesFromBothEnds() {
        let shape: Shape = [2, 3]
        #expect(shape.normalizedAxis(1) == 1 && shape.normalizedAxis(-2) == 0)
        #expect(shape.normalizedAxis(2) == nil && shape.normalizedAxis(-3) == nil)
        #expect(Shape.scalar.normalizedAxis(0) == nil)
    }

    @Test func codableRoundTrip() throws {
        let shape: Shape = [-1, 28, 28]
        #expect(try JSONDecoder().decode(Shape.self, from: JSONEncoder().encode(shape)) == shape)
    }
}
