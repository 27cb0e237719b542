import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct NormalizationTests {
    /// 1 3 has mean 2 and variance 1: -1 and 1, times 2 and 10, plus 0.5 and 1.
    @Test func layer() throws {
        let layer = LayerNormalization(epsilon: 0)
        #expect(try output(layer, [2], [1, 3], weights: [2, 10], [0.5, 1]) == [-1.5, 11])
        #expect(
            try modelOf(layer, [2]).variables.map(\.path) == ["layerNormalization/gamma", "layerNormalization/beta"])
        // Each place by itself, or both: 1 3 5 7 has mean 4 and variance 5; with epsilon 4 the divisor is 3.
        #expect(try output(layer, [2, 2], [1, 3, 5, 7]) == [-1, 1, -1, 1])
        let both = LayerNormalization(axes: [2, 1], epsilon: 4, usesCenter: false, usesScale: false)
        #expect(isClose(try output(both, [2, 2], [1, 3, 5, 7]), [-1, -1.0 / 3, 1.0 / 3, 1]))
        #expect(try modelOf(both, [2, 2]).variables.isEmpty)
        // The first axis: 1 5 and 3 7, with a gamma for each of its places.
        let columns = LayerNormalization(axes: [1], epsilon: 0, usesCenter: false)
        #expect(try output(columns, [2, 2], [1, 3, 5, 7], weights: [1, 10]) == [-1, -1, 10, 10])
    }

    /// Of 10001 and 10003 the squares differ by 4 in 10^8: float32 has no digits for what is left of them.
    @Test func largeMeansDoNotCancel() throws {
        let model = try modelOf(LayerNormalization(epsilon: 0), [2])
        let x = model.inputs[0]
        #expect(try evaluate(model.outputs[0], at: x, [10001, 10003] as [Float]) == [-1, 1])
        let groups = try modelOf(GroupNormalization(groups: 1, epsilon: 0), [2])
        #expect(try evaluate(groups.outputs[0], at: groups.inputs[0], [10001, 10003] as [Float]) == [-1, 1])
    }

    /// Two places with the channels 1 3 10 14 and 3 1 14 10: in two groups the means are 2 and 12, the deviations 1
    /// and 2. In one group for each channel, every channel is -1, 1 or 1, -1.
    @Test func groups() throws {
        let x: [Double] = [1, 3, 10, 14, 3, 1, 14, 10]
        let layer = GroupNormalization(groups: 2, epsilon: 0)
        #expect(
            try output(layer, [2, 4], x, weights: [1, 2, 1, 1], [0, 0, 5, 6]) == [-1, 2, 4, 7, 1, -2, 6, 5])
        let single = GroupNormalization(groups: nil, epsilon: 0, usesScale: false)
        #expect(try output(single, [2, 1, 4], x, weights: [0, 1, 0, 0]) == [-1, 2, -1, 1, 1, 0, 1, -1])
        #expect(try modelOf(single, [2, 4]).variables.map(\.path) == ["groupNormalization/beta"])
    }

    /// The mean square of 1 and 7 is 25.
    @Test func rootMeanSquare() throws {
        let layer = RMSNormalization(epsilon: 0)
        #expect(isClose(try output(layer, [2], [1, 7], weights: [1, 10]), [0.2, 14]))
        #expect(try modelOf(layer, [3, 2]).variables.map(\.path) == ["rmsNormalization/scale"])
        #expect(isClose(try output(RMSNormalization(axes: [1, 2], epsilon: 24), [1, 2], [1, 7]), [1.0 / 7, 1]))
    }

    @Test func faults() {
        #expect(
            fault(LayerNormalization(epsilon: -1), [4]) == "LayerNormalization: epsilon is -1.0; it must be 0 or more.")
        #expect(
            fault(RMSNormalization(epsilon: .nan), [4]) == "RMSNormalization: epsilon is nan; it must be 0 or more.")
        #expect(
            fault(LayerNormalization(axes: [0]), [4])
                == "LayerNormalization: input (Test.swift:7): expected axes [0] behind the batch, each of them once, "
                + "received [batch, 4]. Cure: axes count from 1, or from -1 at the end.")
        for axes in [[], [2], [-1, 1], [-2], [Int.max]] {
            #expect(
                fault(RMSNormalization(axes: axes, name: "norm"), [4])
                    .hasPrefix("norm: input (Test.swift:7): expected axes \(axes) behind the batch"))
        }
        #expect(
            fault(GroupNormalization(groups: 0), [4]) == "GroupNormalization: groups is 0; it must be 1 or more.")
        #expect(
            fault(GroupNormalization(), [8, 8, 48])
                == "GroupNormalization: input (Test.swift:7): expected channels that 32 groups divide evenly, "
                + "received [batch, 8, 8, 48]. Cure: choose a number of groups that divides the 48 channels.")
        #expect(
            fault(GroupNormalization(), [])
                == "GroupNormalization: input (Test.swift:7): expected [batch, ..., channels], received [batch]. "
                + "Cure: put the channels on the last axis.")
    }
}
