import ApusCore
import ApusGraph
import Testing

/// The value of a tensor without inputs, by the reference executor.
private func value(_ tensor: Tensor) throws -> ReferenceArray<Double> {
    let trace = try Trace(inputs: [], outputs: [tensor], mode: .inference, batchSize: 1)
    return ReferenceExecutor<Double>(trace.graph).run(inputs: [], variables: [], context: RunContext()).outputs[0]
}

private func constant(_ numbers: [Float], _ shape: Shape) throws -> Tensor {
    .constant(try NDArray(numbers, shape: shape))
}

private func message(_ tensor: Tensor) -> String {
    do {
        _ = try tensor.checked()
        return "no error"
    } catch {
        return "\(error)"
    }
}

@Suite("Convolution and pooling")
struct WindowTests {
    // x = 1 2 3 4, kernel 1 10: 1 + 20, 2 + 30, 3 + 40.
    @Test func convolutionByHand() throws {
        let x = try constant([1, 2, 3, 4], [1, 4, 1])
        let kernel = try constant([1, 10], [2, 1, 1])
        #expect(try value(convolution(x, kernel: kernel)).values == [21, 32, 43])
        #expect(try value(convolution(x, kernel: kernel, strides: [2])).values == [21, 43])
        // The odd zero of same padding comes after: 4 + 0.
        #expect(try value(convolution(x, kernel: kernel, padding: .same)).values == [21, 32, 43, 4])
        // Every second place: 1 + 30, 2 + 40.
        #expect(try value(convolution(x, kernel: kernel, dilations: [2])).values == [31, 42])
        // A zero before: 0 + 10, then as above.
        let padding = Padding.explicit([AxisPadding(before: 1, after: 0)])
        #expect(try value(convolution(x, kernel: kernel, padding: padding)).values == [10, 21, 32, 43])
    }

    // One place, channels 1 2 and filters (1 3), (10 30): 1 + 20 and 3 + 60; in two groups 1 * 1 and 2 * 3.
    @Test func channelsAndGroups() throws {
        let x = try constant([1, 2], [1, 1, 2])
        #expect(try value(convolution(x, kernel: constant([1, 3, 10, 30], [1, 2, 2]))).values == [21, 63])
        #expect(try value(convolution(x, kernel: constant([1, 3], [1, 1, 2]), groups: 2)).values == [1, 6])
    }

    // 1 2 spread by the kernel 1 10 at stride 2: 1 10, 2 20. At stride 1 they overlap: 1, 10 + 2, 20.
    @Test func transposedConvolutionByHand() throws {
        let x = try constant([1, 2], [1, 2, 1])
        let kernel = try constant([1, 10], [2, 1, 1])
        #expect(try value(transposedConvolution(x, kernel: kernel, strides: [2])).values == [1, 10, 2, 20])
        #expect(try value(transposedConvolution(x, kernel: kernel)).values == [1, 12, 20])
        #expect(try value(transposedConvolution(x, kernel: kernel, padding: .same)).values == [1, 12])
        #expect(
            try value(transposedConvolution(x, kernel: kernel, strides: [2], outputSizes: [5])).values
                == [1, 10, 2, 20, 0])
    }

    // Output sizes of Keras' Conv2DTranspose: valid 3 * 2 + (3 - 2) = 7 and 3 * 4 (a stride above the kernel), same 6.
    @Test func transposedSizes() {
        let x = Tensor.placeholder([1, 3, 1])
        let kernel = Tensor.placeholder([3, 1, 1])
        #expect(transposedConvolution(x, kernel: kernel, strides: [2]).shape == [1, 7, 1])
        #expect(transposedConvolution(x, kernel: kernel, strides: [4]).shape == [1, 12, 1])
        #expect(transposedConvolution(x, kernel: kernel, strides: [2], padding: .same).shape == [1, 6, 1])
        // (3 - 1) * 2 + 3 - 1 - 0.
        let padding = Padding.explicit([AxisPadding(before: 1, after: 0)])
        #expect(transposedConvolution(x, kernel: kernel, strides: [2], padding: padding).shape == [1, 6, 1])
    }

    @Test func openBatch() {
        let x = Tensor.input([28, 28, 1])
        #expect(convolution(x, kernel: .placeholder([5, 5, 1, 24])).shape == [-1, 24, 24, 24])
        #expect(maxPool(x, window: [2, 2]).shape == [-1, 14, 14, 1])
    }

    // Rows 1 3 2 / 4 0 5 under 2 x 2 windows at stride 1: 4 and 5; means 2 and 2.5.
    @Test func poolingByHand() throws {
        let x = try constant([1, 3, 2, 4, 0, 5], [1, 2, 3, 1])
        #expect(try value(maxPool(x, window: [2, 2], strides: [1, 1])).values == [4, 5])
        #expect(try value(averagePool(x, window: [2, 2], strides: [1, 1])).values == [2, 2.5])
        // Padding is not counted: 1, (1 + 3) / 2, and of negative numbers the largest is not the padding's 0.
        let edge = Padding.explicit([AxisPadding(before: 1, after: 0)])
        let row = try constant([-1, -3], [1, 2, 1])
        #expect(try value(averagePool(row, window: [2], strides: [1], padding: edge)).values == [-1, -2])
        #expect(try value(maxPool(row, window: [2], strides: [1], padding: edge)).values == [-1, -1])
    }

    // Of two equal numbers the first gets the gradient; the third belongs to no window.
    @Test func firstOfTiesTakesTheGradient() throws {
        let x = try constant([7, 7, 9], [1, 3, 1])
        let slope = try gradient(of: (3 * maxPool(x, window: [2])).sum(), withRespectTo: [x])[0]
        #expect(try value(slope).values == [3, 0, 0])
    }

    @Test func nanWins() throws {
        let x = try constant([1, .nan, 5, 6], [1, 4, 1])
        let values = try value(maxPool(x, window: [2])).values
        #expect(values[0].isNaN && values[1] == 6)
    }

    // 2 products an element: 2 * (2 * 3 * 3 * 5) * (2 * 2 * 4).
    @Test func flopCount() {
        let y = convolution(.placeholder([2, 4, 4, 4]), kernel: .placeholder([2, 2, 4, 5]))
        #expect(y.node.operation.rule.flopCount(inputs: y.node.inputs.map(\.type), output: y.type) == 2880)
    }

    @Test func faultsAreNamed() {
        let x = Tensor.input([4, 4, 3])
        #expect(
            message(convolution(x, kernel: .placeholder([5, 5, 3, 8])))
                == "convolution: expected a window of at most 4 along spatial axis 0, the image with its padding, "
                + "received 5. Cure: use a smaller window, or more padding; images are [batch, spatial..., channels].")
        #expect(
            message(convolution(x, kernel: .placeholder([1, 3, 3, 8]), dilations: [1, 2]))
                == "convolution: expected a window of at most 4 along spatial axis 1, the image with its padding, "
                + "received 5 (3 dilated). "
                + "Cure: use a smaller window, or more padding; images are [batch, spatial..., channels].")
        #expect(
            message(convolution(x, kernel: .placeholder([2, 2, 1, 8]), groups: 2))
                == "convolution: expected channels and filters, at least 1 each, that 2 groups divide evenly, "
                + "received 3 channels and 8 filters. Cure: choose a number of groups that divides both.")
        #expect(
            message(convolution(x, kernel: .placeholder([2, 2, 4, 8])))
                == "convolution: expected a kernel for 3 channels (3 in 1 groups), received one for 4. "
                + "Cure: make the kernel's second to last axis channels / groups.")
        #expect(
            message(convolution(x, kernel: .placeholder([2, 3, 8])))
                == "convolution: expected images [batch, spatial..., channels] and a kernel "
                + "[spatial..., channels / groups, filters] with the same 1 to 3 spatial axes, "
                + "received [batch, 4, 4, 3] and a kernel of 3 axes. "
                + "Cure: reshape the images so that the batch comes first and the channels last.")
        #expect(
            message(convolution(x, kernel: .placeholder([2, 2, 3, 8]), strides: [0, 1]))
                == "convolution: expected for each of 2 spatial axes a stride and a dilation from 1, and paddings "
                + "from 0, received strides: [0, 1], dilations: [1, 1], padding: [0+0, 0+0]. "
                + "Cure: give one number for each spatial axis.")
        #expect(
            message(transposedConvolution(x, kernel: .placeholder([2, 2, 5, 3]), outputSizes: [9, 5]))
                == "convolutionInputGradient: expected [batch, 8, 4, 3], as the convolution of [9, 5] gives, "
                + "received [batch, 4, 4, 3]. "
                + "Cure: make sizes, strides, padding and the kernel's last axis agree with it.")
        #expect(
            message(maxPool(x, window: [2]))
                == "maxPool: expected images [batch, spatial..., channels] with 1 (at most 3) spatial axes, "
                + "received [batch, 4, 4, 3]. "
                + "Cure: give the window a size for each spatial axis; channels come last.")
        let wide = Padding.explicit([AxisPadding(before: 0, after: 0), AxisPadding(before: 0, after: 2)])
        #expect(
            message(averagePool(x, window: [2, 2], padding: wide))
                == "averagePool: expected less padding than the window's 2 places along spatial axis 1, "
                + "received 0 before and 2 after. Cure: a window must reach into the image.")
    }

    @Test(arguments: [Int.max, Int.min, -1, 0]) func absurdSettingsHoldErrors(_ number: Int) {
        let x = Tensor.input([4, 3])
        let kernel = Tensor.placeholder([2, 3, 8])
        #expect(message(convolution(x, kernel: kernel, strides: [number])) != "no error")
        #expect(message(convolution(x, kernel: kernel, padding: .same, dilations: [number])) != "no error")
        #expect(message(convolution(x, kernel: kernel, groups: number)) != "no error")
        #expect(message(transposedConvolution(x, kernel: kernel, strides: [number])) != "no error")
        #expect(message(maxPool(x, window: [number])) != "no error")
        if number != 0 {
            let padding = Padding.explicit([AxisPadding(before: number, after: number)])
            #expect(message(convolution(x, kernel: kernel, padding: padding)) != "no error")
        }
    }
}
