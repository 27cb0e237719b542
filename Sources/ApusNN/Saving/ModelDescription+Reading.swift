import ApusCore
import ApusGraph
import Foundation

/// What a description says that cannot be.
private struct Contradiction: Error {
    let reason: String
}

extension ModelDescription {
    /// The longest description that is read, in bytes.
    static let fileByteLimit = 1 << 26

    /// Reads what `data()` wrote.
    /// - Throws: `ApusError.file` with `.foreign` or `.damaged`; `path` is for the error alone.
    init(_ data: Data, path: String) throws {
        do {
            let json = try JSONValue(parsing: data)
            guard case .string(Self.format) = json["format"] else {
                throw ApusError.file(
                    path: path, .foreign(expected: "the description of an Apus model", found: "other JSON"))
            }
            guard json["version"]?.integer == Self.version else {
                let version = json["version"]?.integer.map { "version \($0)" } ?? "no version"
                throw ApusError.file(
                    path: path, .foreign(expected: "version \(Self.version) of the format", found: version))
            }
            try Self.checkNumbers(json)
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            self = try decoder.decode(Self.self, from: data)
        } catch let fault as JSONFault {
            throw ApusError.file(path: path, .damaged(reason: "not JSON: \(fault)"))
        } catch let contradiction as Contradiction {
            throw ApusError.file(path: path, .damaged(reason: contradiction.reason))
        } catch let error as DecodingError {
            throw ApusError.file(path: path, .damaged(reason: Self.wording(of: error)))
        }
    }

    private static func wording(of error: DecodingError) -> String {
        let (context, problem): (DecodingError.Context, String) =
            switch error {
            case .keyNotFound(let key, let context): (context, "'\(key.stringValue)' is missing")
            case .typeMismatch(_, let context), .valueNotFound(_, let context): (context, "a value of another type")
            case .dataCorrupted(let context): (context, excerpt(context.debugDescription, limit: 200))
            @unknown default: (DecodingError.Context(codingPath: [], debugDescription: ""), "\(error)")
            }
        let place = excerpt(
            context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: "/"))
        return place.isEmpty ? problem : "\(problem) at \(place)"
    }

    /// All sizes, places and counts are small enough to be added and multiplied.
    private static func checkNumbers(_ json: JSONValue, key: String = "") throws {
        switch json {
        case .number(let text):
            guard let number = Double(text), number.magnitude <= Double(Shape.largestCount) else {
                throw Contradiction(reason: "a number too large, \(excerpt(text)), at '\(excerpt(key))'")
            }
        case .array(let values):
            if key == "sizes" {
                // A decoder may take 1e6 for a whole number; here it is none.
                let sizes = values.compactMap(\.integer)
                guard sizes.count == values.count else { throw Contradiction(reason: "a size that is no whole number") }
                guard Shape.isPossible(sizes) else { throw Contradiction(reason: "a shape too large, \(sizes)") }
            }
            for value in values { try checkNumbers(value, key: key) }
        // A constant's own numbers may be as large as they like.
        case .object(let members):
            for member in members where member.key != "values" {
                try checkNumbers(member.value, key: member.key)
            }
        case .null, .boolean, .string: break
        }
    }
}

extension Model {
    /// The model of `description`, with `values` for its variables by path, or first values drawn by `seed` where
    /// there are none.
    ///
    /// Everything is verified: places, types by the operations' own rules, names.
    /// - Throws: `ApusError.file` with `.damaged`; `path` is for the error alone.
    convenience init(
        _ description: ModelDescription, path: String, seed: UInt64 = 0, values: [String: NDArray]? = nil,
        memoryLimit: Int = MemoryLimit.byteCount
    ) throws {
        do {
            let parts = try description.parts(values, memoryLimit: memoryLimit)
            try self.init(
                inputs: parts.inputs, outputs: parts.outputs, name: description.name, seed: seed, kind: description.kind
            )
            try addLosses(zip(description.losses, parts.losses).map { AddedLoss(name: $0.name, value: $1) })
            guard variables.map(\.path) == description.variables.map(\.path) else {
                throw Contradiction(reason: "the variables' paths are not those of the layers")
            }
        } catch let contradiction as Contradiction {
            throw ApusError.file(path: path, .damaged(reason: contradiction.reason))
        } catch let error as ApusError {
            let text = "\(error)"
            throw ApusError.file(path: path, .damaged(reason: text.hasSuffix(".") ? String(text.dropLast()) : text))
        }
    }
}

extension ModelDescription {
    fileprivate func parts(
        _ values: [String: NDArray]?, memoryLimit: Int
    ) throws -> (inputs: [Tensor], outputs: [Tensor], losses: [Tensor]) {
        let variables = try makeVariables(values, memoryLimit: memoryLimit)
        let nodes = try makeNodes(variables, try makeCalls(variables))
        func tensor(_ place: Int) throws -> Tensor {
            guard nodes.indices.contains(place) else { throw Contradiction(reason: "there is no node \(place)") }
            return Tensor(node: nodes[place])
        }
        return (try inputs.map(tensor), try outputs.map(tensor), try losses.map { try tensor($0.node) })
    }

    private func makeVariables(_ values: [String: NDArray]?, memoryLimit: Int) throws -> [Variable] {
        // Each with the first values that it is given.
        let byteCount = variables.reduce(0.0) { $0 + Double($1.type.shape.elementCount) * 8 }
        guard byteCount <= Double(memoryLimit) else {
            throw Contradiction(reason: "variables of more than the memory's size")
        }
        return try variables.map { entry in
            guard !entry.type.shape.isSymbolic else {
                throw Contradiction(reason: "variable '\(entry.path)' has an open size")
            }
            try entry.initializer?.check(entry.type.shape, variable: entry.name, layer: entry.path)
            let variable = Variable(
                entry.name, shape: entry.type.shape, elementType: entry.type.elementType,
                isTrainable: entry.isTrainable, initializer: entry.initializer, regularizer: entry.regularizer)
            if let value = values?[entry.path] { try variable.assign(value) }
            return variable
        }
    }

    private func makeCalls(_ variables: [Variable]) throws -> [LayerCall] {
        var made: [LayerCall] = []
        var depths: [Int] = []
        for (place, entry) in calls.enumerated() {
            guard entry.variables.allSatisfy({ variables.indices.contains($0) }),
                entry.parent.map({ made.indices.contains($0) }) ?? true
            else { throw Contradiction(reason: "layer \(place) names what is not there") }
            try checkName(entry.name, of: "layer \(place)")
            let depth = entry.parent.map { depths[$0] + 1 } ?? 0
            guard depth < 100 else { throw Contradiction(reason: "layer \(place) is nested too deeply") }
            depths.append(depth)
            made.append(
                LayerCall(
                    kind: entry.kind, name: entry.name, parent: entry.parent.map { made[$0] },
                    variables: entry.variables.map { variables[$0] }))
        }
        return made
    }

    private func makeNodes(_ variables: [Variable], _ calls: [LayerCall]) throws -> [Node] {
        var nodes: [Node] = []
        for (place, entry) in self.nodes.enumerated() {
            func contradiction(_ reason: String) -> Contradiction { Contradiction(reason: "node \(place) \(reason)") }
            guard entry.inputs.allSatisfy({ nodes.indices.contains($0) }),
                entry.call.map({ calls.indices.contains($0) }) ?? true
            else { throw contradiction("names what is not there") }
            guard entry.operation.takes(entry.inputs.count) else {
                throw contradiction("has \(entry.inputs.count) inputs for \(entry.operation.rule.name)")
            }
            let inputs = entry.inputs.map { Tensor(node: nodes[$0]) }
            if let problem = entry.operation.problem(on: inputs.map(\.type)) { throw contradiction(problem) }
            let type = try entry.operation.rule.resultType(of: inputs.map(\.type))
            guard Shape.isPossible(type.shape.sizes), type.shape.sizes.filter({ $0 < 0 }).count <= 1 else {
                throw contradiction("has no possible shape: \(type)")
            }
            guard type.elementType == .float32 || type.elementType == .int32 else {
                throw contradiction("has elements of type \(type.elementType.rawValue)")
            }
            let call = entry.call.map { calls[$0] }
            if case .variable = entry.operation {
                guard let index = entry.variable, variables.indices.contains(index), variables[index].type == type
                else {
                    throw contradiction("reads no variable of type \(type)")
                }
                nodes.append(variables[index].tensor.node)
            } else {
                nodes.append(Node(operation: entry.operation, inputs: inputs, type: type, layerCall: call))
            }
        }
        return nodes
    }
}

extension ApusGraph.Operation {
    /// Whether the operation works on so many inputs.
    fileprivate func takes(_ count: Int) -> Bool { inputCount.map { $0 == count } ?? (count >= 1) }

    /// What is wrong with settings that the shape rule takes for granted.
    fileprivate func problem(on inputs: [TensorType]) -> String? {
        switch self {
        case .axisSize(let size):
            size.axes.allSatisfy { inputs[0].shape.sizes.indices.contains($0) } && Self.isRising(size.axes)
                ? nil : "counts axes that are not there, or one twice"
        case .reduction(let reduction):
            Self.isRising(reduction.axes) ? nil : "reduces axes out of order"
        case .stepValue(let value): value.schedule.problem
        case .input(let slot): slot.name.isEmpty ? "is an input without a name" : nil
        default: nil
        }
    }

    private static func isRising(_ axes: [Int]) -> Bool { zip(axes, axes.dropFirst()).allSatisfy { $0 < $1 } }
}
