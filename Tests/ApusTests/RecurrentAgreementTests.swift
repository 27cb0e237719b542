import Apus
import ApusTestSupport
import Foundation
import Testing

/// The recurrent layers on the processor against PyTorch's in float64, forward and backward, with the same weights:
/// `Tests/PyTorch/recurrent.json`, made by the script beside it.
@Suite struct RecurrentAgreementTests {
    private struct Published: Decodable {
        let torch: String
        let cases: [Case]
    }

    private struct Case: Decodable {
        let name, cell: String
        let units: Int
        let isBidirectional, isHard, isReLU, goesBackwards: Bool
        let merge: String
        let input, inputGradient: Entry
        let initialState, initialStateGradients: [Entry]
        let mask: Entry?
        let variables: [VariableEntry]
        let output, outputWeights: Entry
        let state, stateWeights: [Entry]

        func layer(_ shape: Shape) throws -> any RecurrentLayer {
            let gates: ActivationFunction = isHard ? .hardSigmoid(slope: 0.2) : .sigmoid
            var one: any RecurrentLayer =
                switch cell {
                case "simple": SimpleRNN(units, activation: isReLU ? .relu : .tanh, returnsSequences: true)
                case "gru": GRU(units, gateActivation: gates, returnsSequences: true)
                default: LSTM(units, gateActivation: gates, returnsSequences: true)
                }
            one.goesBackwards = goesBackwards
            return isBidirectional
                ? Bidirectional(one, merge: try #require(Bidirectional.Merge(rawValue: merge))) : one
        }
    }

    private struct Entry: Decodable {
        let shape: [Int]
        let values: [Double]

        func array() throws -> NDArray { try NDArray(values.map { Float($0) }, shape: Shape(shape)) }
        func constant() throws -> Tensor { .constant(try array()) }
        func placeholder() -> Tensor { .placeholder(Shape(shape)) }
    }

    private struct VariableEntry: Decodable {
        let name: String
        let value, gradient: Entry
    }

    private func published() throws -> Published {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let data = try Data(contentsOf: tests.appending(path: "PyTorch/recurrent.json"))
        return try JSONDecoder().decode(Published.self, from: data)
    }

    @Test func layersAgreeWithPyTorch() throws {
        let published = try published()
        #expect(published.torch.hasPrefix("2.15"))
        #expect(published.cases.count == 21)
        for entry in published.cases { try check(entry) }
    }

    private func check(_ entry: Case) throws {
        let (x, states) = (entry.input.placeholder(), entry.initialState.map { $0.placeholder() })
        let (output, state) = try entry.layer(x.shape).outputAndState(
            of: x, initialState: states, mask: entry.mask?.constant())
        let model = try Model(inputs: [x] + states, outputs: [output] + state)
        #expect(
            model.variables.map { $0.path.split(separator: "/").last.map(String.init) } == entry.variables.map(\.name))
        for (own, theirs) in zip(model.variables, entry.variables) {
            try own.variable.assign(theirs.value.array())
        }

        let products = try zip([output] + state, [entry.outputWeights] + entry.stateWeights).map {
            ($0 * (try $1.constant())).sum()
        }
        let targets = [x] + states + model.variables.map(\.variable.tensor)
        let slopes = try gradient(of: products.reduce(0, +), withRespectTo: targets)
        // PyTorch has zeros at the steps that are left out, and so has Bidirectional.
        var shown = output
        if let mask = entry.mask, !entry.isBidirectional {
            shown = output * (try mask.constant().reshaped(to: Shape(mask.shape + [1])))
        }
        let function = try Function(inputs: [x] + states, outputs: [shown] + state + slopes, device: .cpu)
        let found = try function([entry.input.array()] + entry.initialState.map { try $0.array() })
        let expected =
            [entry.output] + entry.state + [entry.inputGradient] + entry.initialStateGradients
            + entry.variables.map(\.gradient)
        #expect(found.count == expected.count)
        for (place, (found, expected)) in zip(found, expected).enumerated() {
            #expect(found.shape.sizes == expected.shape, "\(entry.name), result \(place)")
            let largest = expected.values.map(\.magnitude).max() ?? 0
            let verdict = closeness(
                found.doubles, to: expected.values, within: Tolerance(absolute: 1e-6 * largest, relative: 1e-5))
            #expect(verdict == .passed, "\(entry.name), result \(place)")
        }
    }
}
