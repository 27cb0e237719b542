import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct DepthwiseConvolutionTests {
    /// Channels 1 2 3 and 10 20 30. The first has the kernels 1 10 and 2 20, the second 3 30 and 4 40: at the first
    /// place 1 + 20, 2 + 40, 30 + 600, 40 + 800.
    @Test func eachChannelHasItsKernels() throws {
        let layer = DepthwiseConv1D(kernel: 2, depthMultiplier: 2)
        let kernel: [Float] = [1, 2, 3, 4, 10, 20, 30, 40]
        let x: [Double] = [1, 10, 2, 20, 3, 30]
        #expect(try output(layer, [3, 2], x, weights: kernel) == [21, 42, 630, 840, 32, 64, 960, 1280])
        let bias: [Float] = [0, 0, -700, 1]
        let capped = DepthwiseConv1D(kernel: 2, depthMultiplier: 2, activation: .relu)
        #expect(try output(capped, [3, 2], x, weights: kernel, bias) == [21, 42, 0, 841, 32, 64, 260, 1281])
        #expect(
            try modelOf(layer, [3, 2]).variables.map(\.path) == ["depthwiseConv1D/kernel", "depthwiseConv1D/bias"])
    }

    /// Rows 1 2 / 3 4 under 1 10 / 100 1000, with same padding after them: 1 + 20 + 300 + 4000, 2 + 400, 3 + 40, 4.
    @Test func twoAxes() throws {
        let layer = DepthwiseConv2D(kernel: 2, padding: .same, usesBias: false)
        let values = try output(layer, [2, 2, 1], [1, 2, 3, 4], weights: [1, 10, 100, 1000])
        #expect(values == [4321, 402, 43, 4])
    }

    /// Depthwise 1 + 20 and 20 + 400, then 2 + 30 and 40 + 600; of these the first and half of the second, and 1.
    @Test func separable() throws {
        let layer = SeparableConv1D(1, kernel: 2)
        let x: [Double] = [1, 10, 2, 20, 3, 30]
        #expect(try output(layer, [3, 2], x, weights: [1, 2, 10, 20], [1, 0.5], [1]) == [232, 353])
        #expect(
            try modelOf(layer, [3, 2]).variables.map(\.path) == [
                "separableConv1D/depthwiseKernel", "separableConv1D/pointwiseKernel", "separableConv1D/bias",
            ])
        // Twice 3 for 1, and -1 for the bias: -1 - 6 is cut off.
        let image = SeparableConv2D(2, kernel: 1, depthMultiplier: 2, activation: .relu)
        #expect(try output(image, [1, 1, 1], [3], weights: [1, 2], [1, -1, 0, -1], [0, -1]) == [3, 0])
    }

    /// The halves 1 + 20 and 3 + 60 of two filters: 21 sigmoid(63) is 21 but for 1e-26.
    @Test func separableWithGatedUnits() throws {
        let layer = SeparableConv1D(2, kernel: 2, activation: .glu, usesBias: false)
        #expect(isClose(try output(layer, [2, 1], [1, 2], weights: [1, 10], [1, 3]), [21]))
        #expect(
            fault(SeparableConv2D(3, kernel: 3, activation: .glu), [8, 8, 4])
                == "SeparableConv2D: glu (Test.swift:7): expected a last axis of even size, received [36*batch, 3]. "
                + "Cure: give the layer before it twice as many units.")
    }

    @Test func faults() {
        let x: Shape = [8, 8, 4]
        #expect(
            fault(DepthwiseConv2D(kernel: 3, depthMultiplier: .max), x)
                == "DepthwiseConv2D: depthMultiplier is \(Int.max); "
                + "it must be small enough for 2^40 output channels of these 4.")
        #expect(
            fault(SeparableConv1D(2, kernel: 3, depthMultiplier: .max), [8, 4])
                == "SeparableConv1D: depthMultiplier is \(Int.max); "
                + "it must be small enough for 2^40 output channels of these 4.")
        #expect(
            fault(DepthwiseConv2D(kernel: 3, strides: 2, dilations: [1, 2]), x)
                == "DepthwiseConv2D: dilations is [1, 2]; it must be 1 where strides are above 1, and these are [2, 2]."
        )
        #expect(
            fault(SeparableConv2D(2, kernel: 3, strides: 2, dilations: 2), x)
                == "SeparableConv2D: dilations is [2, 2]; it must be 1 where strides are above 1, and these are [2, 2]."
        )
        #expect(
            fault(DepthwiseConv2D(kernel: 3, depthMultiplier: 0), x)
                == "DepthwiseConv2D: depthMultiplier is 0; it must be 1 or more.")
        #expect(
            fault(DepthwiseConv2D(kernel: [1, 2, 3]), x)
                == "DepthwiseConv2D: kernel is [1, 2, 3]; it must be 2 numbers of 1 or more, one for each spatial axis."
        )
        #expect(
            fault(DepthwiseConv2D(kernel: 9, name: "wide"), x)
                == "wide: convolution (Test.swift:7): expected a window of at most 8 along spatial axis 0, "
                + "the image with its padding, received 9. "
                + "Cure: use a smaller window, or more padding; images are [batch, spatial..., channels].")
        #expect(fault(SeparableConv2D(0, kernel: 3), x) == "SeparableConv2D: filters is 0; it must be 1 or more.")
        #expect(
            fault(SeparableConv2D(2, kernel: 3, depthMultiplier: -1), x)
                == "SeparableConv2D: depthMultiplier is -1; it must be 1 or more.")
        #expect(
            fault(SeparableConv1D(2, kernel: 3), x)
                == "SeparableConv1D: input (Test.swift:7): expected [batch, steps, channels], "
                + "received [batch, 8, 8, 4]. "
                + "Cure: bring the input to this form with Reshape; what has no channels has one of them.")
    }
}
