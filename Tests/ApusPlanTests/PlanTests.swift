import ApusCore
import ApusGraph
import ApusPlan
import Testing

@Suite struct PlanTests {
    @Test func dump() throws {
        let x = Tensor.input([784], name: "x"), t = Tensor.input([10], name: "t")
        func dense(_ x: Tensor, _ i: Int, _ o: Int) -> (Tensor, [Variable]) {
            let w = Variable("w", shape: [i, o]), b = Variable("b", shape: [o])
            return (matMul(x, w.tensor) + b.tensor, [w, b])
        }
        let (a, v1) = dense(x, 784, 512)
        let (b, v2) = dense(sigmoid(a), 512, 512)
        let (c, v3) = dense(sigmoid(b), 512, 10)
        let loss = softmaxCrossEntropy(logits: c, targets: t).mean()
        let accuracy = (c.argMax().cast(to: .float32) .== t.argMax().cast(to: .float32)).sum()
        let vs = v1 + v2 + v3
        let g = try gradient(of: loss, withRespectTo: vs.map(\.tensor))
        let lr = Schedule.constant(1).tensor
        let updates = zip(vs, g).map { VariableUpdate($0, to: $0.tensor - lr * $1) }
        let trace = try Trace(inputs: [x, t], outputs: [loss, accuracy], updates: updates.reversed(), mode: .training, batchSize: 128)
        print(trace.graph)
        print(trace.graph.simplified())
        print(Plan(trace.graph, guardedOutput: 0))
    }
}
