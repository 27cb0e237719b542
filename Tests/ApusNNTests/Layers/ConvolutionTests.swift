import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct ConvolutionTests {
    /// 1 2 3 4 under the kernel 1 10: 1 + 20, 2 + 30, 3 + 40; and 0.5 for the bias. With dilation 1 + 30 and 2 + 40;
    /// with stride 2 the first and the last; with a zero before, 0 + 10 too.
    @Test func oneAxis() throws {
        let x: [Double] = [1, 2, 3, 4]
        #expect(try output(Conv1D(1, kernel: 2), [4, 1], x, weights: [1, 10], [0.5]) == [21.5, 32.5, 43.5])
        #expect(try output(Conv1D(1, kernel: 2, dilations: 2), [4, 1], x, weights: [1, 10]) == [31, 42])
        #expect(try output(Conv1D(1, kernel: 2, strides: 2), [4, 1], x, weights: [1, 10]) == [21, 43])
        let before = Padding.explicit([AxisPadding(before: 1, after: 0)])
        #expect(try output(Conv1D(1, kernel: 2, padding: before), [4, 1], x, weights: [1, 10]) == [10, 21, 32, 43])
        let capped = Conv1D(1, kernel: 2, activation: .relu(maxValue: 40), usesBias: false)
        #expect(try output(capped, [4, 1], x, weights: [1, 10]) == [21, 32, 40])
        #expect(try modelOf(capped, [4, 1]).variables.map(\.path) == ["conv1D/kernel"])
    }

    /// Rows 1 2 3 / 4 5 6 / 7 8 9 under 1 10 / 100 1000, at the corner: 1 + 20 + 400 + 5000. With stride 2 and same
    /// padding, whose zero comes after: 5421, 3 + 600, 7 + 80, 9.
    @Test func twoAxes() throws {
        let x = (1...9).map { Double($0) }
        let kernel: [Float] = [1, 10, 100, 1000]
        #expect(try output(Conv2D(1, kernel: 2), [3, 3, 1], x, weights: kernel) == [5421, 6532, 8754, 9865])
        let strided = Conv2D(1, kernel: [2, 2], strides: 2, padding: .same)
        #expect(try output(strided, [3, 3, 1], x, weights: kernel) == [5421, 603, 87, 9])
        // Along one axis only: 1 + 20, 2 + 30, 4 + 50, ...
        let flat = Conv2D(1, kernel: [1, 2])
        #expect(try output(flat, [3, 3, 1], x, weights: [1, 10]) == [21, 32, 54, 65, 87, 98])
    }

    /// Channels 1 2 and filters (1 3), (10 30): 1 + 20, 3 + 60, and -1 for the bias of the second. In two groups of
    /// one channel and two filters each: 1, 3 and 20, 60.
    @Test func channelsAndGroups() throws {
        #expect(try output(Conv2D(2, kernel: 1), [1, 1, 2], [1, 2], weights: [1, 3, 10, 30], [0, -1]) == [21, 62])
        let grouped = Conv2D(4, kernel: 1, groups: 2, usesBias: false)
        #expect(try output(grouped, [1, 1, 2], [1, 2], weights: [1, 3, 10, 30]) == [1, 3, 20, 60])
        #expect(try modelOf(grouped, [1, 1, 2]).variables[0].variable.shape == [1, 1, 1, 4])
    }

    /// 1 + 2 + ... + 8 = 36 under ones.
    @Test func threeAxes() throws {
        let x = (1...8).map { Double($0) }
        let ones = [Float](repeating: 1, count: 8)
        #expect(try output(Conv3D(1, kernel: 2), [2, 2, 2, 1], x, weights: ones) == [36])
        let model = try modelOf(Conv3D(5, kernel: [1, 2, 3], padding: .same), [4, 4, 4, 2])
        #expect(model.outputs[0].shape == [-1, 4, 4, 4, 5])
        #expect(model.variables.map(\.variable.shape) == [[1, 2, 3, 2, 5], [5]])
        #expect(model.variables.map(\.path) == ["conv3D/kernel", "conv3D/bias"])
    }

    @Test func settingsOutOfRange() {
        let x: Shape = [8, 8, 4]
        #expect(fault(Conv2D(0, kernel: 3), x) == "Conv2D: filters is 0; it must be 1 or more.")
        #expect(fault(Conv2D(3, kernel: 3, groups: 0), x) == "Conv2D: groups is 0; it must be 1 or more.")
        #expect(
            fault(Conv2D(3, kernel: 3, groups: 2), x) == "Conv2D: filters is 3; it must be a multiple of the 2 groups.")
        #expect(
            fault(Conv2D(3, kernel: [3], name: "stem"), x)
                == "stem: kernel is [3]; it must be 2 numbers of 1 or more, one for each spatial axis.")
        #expect(
            fault(Conv2D(3, kernel: 3, strides: 0), x)
                == "Conv2D: strides is [0, 0]; it must be 2 numbers of 1 or more, one for each spatial axis.")
        #expect(
            fault(Conv1D(3, kernel: 3, dilations: -1), [8, 4])
                == "Conv1D: dilations is [-1]; it must be one number of 1 or more.")
        #expect(
            fault(Conv2D(3, kernel: 3, strides: 2, dilations: [1, 2]), x)
                == "Conv2D: dilations is [1, 2]; it must be 1 where strides are above 1, and these are [2, 2].")
        #expect(
            fault(Conv2D(3, kernel: 3, padding: .explicit([AxisPadding(before: 1, after: -1)])), x)
                == "Conv2D: padding is [1+-1]; it must be 2 pairs of counts from 0 to 2147483647.")
        #expect(
            fault(Conv1D(3, kernel: 3, padding: .explicit([])), [8, 4])
                == "Conv1D: padding is []; it must be one pair of counts from 0 to 2147483647.")
        #expect(
            fault(Conv2D(3, kernel: 3, activation: .squareplus(b: -1)), x)
                == "Conv2D: the activation's b is -1.0; it must be above 0.")
    }

    @Test func inputsThatDoNotFit() {
        let cure = "Cure: bring the input to this form with Reshape; what has no channels has one of them."
        #expect(
            fault(Conv2D(3, kernel: 3), [28, 28])
                == "Conv2D: input (Test.swift:7): expected [batch, height, width, channels], "
                + "received [batch, 28, 28]. \(cure)")
        #expect(
            fault(Conv1D(3, kernel: 3), [28])
                == "Conv1D: input (Test.swift:7): expected [batch, steps, channels], received [batch, 28]. \(cure)")
        #expect(
            fault(Conv3D(3, kernel: 3), [8, 8, 0])
                == "Conv3D: input (Test.swift:7): expected [batch, depth, height, width, channels], "
                + "received [batch, 8, 8, 0]. \(cure)")
        #expect(
            fault(Conv2D(6, kernel: 3, groups: 3, name: "stem"), [8, 8, 4])
                == "stem: input (Test.swift:7): expected channels that 3 groups divide evenly, "
                + "received [batch, 8, 8, 4]. Cure: choose a number of groups that divides the 4 channels.")
        #expect(
            fault(Conv2D(6, kernel: 5), [4, 8, 4])
                == "Conv2D: convolution (Test.swift:7): expected a window of at most 4 along spatial axis 0, "
                + "the image with its padding, received 5. "
                + "Cure: use a smaller window, or more padding; images are [batch, spatial..., channels].")
        // A kernel of this size would not fit into any memory.
        #expect(
            fault(Conv2D(6, kernel: Int.max), [4, 8, 4])
                == "Conv2D: kernel is [\(Int.max), \(Int.max)]; it must be at most 2147483647.")
    }
}
