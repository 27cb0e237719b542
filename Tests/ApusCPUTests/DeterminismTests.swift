import ApusCPU
import ApusCore
import ApusGraph
import ApusPlan
import ApusTestSupport
import CApusKernels
import Testing

extension KernelTests {
    /// What docs/determinism.md promises of the processor, operation by operation.
    @Suite struct DeterminismTests {
        /// Two executables, and the first one again, with other work in between and with garbage in all memory that
        /// lives within a run.
        @Test(arguments: OperationTable.rows) func executionsAreBitwiseEqual(row: OperationRow) {
            let faults = repetitionFaults(of: row) { trace, inputs, context in
                let first = try Device.cpu.compile(Plan(trace.graph), trace.variables)
                let second = try Device.cpu.compile(Plan(trace.graph), trace.variables)
                var results: [[NDArray]] = []
                for (executable, garbage) in [(first, 0x00), (second, 0xff), (first, 0x7f), (second, 0xa5)] {
                    try fillArena(of: executable, with: UInt8(garbage), inputs, context)
                    try otherWork()
                    try runOnce(executable, inputs, context)
                    results.append(trace.graph.outputs.indices.map { executable.outputArray($0) })
                }
                return results
            }
            #expect(faults == [])
        }

        /// Our own loops give the same bits with 1, 2 and 3 threads, on arrays that are large enough to be shared. What
        /// comes from one of oneDNN's products is left out: its sums may be added in another order; and so are sums that
        /// each thread takes of its own samples as a recurrence goes back.
        @Test(arguments: OperationTable.rows) func ownLoopsDoNotDependOnThreads(row: OperationRow) {
            let before = apus_thread_count()
            defer { apus_set_thread_count(before) }
            let faults = repetitionFaults(of: row, elementCount: 120_000) { trace, inputs, context in
                let isOwn = outputsWithoutProducts(trace.graph)
                return try (1...3).map { (count: Int32) in
                    apus_set_thread_count(count)
                    return zip(try runOnCPU(trace, inputs, context), isOwn).filter(\.1).map(\.0)
                }
            }
            #expect(faults == [])
        }

        /// For each output whether no product, convolution, or sum over the gradient of a recurrence is on the way to it.
        private func outputsWithoutProducts(_ graph: Graph) -> [Bool] {
            var isOwn: [Bool] = []
            for node in graph.nodes {
                switch node.operation {
                case .matMul, .convolution, .convolutionInputGradient, .convolutionKernelGradient: isOwn.append(false)
                case .reduction where isRecurrenceGradient(node.inputs[0], graph): isOwn.append(false)
                default: isOwn.append(node.inputs.allSatisfy { isOwn[$0] })
                }
            }
            return graph.outputs.map { isOwn[$0] }
        }

        private func isRecurrenceGradient(_ node: Int, _ graph: Graph) -> Bool {
            switch graph.nodes[node].operation {
            case .recurrenceGradient: true
            case .reshape: isRecurrenceGradient(graph.nodes[node].inputs[0], graph)
            default: false
            }
        }

        /// Of all results and gradients, more than two thirds are without products.
        @Test func mostOfTheTableIsOwn() throws {
            var (own, all) = (0, 0)
            for row in OperationTable.rows {
                _ = repetitionFaults(of: row) { trace, _, _ in
                    let isOwn = outputsWithoutProducts(trace.graph)
                    (own, all) = (own + isOwn.filter { $0 }.count, all + isOwn.count)
                    return [[], []]
                }
            }
            #expect(own * 3 > all * 2, "\(own) of \(all)")
        }

        /// A checker that finds nothing would prove nothing.
        @Test func theCheckerFindsWhatDiffers() throws {
            let row = try #require(OperationTable.rows(for: OperationKind(.unary, "exp")).first)
            var count: Float = 0
            let faults = repetitionFaults(of: row) { trace, inputs, context in
                let results = try runOnCPU(trace, inputs, context)
                count += 1
                var other = results
                if count == 1 {
                    other[0] = try NDArray(results[0].floats.map { $0.nextUp }, shape: results[0].shape)
                }
                return [results, other]
            }
            #expect(faults.count == 1 && faults[0].hasSuffix("repetition 1 differs in output [0]"))
            #expect(
                repetitionFaults(of: row) { trace, inputs, context in
                    [try runOnCPU(trace, inputs, context)]
                }.allSatisfy { $0.hasSuffix("not repeated") })
        }

        /// Writes over every value of the arena.
        private func fillArena(
            of executable: any Executable, with byte: UInt8, _ inputs: [NDArray], _ context: RunContext
        ) throws {
            try withPointers(to: inputs) { pointers in
                var addresses: [(UnsafeRawPointer, Int)] = []
                try executable.run(inputs: pointers, context: context) { step, address in
                    guard step == executable.plan.steps.count - 1 else { return }
                    for (index, value) in executable.plan.values.enumerated() {
                        if case .arena = value.location { addresses.append((address(index), value.type.byteCount)) }
                    }
                }
                for (address, count) in addresses {
                    UnsafeMutableRawPointer(mutating: address)
                        .initializeMemory(as: UInt8.self, repeating: byte, count: count)
                }
            }
        }

        /// A product, random numbers and a sum, on sizes that wake all threads.
        private func otherWork() throws {
            let x = Tensor.input([64])
            let output = matMul(
                x + .randomNormal(like: x), .constant(NDArray(repeating: 0.5 as Float, shape: [64, 48])))
            let work = try Function(inputs: [x], outputs: [tanh(output).sum()], device: .cpu)
            _ = try work(NDArray(repeating: 1 as Float, shape: [600, 64]))
        }
    }
}
