import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Reductions")
struct ReductionTests {
    private func matrix() throws -> Tensor { try .matrix([1, 5, 3], [4, 2, 6]) }

    @Test func sums() throws {
        let x = try matrix()
        #expect(try evaluate(x.sum()) == [21])
        #expect(try evaluate(x.sum(0)) == [5, 7, 9])
        #expect(try evaluate(x.sum(1)) == [9, 12])
        #expect(try evaluate(x.sum(-1)) == [9, 12])
        #expect(try evaluate(x.sum(1, 0, -1)) == [21])
    }

    @Test func extremes() throws {
        let x = try matrix()
        #expect(try evaluate(x.max()) == [6])
        #expect(try evaluate(x.max(0)) == [4, 5, 6])
        #expect(try evaluate(x.min(-1)) == [1, 2])
        #expect(try evaluate(Tensor.vector(-3, -5).max()) == [-3])
    }

    @Test func means() throws {
        let x = try matrix()
        #expect(try evaluate(x.mean()) == [3.5])
        #expect(try evaluate(x.mean(0)) == [2.5, 3.5, 4.5])
        #expect(try evaluate(gradient(of: x.mean(), withRespectTo: [x])[0]) == [Double](repeating: 1 / 6.0, count: 6))
    }

    @Test func axesStayOrGo() throws {
        let x = Tensor.placeholder([2, 3, 4])
        #expect(x.sum().shape == [])
        #expect(x.sum(1).shape == [2, 4])
        #expect(x.max(0, -1).shape == [3])
        #expect(x.mean(1, keepsAxes: true).shape == [2, 1, 4])
        #expect(x.min(keepsAxes: true).shape == [1, 1, 1])
        #expect(Tensor.input([3]).sum(0).shape == [3])
        #expect(Tensor.input([3]).mean(-1).shape == [-1])
    }

    /// The mean over an open batch is over as many samples as the batch turns out to have: 10 / 2 and 10 / 4.
    @Test func meanFollowsBatchSize() throws {
        let x = Tensor.input([])
        #expect(try evaluate(x.mean(), given: [(x, [4, 6])], batchSize: 2) == [5])
        #expect(try evaluate(x.mean(), given: [(x, [4, 6, 0, 0])], batchSize: 4) == [2.5])
        let slope = try gradient(of: x.mean(), withRespectTo: [x])[0]
        #expect(try evaluate(slope, given: [(x, [4, 6, 0, 0])], batchSize: 4) == [0.25, 0.25, 0.25, 0.25])
    }

    @Test func scalarsAndEmptyAxes() throws {
        #expect(try evaluate(Tensor.constant(3).sum()) == [3])
        #expect(try evaluate(Tensor.constant(3).max()) == [3])
        let empty = Tensor.constant(NDArray(zeros: [0, 2]))
        #expect(try evaluate(empty.sum(0)) == [0, 0])
        #expect(try evaluate(empty.max(1)) == [])
        #expect(try evaluate(empty.mean())[0].isNaN)
    }

    @Test func nanWins() throws {
        for x in [Tensor.vector(.nan, 1, 2), .vector(1, .nan, 2), .vector(1, 2, .nan)] {
            #expect(try evaluate(x.max())[0].isNaN)
            #expect(try evaluate(x.min())[0].isNaN)
            #expect(try evaluate(x.sum())[0].isNaN)
        }
        #expect(try evaluate(Tensor.vector(-.infinity, -.infinity).max()) == [-.infinity])
    }

    /// Two of three are largest, and the cotangent is 6: each gets 3. In the second row one is.
    @Test func tiesShareEvenly() throws {
        let x = try Tensor.matrix([7, 7, 1], [1, 2, 3])
        let loss = (Tensor.vector(6, 10) * x.max(-1)).sum()
        #expect(try evaluate(gradient(of: loss, withRespectTo: [x])[0]) == [3, 3, 0, 0, 0, 10])
        #expect(try evaluate(gradient(of: x.min(), withRespectTo: [x])[0]) == [0, 0, 0.5, 0.5, 0, 0])
    }

    @Test func argMaxIsFirstOfEquals() throws {
        let x = try Tensor.matrix([1, 5, 5], [4, 2, 3])
        #expect(x.argMax().type == TensorType([2], .int32))
        #expect(try evaluate(x.argMax()) == [1, 0])
        #expect(try evaluate(Tensor.vector(-3, -2).argMax()) == [1])
    }
}
