import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct TransposedConvolutionTests {
    /// 1 2 spread by the kernel 1 10. At stride 2: 1 10, 2 20; at stride 1 they overlap: 1, 10 + 2, 20; at stride 3
    /// places stay empty.
    @Test func oneAxis() throws {
        func spread(_ layer: Conv1DTranspose) throws -> [Double] {
            try output(layer, [2, 1], [1, 2], weights: [1, 10], [0.5]).map { $0 - 0.5 }
        }
        #expect(try spread(Conv1DTranspose(1, kernel: 2, strides: 2)) == [1, 10, 2, 20])
        #expect(try spread(Conv1DTranspose(1, kernel: 2)) == [1, 12, 20])
        #expect(try spread(Conv1DTranspose(1, kernel: 2, strides: 3)) == [1, 10, 0, 2, 20, 0])
        #expect(try spread(Conv1DTranspose(1, kernel: 2, strides: 3, outputPadding: 0)) == [1, 10, 0, 2, 20])
        #expect(try spread(Conv1DTranspose(1, kernel: 2, strides: 2, outputPadding: 1)) == [1, 10, 2, 20, 0])
        #expect(try spread(Conv1DTranspose(1, kernel: 2, padding: .same)) == [1, 12])
        // Every second place: 1 0 10 and 2 0 20.
        #expect(try spread(Conv1DTranspose(1, kernel: 2, dilations: 2)) == [1, 2, 10, 20])
        let edge = Padding.explicit([AxisPadding(before: 1, after: 0)])
        #expect(try spread(Conv1DTranspose(1, kernel: 2, strides: 2, padding: edge)) == [10, 2, 20])
    }

    /// The kernel 1 10 100 at stride 2 gives 1 10 102 20 200, of which same padding leaves 4, or 2 + 1 where no output
    /// padding is asked for; the convolution of 4 places at stride 2 has one zero, after them, and that of 3 has two.
    @Test func samePadding() throws {
        let layer = Conv1DTranspose(1, kernel: 3, strides: 2, padding: .same, usesBias: false)
        #expect(try output(layer, [2, 1], [1, 2], weights: [1, 10, 100]) == [1, 10, 102, 20])
        let bare = Conv1DTranspose(1, kernel: 3, strides: 2, padding: .same, outputPadding: 0)
        #expect(try output(bare, [2, 1], [1, 2], weights: [1, 10, 100]) == [10, 102, 20])
    }

    /// 2 through a kernel for two filters of one channel: 6 and 20.
    @Test func kernelHasTheFiltersFirst() throws {
        let layer = Conv2DTranspose(2, kernel: 1, activation: .relu(maxValue: 19))
        #expect(try output(layer, [1, 1, 1], [2], weights: [3, 10]) == [6, 19])
        let model = try modelOf(layer, [1, 1, 5])
        #expect(model.variables.map(\.variable.shape) == [[1, 1, 2, 5], [2]])
        #expect(model.variables.map(\.path) == ["conv2DTranspose/kernel", "conv2DTranspose/bias"])
        #expect(
            try modelOf(Conv3DTranspose(3, kernel: 2, strides: 2), [2, 3, 4, 1]).outputs[0].shape == [-1, 4, 6, 8, 3])
    }

    @Test func faults() {
        let x: Shape = [4, 4, 2]
        #expect(fault(Conv2DTranspose(0, kernel: 3), x) == "Conv2DTranspose: filters is 0; it must be 1 or more.")
        #expect(
            fault(Conv2DTranspose(1, kernel: 3, strides: 2, outputPadding: 2), x)
                == "Conv2DTranspose: outputPadding is [2, 2]; it must be below the strides, [2, 2].")
        #expect(
            fault(Conv2DTranspose(1, kernel: 3, strides: 2, outputPadding: -1), x)
                == "Conv2DTranspose: outputPadding is [-1, -1]; "
                + "it must be 2 numbers of 0 or more, one for each spatial axis.")
        #expect(
            fault(Conv2DTranspose(1, kernel: 3, strides: 2, dilations: 2), x)
                == "Conv2DTranspose: dilations is [2, 2]; it must be 1 where strides are above 1, and these are [2, 2]."
        )
        let wide = Padding.explicit([AxisPadding(before: 2, after: 3), AxisPadding(before: 0, after: 0)])
        #expect(
            fault(Conv2DTranspose(1, kernel: 2, padding: wide, name: "up"), x)
                == "up: input (Test.swift:7): expected something left of the output, whose spatial sizes would be "
                + "[0, 5], received [batch, 4, 4, 2]. Cure: use less padding, or a larger kernel or larger strides.")
        #expect(
            fault(Conv2DTranspose(1, kernel: Int.max), x)
                == "Conv2DTranspose: kernel is [\(Int.max), \(Int.max)]; it must be at most 2147483647.")
        #expect(
            fault(Conv2DTranspose(1, kernel: Int(Int32.max)), x)
                == "Conv2DTranspose: input (Test.swift:7): expected an output of at most 2^40 elements, "
                + "not of spatial sizes [2147483650, 2147483650], received [batch, 4, 4, 2]. "
                + "Cure: use smaller strides or a smaller kernel.")
        #expect(
            fault(Conv1DTranspose(1, kernel: 2, strides: 2), [1 << 32, 1])
                == "Conv1DTranspose: input (Test.swift:7): expected at most 2147483647 places along each axis, "
                + "received [batch, 4294967296, 1]. Cure: check the sizes.")
    }

    /// Of 2 places at stride 2 the kernel 1 10 makes 1 10 2 20, which same padding keeps; with an output padding of 1
    /// there are 2 + 0 + 1 places, the first of them. None at all would leave 2, which that convolution takes to 1.
    @Test func samePaddingOfEvenKernels() throws {
        let layer = Conv1DTranspose(1, kernel: 2, strides: 2, padding: .same, outputPadding: 1, usesBias: false)
        #expect(try output(layer, [2, 1], [1, 2], weights: [1, 10]) == [1, 10, 2])
        #expect(
            fault(Conv1DTranspose(1, kernel: 2, strides: 2, padding: .same, outputPadding: 0), [2, 1])
                == "Conv1DTranspose: outputPadding is [0]; it must be 1 or more with same padding along an axis "
                + "where the kernel's extent is even, or left out.")
    }
}
