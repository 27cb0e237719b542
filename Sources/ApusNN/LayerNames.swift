import ApusCore
import ApusGraph

/// The names of all layers and variables of a model.
struct LayerNames {
    /// The path of each application, as in `encoder/dense2`.
    private(set) var paths: [ObjectIdentifier: String] = [:]
    /// Each variable once, under the first path it is met by.
    private(set) var variables: [NamedVariable] = []
    /// Those variables that no layer made.
    private(set) var looseVariables: [Variable] = []
    private var knownVariables: Set<ObjectIdentifier> = []
    private var variablePaths: Set<String> = []
    /// The least number that a path may still be free with, so that many variables of one name take no long search.
    private var nextNumbers: [String: Int] = [:]

    /// - Throws: `ApusError.setting` where two layers side by side were given one name.
    init(nodes: [Node], roots: [Node], model: String) throws {
        try add(nodes, roots, inside: nil, path: "", model: model)
    }

    private mutating func add(
        _ nodes: [Node], _ roots: [Node], inside parent: LayerCall?, path: String, model: String
    ) throws {
        let units = LayerTree(nodes, roots: roots, inside: parent).units
        let names = try Self.names(of: units.compactMap(\.call), model: path.isEmpty ? model : path)
        var loose: [Variable] = []
        for unit in units {
            guard let call = unit.call else {
                loose += unit.nodes.compactMap(\.variable)
                continue
            }
            let callPath = path + names[ObjectIdentifier(call), default: call.kind]
            paths[ObjectIdentifier(call)] = callPath
            for variable in call.variables { add(variable, at: "\(callPath)/\(variable.name)") }
            if unit.nodes.contains(where: { $0.layerCall !== call }) {
                try add(unit.nodes, [], inside: call, path: callPath + "/", model: model)
            }
        }
        // Layers' variables are read outside of the layers too (nobody marks a read), so these come last.
        for variable in loose where parent == nil {
            if add(variable, at: variable.name) { looseVariables.append(variable) }
        }
    }

    @discardableResult
    private mutating func add(_ variable: Variable, at path: String) -> Bool {
        guard knownVariables.insert(ObjectIdentifier(variable)).inserted else { return false }
        var free = path
        var number = nextNumbers[path, default: 2]
        while !variablePaths.insert(free).inserted {
            free = "\(path)\(number)"
            number += 1
        }
        nextNumbers[path] = number
        variables.append(NamedVariable(path: free, variable: variable))
        return true
    }

    /// Given names first, so that numbered ones can avoid them. A model that is applied again is numbered too.
    private static func names(of calls: [LayerCall], model: String) throws -> [ObjectIdentifier: String] {
        var names: [ObjectIdentifier: String] = [:]
        var owners: [String: LayerCall] = [:]
        for call in calls {
            guard let name = call.name else { continue }
            if let owner = owners[name] {
                if let applied = call.appliedModel, applied === owner.appliedModel { continue }
                throw ApusError.setting(
                    owner: "Model '\(model)'", name: "the name of two layers", value: "'\(name)'",
                    expected: "given once; leave it out to have layers numbered")
            }
            owners[name] = call
            names[ObjectIdentifier(call)] = name
        }
        var taken = Set(owners.keys)
        for call in calls where names[ObjectIdentifier(call)] == nil {
            let name = numbered(call.name ?? lowerCamelCase(call.kind)) { !taken.contains($0) }
            taken.insert(name)
            names[ObjectIdentifier(call)] = name
        }
        return names
    }
}

/// `base`, or the first of `base2`, `base3`, ... that is free.
func numbered(_ base: String, isFree: (String) -> Bool) -> String {
    if isFree(base) { return base }
    var number = 2
    while !isFree("\(base)\(number)") { number += 1 }
    return "\(base)\(number)"
}

/// `Dense` as `dense`, `LSTM` as `lstm`, `GRUCell` as `gruCell`.
package func lowerCamelCase(_ name: String) -> String {
    let letters = Array(name)
    let capitals = letters.prefix { $0.isUppercase }.count
    let isWordAhead = capitals < letters.count && letters[capitals].isLowercase
    let count = capitals > 1 && isWordAhead ? capitals - 1 : capitals
    return letters.prefix(count).map { $0.lowercased() }.joined() + String(letters.dropFirst(count))
}

/// A variable and where it stands in a model, as in `encoder/dense2/kernel`.
public struct NamedVariable {
    public let path: String
    public let variable: Variable

    public init(path: String, variable: Variable) {
        self.path = path
        self.variable = variable
    }
}
