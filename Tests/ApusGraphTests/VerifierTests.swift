import ApusCore
import ApusGraph
import Testing

@Suite("Verifier")
struct VerifierTests {
    private static let vector = TensorType([2])
    private static let input = Graph.Node(.input(InputSlot(name: "x", type: vector)), [], vector)
    private static let variable = Graph.Node(.variable(VariableRead(type: vector)), [], vector)
    private static let negation = Graph.Node(.unary(Unary(.negate)), [0], vector)

    /// `-x`, without a fault.
    private let sound = Graph(nodes: [input, negation], inputs: [0], variables: [], outputs: [1])
    /// `v <- -v`, without a fault.
    private let update = Graph(
        nodes: [variable, negation], inputs: [], variables: [0], outputs: [],
        updates: [Graph.Update(variable: 0, value: 1)])

    private func faults(of graph: Graph, _ change: (inout Graph) -> Void) -> [String] {
        var graph = graph
        change(&graph)
        return graph.faults
    }

    @Test func soundGraphsPass() {
        #expect(sound.faults == [])
        #expect(update.faults == [])
        #expect(Graph(nodes: [], inputs: [], variables: [], outputs: []).faults == [])
    }

    @Test func laterInputIsFound() {
        #expect(faults(of: sound) { $0.nodes[1].inputs = [1] } == ["%1 reads %1, which does not come before it"])
        #expect(faults(of: sound) { $0.nodes[1].inputs = [7] } == ["%1 reads %7, which does not come before it"])
        #expect(faults(of: sound) { $0.nodes[1].inputs = [-1] } == ["%1 reads %-1, which does not come before it"])
    }

    @Test func wrongInputCountIsFound() {
        #expect(faults(of: sound) { $0.nodes[1].inputs = [] } == ["%1: negate has 0 inputs instead of 1"])
        #expect(faults(of: sound) { $0.nodes[1].inputs = [0, 0] } == ["%1: negate has 2 inputs instead of 1"])
        #expect(
            faults(of: sound) { $0.nodes[1].operation = .binary(Binary(.add)) } == ["%1: add has 1 inputs instead of 2"]
        )
        #expect(
            faults(of: sound) { $0.nodes[1].operation = .select(Select()) } == ["%1: select has 1 inputs instead of 3"])
    }

    @Test func operationsOfTracingAreFound() {
        #expect(
            faults(of: sound) { $0.nodes[1].operation = .stopGradient(StopGradient()) }
                == ["%1: stopGradient is left from tracing"])
        #expect(
            faults(of: sound) { $0.nodes[1] = Graph.Node(.phase(Phase()), [0, 0], Self.vector) }
                == ["%1: phase is left from tracing"])
        #expect(
            faults(of: sound) { $0.nodes[1] = Graph.Node(.axisSize(AxisSize(axes: [0])), [0], TensorType([])) }
                == ["%1: axisSize(axes: [0]) is left from tracing"])
    }

    @Test func unlistedSourcesAreFound() {
        #expect(faults(of: sound) { $0.inputs = [] } == ["%0 is an input that nobody gives"])
        #expect(
            faults(of: update) { ($0.variables, $0.updates) = ([], []) } == ["%0 reads a variable that is not listed"])
    }

    @Test func wrongListingsAreFound() {
        #expect(faults(of: sound) { $0.inputs = [0, 1] } == ["%1 is listed as an input, but is none"])
        #expect(faults(of: sound) { $0.inputs = [0, 5] } == ["%5 is listed as an input, but is none"])
        #expect(faults(of: sound) { $0.variables = [0] } == ["%0 is listed as a variable, but is none"])
        #expect(
            faults(of: update) { $0.variables = [9] } == [
                "%0 reads a variable that is not listed", "%9 is listed as a variable, but is none",
            ])
    }

    @Test func openSizeIsFound() {
        let open = TensorType([-1])
        #expect(
            faults(of: sound) { $0.nodes = [Graph.Node(.input(InputSlot(name: "x", type: open)), [], open)] }.first
                == "%0 has an open size: float32[batch]")
    }

    @Test func wrongTypeIsFound() {
        #expect(
            faults(of: sound) { $0.nodes[1].type = TensorType([3]) } == [
                "%1 says float32[3], its rule gives float32[2]"
            ])
    }

    @Test func misfitIsFound() {
        #expect(
            faults(of: sound) { $0.nodes[1].operation = .reduction(Reduction(function: .sum, axes: [4])) }
                == ["%1: sum: expected axes of [2], received axis 4. Cure: axes go from 0 to the rank less 1."])
    }

    @Test func missingRootIsFound() {
        #expect(faults(of: sound) { $0.outputs = [1, 2] } == ["%2 is read, but there is no such node"])
        #expect(
            faults(of: update) { $0.updates[0].value = 4 } == [
                "%4 is read, but there is no such node", "an update of variable 0, of which there are 1",
            ])
    }

    @Test func wrongUpdatesAreFound() {
        #expect(
            faults(of: update) { $0.updates[0].variable = 1 } == ["an update of variable 1, of which there are 1"])
        #expect(
            faults(of: update) {
                $0.nodes[1] = Graph.Node(.constant(Constant(value: NDArray(scalar: Float(0)))), [], TensorType([]))
            }
                == ["an update of a float32[2] by a float32[]"])
        #expect(faults(of: update) { $0.updates.append($0.updates[0]) } == ["a variable is updated twice"])
    }

    @Test func everyFaultIsListed() {
        #expect(
            faults(of: sound) {
                $0.inputs = []
                $0.nodes[1].type = TensorType([3])
                $0.outputs = [3]
            } == [
                "%0 is an input that nobody gives", "%1 says float32[3], its rule gives float32[2]",
                "%3 is read, but there is no such node",
            ])
    }
}
