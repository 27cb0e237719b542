import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct ShapingTests {
    @Test func permute() throws {
        let x: [Double] = [1, 2, 3, 4, 5, 6]
        #expect(try output(Permute([2, 1]), [2, 3], x) == [1, 4, 2, 5, 3, 6])
        #expect(try modelOf(Permute([3, 1, 2]), [4, 5, 6]).outputs[0].shape == [-1, 6, 4, 5])
    }

    @Test func repeatVector() throws {
        #expect(try output(RepeatVector(3), [2], [1, 2, 3, 4], batchSize: 2) == [1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4])
    }

    /// Slopes 0.5 and 7 for -2 3 and 1 -1; one slope for the first axis, or for all.
    @Test func prelu() throws {
        #expect(try output(PReLU(), [2], [-2, 3, 1, -1], weights: [0.5, 7], batchSize: 2) == [-1, 3, 1, -7])
        #expect(try output(PReLU(sharedAxes: [1]), [2, 2], [-2, -2, -4, 0], weights: [0.5, 7]) == [-1, -14, -2, 0])
        #expect(try output(PReLU(sharedAxes: [1, 2]), [2, 2], [-2, -2, -4, 5], weights: [0.5]) == [-1, -1, -2, 5])
        #expect(try output(PReLU(), [2], [-2, 3]) == [0, 3])
        #expect(try modelOf(PReLU(sharedAxes: [2]), [3, 2]).variables.map(\.path) == ["pReLU/alpha"])
    }

    @Test func faults() {
        #expect(
            fault(Permute([1, 3]), [2, 3])
                == "Permute: order is [1, 3]; it must be each number from 1 on once; axes count from 1 behind the batch."
        )
        #expect(
            fault(Permute([2, 1]), [2])
                == "Permute: input (Test.swift:7): expected 2 axes behind the batch, received [batch, 2]. "
                + "Cure: name every axis of the input once.")
        #expect(fault(RepeatVector(0), [2]) == "RepeatVector: count is 0; it must be 1 or more.")
        #expect(
            fault(RepeatVector(2), [2, 3])
                == "RepeatVector: input (Test.swift:7): expected [batch, features], received [batch, 2, 3]. "
                + "Cure: flatten the samples first, with Flatten.")
        #expect(
            fault(PReLU(sharedAxes: [3]), [2, 3])
                == "PReLU: sharedAxes is [3]; it must be axes of [batch, 2, 3], counted from 1 behind the batch.")
    }
}
