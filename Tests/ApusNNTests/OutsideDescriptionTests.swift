import ApusCore
import ApusGraph
import ApusNN
import Foundation
import Testing

/// Descriptions that were made to break what reads them, by hand: each stands for one that did, or would have.
@Suite struct OutsideDescriptionTests {
    private func operation(_ name: String, _ settings: String) -> String {
        "\"operation\":{\"\(name)\":{\"_0\":\(settings)}}"
    }

    private func input(_ sizes: String = "[-1,4]", type: String = "float32") -> String {
        let type = "{\"shape\":{\"sizes\":\(sizes)},\"elementType\":\"\(type)\"}"
        return "{\(operation("input", "{\"name\":\"x\",\"type\":\(type)}")),\"inputs\":[]}"
    }

    /// A description of nodes, the first of which is the input and the last the output.
    private func description(
        _ nodes: [String], losses: String = "", variables: String = "", calls: String = ""
    ) -> Data {
        Data(
            ("{\"format\":\"apus-model\",\"version\":1,\"kind\":\"Model\",\"inputs\":[0],\"outputs\":[\(nodes.count - 1)],"
                + "\"losses\":[\(losses)],\"nodes\":[\(nodes.joined(separator: ","))],\"calls\":[\(calls)],"
                + "\"variables\":[\(variables)]}").utf8)
    }

    private func fault(_ data: Data) -> String {
        message { _ = try Model(description: data, path: "FILE") }
            .replacingOccurrences(of: " Fetch or copy the file again.", with: "")
    }

    private func node(_ name: String, _ settings: String, of inputs: Int...) -> String {
        "{\(operation(name, settings)),\"inputs\":\(inputs)}"
    }

    @Test func aSmallOneIsRead() throws {
        let model = try Model(description: description([input(), node("unary", "{\"function\":\"relu\"}", of: 0)]))
        #expect(model.outputs[0].shape == [-1, 4])
    }

    /// A decoder takes 1e12 for a whole number where a check of the digits passed it over.
    @Test func sizesInOtherSpellings() {
        for size in ["1e12", "4.0", "1E2"] {
            #expect(
                fault(description([input("[-1,\(size),\(size)]")]))
                    == "FILE: is damaged: a size that is no whole number.")
        }
    }

    /// Empty arrays have sizes too, which are added up and multiplied.
    @Test func sizesBesideZero() {
        #expect(
            fault(description([input("[0,1099511627776,1099511627776]")]))
                == "FILE: is damaged: a shape too large, [0, 1099511627776, 1099511627776].")
        let twice = (1..<24).map { node("concatenate", "{\"axis\":1}", of: $0 - 1, $0 - 1) }
        #expect(
            fault(description([input("[0,1099511627776]")] + twice)).contains(
                "node 1 has no possible shape: float32[0, 2199023255552]"))
    }

    /// So many that the sum of their sizes is beyond 64 bits.
    @Test func manyPartsBesideEachOther() {
        let type = TensorType([0, 1 << 40])
        let inputs = [TensorType](repeating: type, count: 1 << 23)
        #expect((try? Concatenate(axis: 1).resultType(of: inputs)).map { Shape.isPossible($0.shape.sizes) } == false)
    }

    @Test func axesThatCountTwice() {
        let nodes = [
            input("[-1,1048576]"), node("axisSize", "{\"axes\":[1,1,1,1]}", of: 0),
            node("broadcast", "{\"shape\":{\"sizes\":[-1,1048576]}}", of: 1),
        ]
        #expect(
            fault(description(nodes)).hasPrefix("FILE: is damaged: node 1 counts axes that are not there, or one twice")
        )
    }

    @Test func aNormalizationWithoutAxes() {
        let mean = node("reduction", "{\"function\":\"sum\",\"axes\":[0,1]}", of: 0)
        let scalar = node("reshape", "{\"shape\":{\"sizes\":[]}}", of: 1)
        let normalized = node("batchNormalization", "{}", of: 2, 2, 2, 2, 2, 2, 2)
        #expect(
            fault(description([input(), mean, scalar, normalized])).contains(
                "batchNormalization: expected a last axis of channels, received a scalar"))
    }

    /// Its gradient was that of a scale of one value for each channel.
    @Test func aNormalizationWithAScaleForEachPlace() {
        let sum = node("reduction", "{\"function\":\"sum\",\"axes\":[0]}", of: 0)
        let mean = node("reshape", "{\"shape\":{\"sizes\":[4]}}", of: 1)
        #expect(
            fault(description([input(), sum, mean, node("batchNormalization", "{}", of: 0, 2, 2, 0, 2, 0, 2)]))
                == "FILE: is damaged: batchNormalization: expected mean, reciprocal deviation, scale and offset of type "
                + "float32[4], received float32[batch, 4]. Cure: give one value for each channel.")
    }

    /// Graphs compute with float32 and int32; the kernels know nothing else.
    @Test func elementTypesOfNoGraph() {
        let transposed = node("transpose", "{\"permutation\":[1,0]}", of: 0)
        #expect(
            fault(description([input("[2,2]", type: "uint8"), transposed]))
                == "FILE: is damaged: node 0 has elements of type uint8.")
    }

    @Test func poolingsOfWindowsBeyondCounting() {
        let (size, rim) = (1 << 30, AxisPadding(before: (1 << 30) - 1, after: (1 << 30) - 1))
        let motion = WindowMotion(strides: [1, 1, 1], dilations: [1, 1, 1], padding: [rim, rim, rim])
        let pool = MaxPool(window: PoolingWindow(sizes: [size, size, size], motion: motion))
        #expect(
            message { _ = try pool.resultType(of: [TensorType([-1, 1, 1, 1, 1])]) }
                == "maxPool: expected a window of at most 2^40 places, received [1073741824, 1073741824, 1073741824]. "
                + "Cure: use a smaller window.")
    }

    /// Once the square of their number was the time that these took: it would be seen by the time of the tests.
    @Test func manyOfAKind() throws {
        let count = 4_000
        let variable =
            "{\"path\":\"a/w%\",\"name\":\"w\",\"isTrainable\":true,"
            + "\"type\":{\"shape\":{\"sizes\":[]},\"elementType\":\"float32\"}}"
        let variables = (1...count).map { variable.replacingOccurrences(of: "%", with: $0 == 1 ? "" : "\($0)") }
        let reads = (0..<count).map { place in
            "{\(operation("variable", "{\"type\":{\"shape\":{\"sizes\":[]},\"elementType\":\"float32\"}}")),"
                + "\"inputs\":[],\"call\":0,\"variable\":\(place)}"
        }
        let call =
            "{\"kind\":\"Many\",\"name\":\"a\",\"variables\":[\((0..<count).map(String.init).joined(separator: ","))]}"
        let all =
            [input()] + reads + ["{\(operation("unary", "{\"function\":\"relu\"}")),\"inputs\":[0],\"call\":0}"]
        let losses = (1...count).map { "{\"name\":\"loss\($0)\",\"node\":\($0)}" }.joined(separator: ",")
        let data = description(all, losses: losses, variables: variables.joined(separator: ","), calls: call)
        let model = try Model(description: data, path: "FILE")
        #expect(model.addedLosses.count == count && model.variables.last?.path == "a/w\(count)")
    }

    @Test func moreThanMemory() throws {
        let model = try Sequential(input: [16]) { Dense(16, usesBias: false) }
        // 256 numbers, and as many first values.
        let data = try model.descriptionData()
        #expect(try Model(description: data, path: "FILE", memoryLimit: 2_048).parameterCount == 256)
        #expect(
            message { _ = try Model(description: data, path: "FILE", memoryLimit: 2_047) }
                == "FILE: is damaged: variables of more than the memory's size. Fetch or copy the file again.")
    }

    /// Swift takes two spellings of one text for equal; so do the keys.
    @Test func keysThatOnlyDifferInSpelling() {
        #expect(throws: JSONFault.self) { try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}".utf8) }
    }
}
