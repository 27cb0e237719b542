import ApusCore
import ApusGraph
import ApusTestSupport
import Testing

@Suite("Matrix products")
struct MatMulTests {
    /// [1 2 3; 4 5 6] [1 0; 0 1; 2 1] = [7 5; 16 11].
    @Test func productByHand() throws {
        let left = try Tensor.matrix([1, 2, 3], [4, 5, 6])
        let right = try Tensor.matrix([1, 0], [0, 1], [2, 1])
        #expect(try evaluate(matMul(left, right)) == [7, 5, 16, 11])
        for (isLeft, isRight) in [(true, false), (false, true), (true, true)] {
            let product = Tensor(
                .matMul(MatMul(isLeftTransposed: isLeft, isRightTransposed: isRight)),
                [isLeft ? left.transposed() : left, isRight ? right.transposed() : right])
            #expect(product.shape == [2, 2])
            #expect(try evaluate(product) == [7, 5, 16, 11])
        }
    }

    /// With cotangent G = [1 2; 3 4]: G right' = [1 2 4; 3 4 10], left' G = [13 18; 17 24; 21 30].
    @Test func gradientsByHand() throws {
        let left = try Tensor.matrix([1, 2, 3], [4, 5, 6])
        let right = try Tensor.matrix([1, 0], [0, 1], [2, 1])
        let loss = (try Tensor.matrix([1, 2], [3, 4]) * matMul(left, right)).sum()
        #expect(
            try evaluate(gradient(of: loss, withRespectTo: [left, right]))
                == [[1, 2, 4, 3, 4, 10], [13, 18, 17, 24, 21, 30]])
    }

    @Test func batchesAreMultipliedOneByOne() throws {
        let left = Tensor.constant(try NDArray([1, 2, 3, 4] as [Float], shape: [2, 1, 2]))
        let right = Tensor.constant(try NDArray([5, 6, 7, 8] as [Float], shape: [2, 2, 1]))
        // 1*5 + 2*6 and 3*7 + 4*8.
        #expect(try evaluate(matMul(left, right)) == [17, 53])
    }

    @Test func emptyInnerAxisGivesZeros() throws {
        let product = matMul(.constant(NDArray(zeros: [2, 0])), .constant(NDArray(zeros: [0, 2])))
        #expect(try evaluate(product) == [0, 0, 0, 0])
    }

    @Test func nanAndInfinityReachTheirRowOnly() throws {
        let result = try evaluate(matMul(try .matrix([.nan, 1], [2, 3]), try .matrix([1], [1])))
        #expect(result[0].isNaN)
        #expect(result[1] == 5)
    }

    /// Two for each of the 2 * 3 * 5 products.
    @Test func flopsAreCounted() throws {
        let types = [TensorType([2, 5]), TensorType([5, 3])]
        #expect(MatMul().flopCount(inputs: types, output: TensorType([2, 3])) == 60)
        let transposed = MatMul(isLeftTransposed: true, isRightTransposed: false)
        #expect(transposed.flopCount(inputs: [TensorType([5, 2]), types[1]], output: TensorType([2, 3])) == 60)
    }
}
