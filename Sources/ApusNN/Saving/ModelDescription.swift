import ApusCore
import ApusGraph
import Foundation

/// A model as data: its operations, the layers that they come from, and the variables' types (not their values).
///
/// A model that is read back runs without the Swift code that built it, and nothing in a description is code.
struct ModelDescription: Codable, Equatable {
    static let format = "apus-model"
    static let version = 1

    struct NodeEntry: Codable, Equatable {
        var operation: ApusGraph.Operation
        /// Earlier nodes.
        var inputs: [Int]
        var call: Int?
        var variable: Int?
    }

    struct CallEntry: Codable, Equatable {
        var kind: String
        var name: String
        /// An earlier call.
        var parent: Int?
        var variables: [Int]
    }

    struct VariableEntry: Codable, Equatable {
        var path: String
        var name: String
        var type: TensorType
        var isTrainable: Bool
        var initializer: Initializer?
        var regularizer: L1L2?
    }

    struct LossEntry: Codable, Equatable {
        var name: String
        var node: Int
    }

    var format = Self.format
    var version = Self.version
    var name: String?
    var kind: String
    var inputs: [Int]
    var outputs: [Int]
    var losses: [LossEntry]
    var nodes: [NodeEntry]
    var calls: [CallEntry]
    var variables: [VariableEntry]
}

extension ModelDescription {
    /// Initializers and regularizers of a user's own types are left out.
    init(_ model: Model) {
        let order = topologicalOrder(of: model.inputs + model.roots)
        let places = Dictionary(uniqueKeysWithValues: order.enumerated().map { (ObjectIdentifier($1), $0) })
        let variablePlaces = Dictionary(
            uniqueKeysWithValues: model.variables.enumerated().map { (ObjectIdentifier($1.variable), $0) })
        var calls: [CallEntry] = []
        var callPlaces: [ObjectIdentifier: Int] = [:]

        func place(of tensor: Tensor) -> Int { places[ObjectIdentifier(tensor.node), default: 0] }

        func add(_ call: LayerCall) -> Int {
            if let known = callPlaces[ObjectIdentifier(call)] { return known }
            let parent = call.parent.map { add($0) }
            let path = model.layerPath(of: call)
            calls.append(
                CallEntry(
                    kind: call.kind, name: path.split(separator: "/").last.map(String.init) ?? path, parent: parent,
                    variables: call.variables.compactMap { variablePlaces[ObjectIdentifier($0)] }))
            callPlaces[ObjectIdentifier(call)] = calls.count - 1
            return calls.count - 1
        }

        name = model.givenName
        kind = model.kind
        nodes = order.map { node in
            NodeEntry(
                operation: node.operation, inputs: node.inputs.map(place(of:)),
                call: node.layerCall.map { add($0) },
                variable: node.variable.flatMap { variablePlaces[ObjectIdentifier($0)] })
        }
        self.calls = calls
        inputs = model.inputs.map(place(of:))
        outputs = model.outputs.map(place(of:))
        losses = model.addedLosses.map { LossEntry(name: $0.name, node: place(of: $0.value)) }
        variables = model.variables.map { entry in
            VariableEntry(
                path: entry.path, name: entry.variable.name, type: entry.variable.type,
                isTrainable: entry.variable.isParameter, initializer: entry.variable.initializer as? Initializer,
                regularizer: L1L2(standard: entry.variable.regularizer))
        }
    }

    /// JSON with sorted keys: the same model gives the same bytes.
    func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try encoder.encode(self)
    }
}

extension L1L2 {
    /// One of Apus' own regularizers as an `L1L2`; `nil` for all others.
    init?(standard regularizer: (any VariableRegularizer)?) {
        switch regularizer {
        case let both as L1L2: self = both
        case let one as L1: self.init(l1: one.strength, l2: 0)
        case let two as L2: self.init(l1: 0, l2: two.strength)
        default: return nil
        }
    }
}
