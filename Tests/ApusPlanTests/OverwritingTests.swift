import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// Which steps that are no element-wise passes write over an input.
@Suite struct OverwritingTests {
    /// Whether the pooling's gradient is where its image was; the image is computed, so that its memory is the plan's.
    private func isImageOverwritten(
        window: Int, stride: Int, imageIsRead: Bool = false, upstreamIsImage: Bool = false
    ) throws -> Bool {
        let input = Tensor.placeholder([2, 9, 9, 16], name: "x")
        let image = relu(input)
        let pooled = maxPool(image, window: [window, window], strides: [stride, stride])
        guard case .maxPool(let rule) = pooled.node.operation else { return false }
        let upstream = upstreamIsImage ? image : square(pooled)
        let gradient = Tensor(.maxPoolGradient(MaxPoolGradient(window: rule.window)), [image, upstream])
        let trace = try Trace(
            inputs: [input], outputs: [gradient] + (imageIsRead ? [image] : []), updates: [], mode: .training,
            batchSize: 2)
        let plan = Plan(trace.graph)
        let step = try #require(
            plan.steps.first { if case .operation(.maxPoolGradient) = $0.kernel { true } else { false } })
        guard case .arena = plan.values[step.inputs[0]].location else { return false }
        return plan.values[step.inputs[0]].location == plan.values[step.outputs[0]].location
    }

    @Test func gradientsOfPoolingsWhoseWindowsAreApart() throws {
        #expect(try isImageOverwritten(window: 2, stride: 2))
        #expect(try isImageOverwritten(window: 2, stride: 3))
        #expect(try !isImageOverwritten(window: 3, stride: 2))
        #expect(try !isImageOverwritten(window: 2, stride: 2, imageIsRead: true))
        #expect(try !isImageOverwritten(window: 1, stride: 1, upstreamIsImage: true))
    }
}
