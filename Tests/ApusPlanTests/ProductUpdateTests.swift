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
}
