import ApusCore
import ApusGraph

// The gradient of a maximum pooling has one number for each window, and zeros: what is done with it is done with these
// numbers.
extension Rewriter {
    /// The gradient of a pooling of a rectifier's values, and then of the rectifier: where a window's number goes, the
    /// value is the pooling's, so that this decides.
    ///
    /// `select(y > c, maxPoolGradient(y, d), 0)` is `maxPoolGradient(y, select(maxPool(y) > c, d, 0))`.
    mutating func selectedBeforeSpreading(_ inputs: [Int], _ origin: String) -> Int? {
        guard case .maxPoolGradient(let rule) = nodes[inputs[1]].operation,
            case .binary(Binary(.greater)) = nodes[inputs[0]].operation, splat(inputs[2]) == 0
        else { return nil }
        let (image, upstream) = (nodes[inputs[1]].inputs[0], nodes[inputs[1]].inputs[1])
        guard nodes[inputs[0]].inputs[0] == image, let bound = splat(nodes[inputs[0]].inputs[1]) else { return nil }
        let shape = nodes[upstream].type.shape
        let pooled = place(of: .maxPool(MaxPool(window: rule.window)), [image], origin: origin)
        let condition = place(
            of: .binary(Binary(.greater)), [pooled, number(bound, shape, origin)], origin: origin)
        let selected = place(of: .select(Select()), [condition, upstream, number(0, shape, origin)], origin: origin)
        return place(of: .maxPoolGradient(rule), [image, selected], origin: origin)
    }

    /// The sum of a pooling's gradient is that of the numbers that it spreads; times other values, it is that of the
    /// numbers times the values where they go. The latter only where the pass that makes the image can take these values
    /// out: else it would have both written to memory.
    mutating func summedBeforeSpreading(_ reduction: Reduction, _ x: Int, _ origin: String) -> Int? {
        let shape = nodes[x].type.shape, spatialAxes = shape.sizes.indices.dropFirst().dropLast()
        guard reduction.function == .sum,
            spatialAxes.allSatisfy({ shape[$0] == 1 || reduction.axes.contains($0) })
        else { return nil }
        // Along an axis of one place there may be several windows.
        let reduction = Reduction(function: .sum, axes: Set(reduction.axes).union(spatialAxes).sorted())
        switch nodes[x].operation {
        case .maxPoolGradient: return place(of: .reduction(reduction), [nodes[x].inputs[1]], origin: origin)
        case .binary(Binary(.multiply)):
            let factors = nodes[x].inputs
            for (gradient, other) in [(factors[0], factors[1]), (factors[1], factors[0])] {
                guard case .maxPoolGradient(let rule) = nodes[gradient].operation,
                    ElementwiseProgram.Windows(rule.window, over: shape) != nil
                else { continue }
                let (image, upstream) = (nodes[gradient].inputs[0], nodes[gradient].inputs[1])
                guard isElementwiseAlone(image), isElementwiseAlone(other) else { continue }
                let selection =
                    other == image
                    ? place(of: .maxPool(MaxPool(window: rule.window)), [image], origin: origin)
                    : place(
                        of: .maxPoolSelection(MaxPoolSelection(window: rule.window)), [image, other], origin: origin)
                let product = place(of: .binary(Binary(.multiply)), [upstream, selection], origin: origin)
                return place(of: .reduction(reduction), [product], origin: origin)
            }
            return nil
        default: return nil
        }
    }

    /// Whether element-wise work computes the value, and not a product or convolution with its bias and activation.
    private func isElementwiseAlone(_ index: Int) -> Bool {
        guard Fusion.isElementwise(nodes[index]), !isBiased(index) else { return false }
        guard case .unary = nodes[index].operation else { return true }
        let input = nodes[index].inputs[0]
        return !isProduct(input) && !isBiased(input)
    }

    private func isBiased(_ index: Int) -> Bool {
        guard case .binary(Binary(.add)) = nodes[index].operation else { return false }
        return nodes[index].inputs.contains { isProduct($0) }
    }

    private func isProduct(_ index: Int) -> Bool {
        switch nodes[index].operation {
        case .matMul, .convolution: true
        default: false
        }
    }

    private mutating func number(_ value: Float, _ shape: Shape, _ origin: String) -> Int {
        let scalar = place(of: .constant(Constant(value: NDArray(scalar: value))), [], origin: origin)
        return place(of: .broadcast(Broadcast(shape: shape)), [scalar], origin: origin)
    }
}
