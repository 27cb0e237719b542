import ApusCore
import ApusGraph
import ApusPlan
import Testing

/// A product that only serves to change a variable is taken from it in one step.
@Suite struct ProductUpdateTests {
    private let x = Tensor.placeholder([4, 3], name: "x")
    private let y = Tensor.placeholder([4, 2], name: "y")
    private let w = Variable("w", shape: [3, 2])
    private let rate = Tensor.placeholder([], name: "rate")

    private func kernels(_ update: Tensor, outputs: [Tensor] = []) throws -> [String] {
        let trace = try Trace(
            inputs: [x, y, rate], outputs: outputs, updates: [VariableUpdate(w, to: update)], mode: .training,
            batchSize: 1)
        return Plan(trace.graph).steps.map(\.kernel.description)
    }

    @Test func productsAreSubtractedInPlace() throws {
        let product = matMul(x.transposed(), y)
        #expect(try kernels(w.tensor - product) == ["matMul(left transposed)+subtract"])
        #expect(try kernels(w.tensor - rate * product) == ["matMul(left transposed)+scale+subtract"])
        #expect(try kernels(w.tensor - product * 0.5) == ["matMul(left transposed)+scale+subtract"])
    }

    @Test func productsThatOthersReadStayApart() throws {
        let product = matMul(x.transposed(), y)
        #expect(try kernels(w.tensor - product, outputs: [product]).contains("elementwise[subtract]"))
        #expect(try kernels(w.tensor - rate * product, outputs: [square(product).sum()]).count > 1)
        #expect(try kernels(product - w.tensor).contains("elementwise[subtract]"))
        // A scale for each element is no single number.
        let scales = Tensor.constant(try NDArray([0, 1, 2, 3, 4, 5] as [Float], shape: [3, 2]))
        #expect(try kernels(w.tensor - scales * product).contains("elementwise[multiply+subtract]"))
    }

    @Test func productsOfTheVariableItselfStayApart() throws {
        let square = Variable("square", shape: [2, 2])
        let trace = try Trace(
            inputs: [], outputs: [],
            updates: [VariableUpdate(square, to: square.tensor - matMul(square.tensor, square.tensor))],
            mode: .training, batchSize: 1)
        #expect(Plan(trace.graph).steps.map(\.kernel.description) == ["matMul", "elementwise[subtract]"])
    }

    private func optimizerSteps(
        _ gradient: Tensor, largeElementCount: Int = 1, outputs: [Tensor] = [],
        _ rule: (_ w: Tensor, _ g: Tensor, _ slots: [Variable]) -> [(Variable, Tensor)]
    ) throws -> [String] {
        let slots = ["m", "v"].map { Variable($0, shape: [3, 2]) }
        let updates = rule(w.tensor, gradient, slots).map { VariableUpdate($0.0, to: $0.1) }
        let trace = try Trace(
            inputs: [x, y, rate], outputs: outputs, updates: updates, mode: .training, batchSize: 1)
        return Plan(trace.graph, largeElementCount: largeElementCount).steps.map(\.kernel.description)
    }

    private func nesterov(_ w: Tensor, _ g: Tensor, _ slots: [Variable]) -> [(Variable, Tensor)] {
        let plain = g * rate, momentum = slots[0].tensor * 0.9 - plain
        return [(self.w, w - (plain - momentum * 0.9)), (slots[0], momentum)]
    }

    private func adam(_ w: Tensor, _ g: Tensor, _ slots: [Variable]) -> [(Variable, Tensor)] {
        let momentum = slots[0].tensor + (g - slots[0].tensor) * 0.1
        let velocity = slots[1].tensor + (square(g) - slots[1].tensor) * 0.001
        let decrease = momentum * rate / (sqrt(velocity) + 1e-7)
        return [(self.w, w - decrease), (slots[0], momentum), (slots[1], velocity)]
    }

    @Test func largeGradientsAreTakenByTheirOptimizers() throws {
        let product = matMul(x.transposed(), y)
        #expect(try optimizerSteps(product, nesterov) == ["matMul(left transposed)+nesterov"])
        #expect(try optimizerSteps(product, adam) == ["matMul(left transposed)+adam"])
        // Six numbers are not large.
        #expect(try optimizerSteps(product, largeElementCount: 7, adam).first == "matMul(left transposed)")
    }

    @Test func optimizersOfOtherGradientsStayElementwise() throws {
        let product = matMul(x.transposed(), y)
        // Read by somebody else, too; changed on the way; another kind of product.
        #expect(try optimizerSteps(product, outputs: [product], adam).contains("matMul(left transposed)"))
        #expect(try optimizerSteps(product + 1, adam).contains("matMul(left transposed)"))
        #expect(try optimizerSteps(matMul(x.transposed(), y.transposed().transposed() * 2), nesterov).count == 2)
        // Two factors that differ are no momentum of Nesterov's.
        let steps = try optimizerSteps(product) { w, g, slots in
            let plain = g * self.rate, momentum = slots[0].tensor * 0.9 - plain
            return [(self.w, w - (plain - momentum * 0.8)), (slots[0], momentum)]
        }
        #expect(steps.count == 2)
    }
}
