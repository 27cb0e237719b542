import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Movement and indexing")
struct MovementTests {
    private func counting(_ shape: Shape) throws -> Tensor {
        .constant(try NDArray((0..<shape.elementCount).map { Float($0) }, shape: shape))
    }

    @Test func reshapeKeepsOrder() throws {
        let x = try counting([2, 3])
        #expect(try evaluate(x.reshaped(to: [3, 2])) == [0, 1, 2, 3, 4, 5])
        #expect(x.reshaped(to: [2, 3]) == x)
        #expect(Tensor.input([4, 7]).reshaped(to: [-1, 28]).shape == [-1, 28])
        #expect(Tensor.input([4, 7]).reshaped(to: [-4, 7]).shape == [-4, 7])
        #expect(Tensor.constant(5).reshaped(to: [1, 1]).shape == [1, 1])
        #expect(Tensor.input([0]).reshaped(to: [0, 5]).shape == [0, 5])
    }

    @Test func broadcastRepeats() throws {
        #expect(try evaluate(Tensor.vector(1, 2).broadcast(to: [2, 2])) == [1, 2, 1, 2])
        #expect(try evaluate(try Tensor.matrix([1], [2]).broadcast(to: [2, 3])) == [1, 1, 1, 2, 2, 2])
        #expect(try evaluate(Tensor.constant(7).broadcast(to: [2])) == [7, 7])
        #expect(try evaluate(Tensor.vector(1).broadcast(to: [0])) == [])
    }

    @Test func transposeMovesAxes() throws {
        #expect(try evaluate(try counting([2, 3]).transposed()) == [0, 3, 1, 4, 2, 5])
        let cube = try counting([2, 3, 2]).transposed(2, 0, 1)
        #expect(cube.shape == [2, 2, 3])
        #expect(try evaluate(cube) == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
        #expect(try evaluate(Tensor.constant(3).transposed()) == [3])
        // A rotation undone by the gradient, not by itself: the cotangent is the numbers in the result's order.
        let x = try counting([2, 3, 2])
        let loss = (try counting([2, 2, 3]) * x.transposed(2, 0, 1)).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [x])[0]) == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])
    }

    @Test func sliceTakesRange() throws {
        let x = try counting([2, 4])
        #expect(try evaluate(x.slice(1..<3, axis: 1)) == [1, 2, 5, 6])
        #expect(try evaluate(x.slice(1..<2, axis: -2)) == [4, 5, 6, 7])
        #expect(x.slice(2..<2, axis: 1).shape == [2, 0])
        let loss = (x.slice(1..<3, axis: 1) * Tensor.vector(5, 6)).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [x])[0]) == [0, 5, 6, 0, 0, 5, 6, 0])
    }

    @Test func padAddsZeros() throws {
        let x = try Tensor.matrix([1, 2], [3, 4])
        #expect(try evaluate(x.padded(before: 1, after: 0, axis: -1)) == [0, 1, 2, 0, 3, 4])
        #expect(try evaluate(x.padded(before: 0, after: 1, axis: 0)) == [1, 2, 3, 4, 0, 0])
        #expect(try evaluate(Tensor.constant(NDArray(zeros: [0])).padded(before: 1, after: 1, axis: 0)) == [0, 0])
    }

    @Test func concatenationKeepsOrder() throws {
        let (a, b) = (try Tensor.matrix([1, 2], [3, 4]), try Tensor.matrix([5], [6]))
        #expect(try evaluate(concatenate([a, b])) == [1, 2, 5, 3, 4, 6])
        #expect(try evaluate(concatenate([a, a], axis: 0)) == [1, 2, 3, 4, 1, 2, 3, 4])
        #expect(try evaluate(concatenate([b])) == [5, 6])
        let loss = (concatenate([b, a, b]) * Tensor.vector(1, 2, 3, 4)).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [a, b])) == [[2, 3, 2, 3], [5, 5]])
    }

    /// Labels outside give rows of zeros.
    @Test func oneHotByHand() throws {
        let labels = Tensor.constant(NDArray([2, 0, -1, 3] as [Int32]))
        let result = oneHot(labels, depth: 3)
        #expect(result.type == TensorType([4, 3]))
        #expect(try evaluate(result) == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(oneHot(.input([], .int32), depth: 3).shape == [-1, 3])
    }
}
