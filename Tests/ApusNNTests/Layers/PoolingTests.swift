import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct PoolingTests {
    /// Rows 1 3 2 / 4 0 5. Windows of 2 x 2 touch, so one fits: the largest is 4, the mean 2. At stride 1 there are
    /// two. With same padding, windows reach over the right edge, where only 2 and 5 count.
    @Test func twoAxes() throws {
        let x: [Double] = [1, 3, 2, 4, 0, 5]
        #expect(try output(MaxPool2D(), [2, 3, 1], x) == [4])
        #expect(try output(AveragePool2D(), [2, 3, 1], x) == [2])
        #expect(try output(MaxPool2D(2, strides: 1), [2, 3, 1], x) == [4, 5])
        #expect(try output(AveragePool2D(2, strides: 1), [2, 3, 1], x) == [2, 2.5])
        #expect(try output(MaxPool2D(padding: .same), [2, 3, 1], x) == [4, 5])
        #expect(try output(AveragePool2D(padding: .same), [2, 3, 1], x) == [2, 3.5])
        #expect(try output(MaxPool2D([1, 3]), [2, 3, 1], x) == [3, 5])
    }

    /// Two channels: 1 2 3 4 and -1 -2 -3 -4.
    @Test func oneAxis() throws {
        let x: [Double] = [1, -1, 2, -2, 3, -3, 4, -4]
        #expect(try output(MaxPool1D(), [4, 2], x) == [2, -1, 4, -3])
        #expect(try output(AveragePool1D(), [4, 2], x) == [1.5, -1.5, 3.5, -3.5])
        #expect(try output(MaxPool1D(3, strides: 1), [4, 2], x) == [3, -1, 4, -2])
        let before = Padding.explicit([AxisPadding(before: 1, after: 0)])
        #expect(try output(AveragePool1D(2, strides: 2, padding: before), [4, 2], x) == [1, -1, 2.5, -2.5])
    }

    /// The numbers from 1 to 8.
    @Test func threeAxes() throws {
        let x = (1...8).map { Double($0) }
        #expect(try output(MaxPool3D(), [2, 2, 2, 1], x) == [8])
        #expect(try output(AveragePool3D([2, 1, 1]), [2, 2, 2, 1], x) == [3, 4, 5, 6])
        #expect(try modelOf(AveragePool3D(), [5, 4, 4, 3]).outputs[0].shape == [-1, 2, 2, 2, 3])
    }

    /// Two samples with places (1 10), (3 20), (2 0) and the same negative: means 2 and 10, largest 3 and 20, or -1
    /// and 0.
    @Test func global() throws {
        let x: [Double] = [1, 10, 3, 20, 2, 0, -1, -10, -3, -20, -2, 0]
        #expect(try output(GlobalAveragePool1D(), [3, 2], x, batchSize: 2) == [2, 10, -2, -10])
        #expect(try output(GlobalMaxPool1D(), [3, 2], x, batchSize: 2) == [3, 20, -1, 0])
        #expect(try output(GlobalAveragePool2D(), [1, 3, 2], x, batchSize: 2) == [2, 10, -2, -10])
        #expect(try output(GlobalMaxPool2D(), [3, 1, 2], x, batchSize: 2) == [3, 20, -1, 0])
        #expect(try output(GlobalAveragePool3D(), [3, 2, 1, 1], [1, 2, 3, 4, 5, 6]) == [3.5])
        #expect(try output(GlobalMaxPool3D(), [3, 1, 1, 2], x, batchSize: 2) == [3, 20, -1, 0])
        #expect(try modelOf(GlobalAveragePool1D(keepsAxes: true), [3, 2]).outputs[0].shape == [-1, 1, 2])
        #expect(try modelOf(GlobalMaxPool2D(keepsAxes: true), [3, 4, 2]).outputs[0].shape == [-1, 1, 1, 2])
        #expect(try modelOf(GlobalMaxPool3D(), [3, 4, 5, 2]).outputs[0].shape == [-1, 2])
    }

    @Test func faults() {
        #expect(
            fault(MaxPool2D(0), [4, 4, 1])
                == "MaxPool2D: window is [0, 0]; it must be 2 numbers of 1 or more, one for each spatial axis.")
        #expect(
            fault(AveragePool1D(2, strides: [1, 1]), [4, 1])
                == "AveragePool1D: strides is [1, 1]; it must be one number of 1 or more.")
        #expect(
            fault(MaxPool2D(3, name: "pool"), [4, 2, 1])
                == "pool: maxPool (Test.swift:7): expected a window of at most 2 along spatial axis 1, "
                + "the image with its padding, received 3. "
                + "Cure: use a smaller window, or more padding; images are [batch, spatial..., channels].")
        #expect(
            fault(
                AveragePool2D(1, padding: .explicit([.init(before: 1, after: 0), .init(before: 0, after: 0)])),
                [4, 4, 1])
                == "AveragePool2D: averagePool (Test.swift:7): expected less padding than the window's 1 places along "
                + "spatial axis 0, received 1 before and 0 after. Cure: a window must reach into the image.")
        let cure = "Cure: bring the input to this form with Reshape; what has no channels has one of them."
        #expect(
            fault(MaxPool3D(), [4, 4, 1])
                == "MaxPool3D: input (Test.swift:7): expected [batch, depth, height, width, channels], "
                + "received [batch, 4, 4, 1]. \(cure)")
        #expect(
            fault(GlobalMaxPool2D(), [4, 4])
                == "GlobalMaxPool2D: input (Test.swift:7): expected [batch, height, width, channels], "
                + "received [batch, 4, 4]. \(cure)")
    }
}
