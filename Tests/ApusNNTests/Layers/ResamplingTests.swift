import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct ResamplingTests {
    @Test func nearest() throws {
        #expect(try output(UpSampling1D(2), [2, 2], [1, -1, 2, -2]) == [1, -1, 1, -1, 2, -2, 2, -2])
        #expect(try output(UpSampling2D([1, 3]), [2, 1, 1], [1, 2]) == [1, 1, 1, 2, 2, 2])
        #expect(
            try output(UpSampling2D(), [2, 2, 1], [1, 2, 3, 4]) == [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4])
        #expect(try output(UpSampling3D([1, 1, 2]), [1, 2, 1, 1], [5, 6]) == [5, 5, 6, 6])
    }

    /// Between the middles of 0 and 8 at -1/4, 1/4, 3/4 and 5/4, where the ends go on as they are; the gradient of the
    /// sum puts 2 on each.
    @Test func bilinear() throws {
        let layer = UpSampling2D([1, 2], interpolation: .bilinear)
        #expect(try output(layer, [1, 2, 1], [0, 8]) == [0, 2, 6, 8])
        // Along the other axis, with two columns; and one place, which is repeated.
        let down = UpSampling2D([2, 1], interpolation: .bilinear)
        #expect(try output(down, [2, 2, 1], [0, 1, 8, 1]) == [0, 1, 2, 1, 6, 1, 8, 1])
        #expect(try output(UpSampling2D(2, interpolation: .bilinear), [1, 1, 1], [3]) == [3, 3, 3, 3])
        let model = try modelOf(layer, [1, 2, 1])
        let slope = try gradient(of: model.outputs[0].sum(), withRespectTo: model.inputs)[0]
        #expect(try evaluate(slope, at: model.inputs[0], [0, 8] as [Double]) == [2, 2])
    }

    @Test func zerosAroundAndEdgesGone() throws {
        #expect(try output(ZeroPadding1D(), [2, 1], [1, 2]) == [0, 1, 2, 0])
        #expect(try output(ZeroPadding1D([AxisPadding(before: 0, after: 1)]), [2, 1], [1, 2]) == [1, 2, 0])
        #expect(try output(ZeroPadding2D([0, 1]), [2, 1, 1], [1, 2]) == [0, 1, 0, 0, 2, 0])
        let corner = ZeroPadding2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 0, after: 1)])
        #expect(try output(corner, [1, 1, 2], [1, 2]) == [0, 0, 0, 0, 1, 2, 0, 0])
        #expect(try output(ZeroPadding3D([1, 0, 0]), [1, 1, 1, 1], [7]) == [0, 7, 0])

        #expect(try output(Cropping1D(), [4, 1], [1, 2, 3, 4]) == [2, 3])
        let rest = Cropping2D([AxisPadding(before: 1, after: 0), AxisPadding(before: 0, after: 1)])
        #expect(try output(rest, [2, 3, 1], [1, 2, 3, 4, 5, 6]) == [4, 5])
        #expect(try output(Cropping2D([0, 1]), [1, 3, 2], [1, 2, 3, 4, 5, 6]) == [3, 4])
        #expect(try output(Cropping3D([0, 1, 0]), [1, 3, 1, 1], [1, 2, 3]) == [2])
        // What changes nothing is still there.
        #expect(try output(Cropping2D(), [1, 2, 1], [1, 2]) == [1, 2])
        #expect(try output(ZeroPadding2D(0), [1, 2, 1], [1, 2]) == [1, 2])
    }

    @Test func faults() {
        let x: Shape = [4, 4, 2]
        #expect(
            fault(UpSampling2D(0), x)
                == "UpSampling2D: factors is [0, 0]; it must be 2 numbers of 1 or more, one for each spatial axis.")
        #expect(
            fault(UpSampling2D(Int.max), x)
                == "UpSampling2D: factors is [\(Int.max), \(Int.max)]; it must be at most 2147483647.")
        #expect(
            fault(UpSampling2D(Int(Int32.max)), x)
                == "UpSampling2D: factors is [2147483647, 2147483647]; "
                + "it must be small enough for 2147483647 places along an axis.")
        // 2^38 elements after the first axis would do, 2^42 do not.
        #expect(
            fault(UpSampling2D([1 << 4, 1 << 4], interpolation: .bilinear), [1 << 17, 2, 1 << 16])
                .contains("expected at most 2^40 elements"))
        #expect(
            fault(UpSampling2D([1 << 8, 2], interpolation: .bilinear), [1 << 16, 2, 1 << 20])
                .contains("expected at most 2^40 elements"))
        #expect(
            fault(UpSampling1D(2), x)
                == "UpSampling1D: input (Test.swift:7): expected [batch, steps, channels], received [batch, 4, 4, 2]. "
                + "Cure: bring the input to this form with Reshape; what has no channels has one of them.")
        #expect(
            fault(ZeroPadding2D(-1), x)
                == "ZeroPadding2D: padding is [-1+-1, -1+-1]; it must be 2 pairs of counts from 0 to 2147483647.")
        #expect(
            fault(ZeroPadding1D([]), [4, 2])
                == "ZeroPadding1D: padding is []; it must be one pair of counts from 0 to 2147483647.")
        #expect(
            fault(Cropping2D([AxisPadding(before: 0, after: 0)], name: "cut"), x)
                == "cut: cropping is [0+0]; it must be 2 pairs of counts from 0 to 2147483647.")
        #expect(
            fault(Cropping2D([1, 2]), x)
                == "Cropping2D: input (Test.swift:7): expected more than 2 + 2 places along spatial axis 1, "
                + "received [batch, 4, 4, 2]. Cure: crop less, so that something is left.")
    }
}
