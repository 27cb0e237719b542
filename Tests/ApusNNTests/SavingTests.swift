import ApusCore
import ApusGraph
import ApusNN
import Foundation
import Testing

@Suite struct SavingTests {
    @Test func aModelReadBackGivesTheSame() throws {
        let (_, _, whole) = try makeAutoencoder(hidden: 5)
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("runs/vae")
            try whole.save(to: url)
            let copy = try Model(contentsOf: url)
            #expect(copy.name == "vae" && copy.summary(expandsModels: true) == whole.summary(expandsModels: true))
            #expect(copy.variables.map(\.path) == whole.variables.map(\.path))
            #expect(copy.variables.map(\.variable.value) == whole.variables.map(\.variable.value))
            #expect(try copy.descriptionData() == whole.descriptionData())
            let pixels = (0..<784).map { Double($0 % 7) / 7 }
            let found = try evaluate(copy.roots, inputs: [(copy.inputs[0], pixels)], seed: 3)
            let expected = try evaluate(whole.roots, inputs: [(whole.inputs[0], pixels)], seed: 3)
            #expect(found.map(\.values) == expected.map(\.values))
            #expect(copy.addedLosses.map(\.name) == ["encoder/divergence"])
        }
    }

    @Test func layersRegularizersAndFreedom() throws {
        let steady = Variable("steady", value: NDArray([1, .infinity] as [Float]), isTrainable: false)
        let x = Tensor.input([4], name: "x")
        let hidden = try Dropout(0.25)(Dense(2, activation: .sparsemax, kernelRegularizer: L2(0.5))(x))
        let y = minimum(hidden, steady.tensor) + .constant(NDArray([.nan, 1e30] as [Float]))
        let model = try Model(inputs: [x], outputs: [y])
        let copy = try Model(description: model.descriptionData(), seed: 0)
        #expect(copy.name == "model" && copy.variables.map(\.variable.isTrainable) == [true, true, false])
        #expect(copy.regularization != nil)
        #expect(try copy.descriptionData() == model.descriptionData())
        // The same values by the same seed and path. Those of a variable without an initializer are in no description.
        #expect(copy.variables[0].variable.value == model.variables[0].variable.value)
        #expect(copy.summary() == model.summary())
    }

    /// A copy is a model like any other: it can be called inside another one.
    @Test func aCopyInsideAnotherModel() throws {
        let inner = try Sequential(input: [2], name: "inner") { Dense(2) }
        let copy = try Model(description: inner.descriptionData())
        let outer = try Sequential(input: [2]) { copy }
        #expect(outer.variables.map(\.path) == ["inner/dense/kernel", "inner/dense/bias"])
    }

    @Test func weightsByPath() throws {
        func model(_ units: Int, name: String? = nil, seed: UInt64 = 0) throws -> Model {
            try Sequential(input: [2], seed: seed) { Dense(units, name: name) }
        }
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("weights.safetensors")
            let first = try model(3)
            try first.saveWeights(to: url)
            let second = try model(3, seed: 9)
            #expect(second.variables[0].variable.value != first.variables[0].variable.value)
            try second.loadWeights(from: folder)
            #expect(second.variables[0].variable.value == first.variables[0].variable.value)

            let cure = "Cure: load weights that were saved from the same model."
            #expect(
                message { try model(4).loadWeights(from: url) }
                    == "dense/kernel: weights in \(url.path): expected float32[2, 4], received float32[2, 3]. \(cure)")
            #expect(
                message { try model(3, name: "head").loadWeights(from: url) }
                    == "weights in \(url.path): expected tensors for all variables, "
                    + "received none named 'head/kernel', 'head/bias'. \(cure)")
            let small = try Sequential(input: [2]) { Dense(3, usesBias: false) }
            #expect(
                message { try small.loadWeights(from: url) }
                    == "weights in \(url.path): expected tensors for the model's variables only, "
                    + "received 'dense/bias'. \(cure)")
            #expect(
                message { try first.loadWeights(from: folder.appendingPathComponent("none")) }.hasSuffix(
                    "Check the path."))
        }
    }

    @Test func foldersThatCannotBeMade() throws {
        let model = try Sequential(input: [2]) { Dense(1) }
        try withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("file")
            try Data().write(to: file)
            let place = file.appendingPathComponent("model")
            #expect(
                message { try model.save(to: place) }
                    == "\(place.path): cannot be written: Not a directory. Choose another place, or make room.")
        }
    }

    /// What reading a description says after one edit of its text; the small model is x + 1 through a Dense layer.
    private func faultAfter(_ old: String, _ new: String) throws -> String {
        let model = try Sequential(input: [2]) { Dense(2, usesBias: false, kernelInitializer: .zeros) }
        let text = String(decoding: try model.descriptionData(), as: UTF8.self)
        guard text.contains(old) else { return "no '\(old)' in \(text)" }
        let changed = text.replacingOccurrences(of: old, with: new)
        return message { _ = try Model(description: Data(changed.utf8), path: "FILE") }
            .replacingOccurrences(of: " Fetch or copy the file again.", with: "")
    }

    @Test func damagedDescriptions() throws {
        #expect(
            try faultAfter("apus-model", "other")
                == "FILE: expected the description of an Apus model, found other JSON.")
        #expect(
            try faultAfter("\"version\":1", "\"version\":2")
                == "FILE: expected version 1 of the format, found version 2.")
        #expect(
            try faultAfter("{\"calls\"", "{\"calls\":,")
                == "FILE: is damaged: not JSON: unexpected character at byte 9.")
        #expect(try faultAfter("\"outputs\":[2]", "\"outputs\":[4]") == "FILE: is damaged: there is no node 4.")
        #expect(
            try faultAfter("\"outputs\":[2]", "\"outputs\":[1]").hasPrefix(
                "FILE: is damaged: Model 'sequential': expected outputs that depend on the inputs"))
        #expect(
            try faultAfter("\"inputs\":[0,1]", "\"inputs\":[0,2]")
                == "FILE: is damaged: node 2 names what is not there.")
        #expect(
            try faultAfter("\"inputs\":[0,1]", "\"inputs\":[0]") == "FILE: is damaged: node 2 has 1 inputs for matMul.")
        #expect(
            try faultAfter("\"inputs\":[0,1]", "\"inputs\":[1,0]").hasPrefix(
                "FILE: is damaged: matMul: expected inner sizes"))
        #expect(
            try faultAfter("\"variables\":[0]", "\"variables\":[1]")
                == "FILE: is damaged: layer 0 names what is not there.")
        #expect(
            try faultAfter("\"path\":\"dense/kernel\"", "\"path\":\"other\"")
                == "FILE: is damaged: the variables' paths are not those of the layers.")
        #expect(
            try faultAfter("[2,2]", "[4611686018427387904,2]").hasPrefix("FILE: is damaged: a shape too large"))
        let huge = "4611686018427387904"
        #expect(
            try faultAfter("[2,2]", "[\(huge),\(huge),0]")
                == "FILE: is damaged: a shape too large, [\(huge), \(huge), 0].")
        #expect(
            try faultAfter("[2,2]", "[4194304,262144]") == "FILE: is damaged: variables of more than the memory's size."
        )
        #expect(
            try faultAfter("\"isTrainable\":true", "\"isTrainable\":3").contains(
                "a value of another type at variables/"))
        #expect(try faultAfter("\"kind\":\"Sequential\",", "") == "FILE: is damaged: 'kind' is missing.")
    }

    /// Each byte of a description changed to another: it is read, and can be traced, or it is refused; nothing traps.
    @Test func everyByteMayBeWrong() throws {
        let model = try Sequential(input: [2]) {
            Dense(2, activation: .softmax)
            Lambda { $0.mean(-1, keepsAxes: true) }
            Dropout(0.5)
        }
        let data = try model.descriptionData()
        var refused = 0
        for place in data.indices {
            for byte in [UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "]")] where data[place] != byte {
                var changed = data
                changed[place] = byte
                do {
                    let copy = try Model(description: changed)
                    let trace = try Trace(inputs: copy.inputs, outputs: copy.roots, mode: .training, batchSize: 3)
                    #expect(trace.graph.faults.isEmpty)
                } catch is ApusError {
                    refused += 1
                }
            }
        }
        #expect(refused > data.count)
    }

    /// A file that could not be finished leaves the old one and nothing else.
    @Test func unfinishedFiles() throws {
        struct Stop: Error {}
        try withTemporaryFolder { folder in
            let url = folder.appendingPathComponent("file")
            try AtomicFile.write(Data("old".utf8), to: url)
            #expect(throws: Stop.self) {
                try AtomicFile.write(to: url) { file in
                    try Array("new".utf8).withUnsafeBytes { try file.append($0) }
                    throw Stop()
                }
            }
            #expect(try Data(contentsOf: url) == Data("old".utf8))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
        }
    }
}
