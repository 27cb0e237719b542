import Apus
import ApusGraph
import ApusNN
import ApusTestSupport
import Foundation
import Testing

/// Every layer gives what PyTorch gives on the same weights: its output, and the gradients with respect to inputs and
/// weights. The numbers are those of PyTorch 2.15.0 in float64; make-layer-agreement.py writes them.
@Suite struct LayerAgreementTests {
    /// Of the largest number of an array: single numbers near 0 are differences of larger ones.
    static let tolerance = 1e-5

    static let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("pytorch-2.15.0.safetensors")

    /// The arrays of each row, by what follows its name.
    static let rows: [String: [String: NDArray]] = {
        var rows: [String: [String: NDArray]] = [:]
        for (name, value) in (try? Safetensors.read(file)) ?? [] {
            let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
            rows[parts[0], default: [:]][parts[1]] = value
        }
        return rows
    }()

    @Test func rowsAreThoseOfTheFile() {
        #expect(Set(LayerAgreementRows.all.map(\.name)) == Set(Self.rows.keys))
        #expect(LayerAgreementRows.all.count == Self.rows.count)
    }

    @Test(arguments: LayerAgreementRows.all) func agreesWithPyTorch(row: LayerAgreementRows.Row) throws {
        let arrays = try #require(Self.rows[row.name])
        let count = arrays.keys.filter { $0.hasPrefix("input/") }.count
        let given = try (0..<count).map { try #require(arrays["input/\($0)"]) }
        let isEmbedding = row.layer is Embedding
        let inputs = given.enumerated().map { number, array in
            Tensor.input(
                Shape(Array(array.shape.sizes.dropFirst())), isEmbedding ? .int32 : .float32, name: "x\(number)")
        }
        let model = try Model(inputs: inputs, outputs: [row.layer(inputs)])
        let output = model.outputs[0]
        var variables: [(name: String, variable: Variable)] = []
        for entry in model.variables {
            let name = String(entry.path.drop { $0 != "/" }.dropFirst())
            try entry.variable.assign(try #require(arrays["weight/\(name)"], "no weight '\(name)'"))
            variables.append((name, entry.variable))
        }
        #expect(variables.count == arrays.keys.filter { $0.hasPrefix("weight/") }.count)

        let cotangent = Tensor.input(Shape(Array(output.shape.sizes.dropFirst())), name: "cotangent")
        let targets = inputs.indices.filter { arrays["gradient/input/\($0)"] != nil }
        let trained = variables.filter(\.variable.isTrainable)
        let slopes = try gradient(
            of: (output * cotangent).sum(),
            withRespectTo: targets.map { inputs[$0] } + trained.map(\.variable.tensor))
        let function = try Function(
            inputs: inputs + [cotangent], outputs: [output] + slopes, mode: row.mode, device: .cpu)
        let found = try function(
            zip(inputs, given).map { $1.converted(to: $0.elementType) } + [try #require(arrays["cotangent"])])
        for (name, variable) in variables {
            // What training moves, such as running averages; all others are as they were.
            let expected = try #require(arrays["updated/\(name)"] ?? arrays["weight/\(name)"])
            let isMoved = arrays["updated/\(name)"] != nil
            #expect(
                closeness(variable.value, to: expected, within: Tolerance(absolute: isMoved ? Self.tolerance : 0))
                    == .passed, "\(row.name): \(name) after the run")
        }
        let names =
            ["output"] + targets.map { "gradient/input/\($0)" } + trained.map { "gradient/weight/\($0.name)" }
        func magnitude(_ name: String) -> Double { arrays[name]?.doubles.lazy.map(\.magnitude).max() ?? 0 }
        let greatest = names.dropFirst().map(magnitude).max() ?? 0
        for (name, value) in zip(names, found) {
            let expected = try #require(arrays[name], "no '\(name)'")
            // A softmax does not change with the keys' bias: in float64 that gradient is 0 but for rounding.
            let largest = magnitude(name) < 1e-12 * greatest ? greatest : magnitude(name)
            #expect(
                closeness(value, to: expected, within: Tolerance(absolute: Self.tolerance * largest)) == .passed,
                "\(row.name): \(name)")
        }
    }
}
