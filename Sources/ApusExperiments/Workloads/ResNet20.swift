import Apus

/// Twenty layers for small images, in three stages of three blocks; a block's input is added to its output.
///
/// Source: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, section 4.2, with the shortcuts of
/// its option B: where the size changes, a 1 x 1 convolution.
struct ResNet20: Classification {
    let name = "resnet20"
    let summary = "a residual network of 20 layers for CIFAR-10"
    let defaults = TrainingSettings(epochCount: 1, learningRate: 0.1, shuffles: true, datasetName: "cifar10")
    let imageShape: Shape = [32, 32, 3]
    var inputShape: Shape { imageShape }

    func scores(of input: Tensor) throws -> Tensor {
        var x = try Activation(.relu)(convolution(input, 16, kernel: 3))
        for filters in [16, 32, 64] {
            for number in 0..<3 {
                let isFirst = number == 0 && filters != 16
                let strides = isFirst ? 2 : 1
                var y = try Activation(.relu)(convolution(x, filters, kernel: 3, strides: strides))
                y = try convolution(y, filters, kernel: 3)
                let around = isFirst ? try convolution(x, filters, kernel: 1, strides: strides) : x
                x = try Activation(.relu)(Add()(y, around))
            }
        }
        return try Dense(10, activation: .softmax)(GlobalAveragePool2D()(x))
    }

    private func convolution(_ x: Tensor, _ filters: Int, kernel: Int, strides: Int = 1) throws -> Tensor {
        let convolution = Conv2D(
            filters, kernel: kernel, strides: strides, padding: .same, usesBias: false, kernelInitializer: .heNormal)
        return try BatchNormalization()(convolution(x))
    }

    func optimizer(learningRate: Double) -> any Optimizer {
        SGD(learningRate: .constant(learningRate), momentum: 0.9, nesterov: true)
    }
}
