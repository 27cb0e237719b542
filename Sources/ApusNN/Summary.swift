import ApusCore
import ApusGraph

extension Model {
    /// A table of the layers: name and type, output shape, parameters, and what each is connected to; below it the
    /// totals. Operations between layers stand as rows of their own. Shared variables are counted once.
    /// - Parameter expandsModels: whether the layers inside models and layers are shown too, indented.
    public func summary(expandsModels: Bool = false) -> String {
        var table = SummaryTable(model: self, expandsModels: expandsModels)
        table.addLayers()
        let trainable = parameters.reduce(into: SummaryCount()) { $0.add($1) }
        let all = variables.reduce(into: SummaryCount()) { $0.add($1.variable) }
        let rest = SummaryCount(elements: all.elements - trainable.elements, bytes: all.bytes - trainable.bytes)
        return "Model \"\(name)\"\n\(table)Parameters: \(all)\nTrainable: \(trainable)\nNot trainable: \(rest)\n"
    }
}

private struct SummaryCount: CustomStringConvertible {
    var elements = 0
    var bytes = 0

    mutating func add(_ variable: Variable) {
        elements += variable.elementCount
        bytes += variable.type.byteCount
    }

    var description: String { "\(elements.grouped) (\(byteText(bytes)))" }
}

private struct SummaryTable {
    struct Row {
        let name: String
        let shapes: [String]
        let parameters: String
        let sources: [String]
    }

    let model: Model
    let expandsModels: Bool
    private(set) var rows: [Row] = []
    /// Which rows a value comes from, at the level that is being shown.
    private var origins: [ObjectIdentifier: [String]] = [:]
    private var takenNames: Set<String>
    private let wanted: Set<ObjectIdentifier>

    init(model: Model, expandsModels: Bool) {
        self.model = model
        self.expandsModels = expandsModels
        wanted = Set(model.outputs.map { ObjectIdentifier($0.node) })
        let calls = topologicalOrder(of: model.outputs).compactMap { $0.layerCall?.outermost }
        takenNames = Set(calls.map(model.layerPath(of:)))
    }

    mutating func addLayers() {
        let roots = model.inputs + model.outputs
        add(topologicalOrder(of: roots), roots.map(\.node), inside: nil, counted: [], indentation: "")
    }

    private mutating func add(
        _ nodes: [Node], _ roots: [Node], inside parent: LayerCall?, counted: Set<ObjectIdentifier>, indentation: String
    ) {
        var counted = counted
        var users: [ObjectIdentifier: [ObjectIdentifier]] = [:]
        for node in topologicalOrder(of: model.outputs) {
            for input in node.inputs { users[ObjectIdentifier(input.node), default: []].append(ObjectIdentifier(node)) }
        }
        for unit in LayerTree(nodes, roots: roots, inside: parent).units {
            let own = Set(unit.nodes.map { ObjectIdentifier($0) })
            let sources = sources(of: unit, own)
            guard let title = title(of: unit) else {
                for node in unit.nodes { origins[ObjectIdentifier(node)] = sources }
                continue
            }
            let results = unit.nodes.filter { node in
                let key = ObjectIdentifier(node)
                return wanted.contains(key) || users[key, default: []].contains { !own.contains($0) }
            }
            let before = counted
            let parameters = count(unit, &counted)
            let shapes = (results.isEmpty ? unit.nodes.suffix(1) : results[...]).map(\.type.shape.description)
            rows.append(
                Row(
                    name: "\(indentation)\(title.name) (\(title.kind))", shapes: shapes, parameters: parameters,
                    sources: sources))
            if expandsModels, let call = unit.call, unit.nodes.contains(where: { $0.layerCall !== call }) {
                add(unit.nodes, [], inside: call, counted: before, indentation: indentation + "  ")
            }
            for node in unit.nodes { origins[ObjectIdentifier(node)] = [title.name] }
        }
    }

    private func sources(of unit: LayerTree.Unit, _ own: Set<ObjectIdentifier>) -> [String] {
        var sources: [String] = []
        for input in unit.nodes.flatMap(\.inputs) where !own.contains(ObjectIdentifier(input.node)) {
            for name in origins[ObjectIdentifier(input.node), default: []] where !sources.contains(name) {
                sources.append(name)
            }
        }
        return sources
    }

    /// The name and the type in the table; `nil` for what is no row: fixed numbers, stretching, a layer's variables.
    private mutating func title(of unit: LayerTree.Unit) -> (name: String, kind: String)? {
        if let call = unit.call {
            let path = model.layerPath(of: call)
            return (path.split(separator: "/").last.map(String.init) ?? path, call.kind)
        }
        guard let node = unit.nodes.first else { return nil }
        var name = node.operation.rule.name
        var kind = "operation"
        switch node.operation {
        case .constant, .broadcast, .axisSize: return nil
        case .input(let slot): (name, kind) = (slot.name, "Input")
        case .variable:
            guard let variable = node.variable, model.looseVariables.contains(where: { $0 === variable }) else {
                return nil
            }
            (name, kind) = (variable.name, "Variable")
        default: break
        }
        name = numbered(name) { !takenNames.contains($0) }
        takenNames.insert(name)
        return (name, kind)
    }

    /// The parameters of a unit that no row before it has counted.
    private func count(_ unit: LayerTree.Unit, _ counted: inout Set<ObjectIdentifier>) -> String {
        var variables = unit.call == nil ? unit.nodes.compactMap(\.variable) : []
        var calls: Set<ObjectIdentifier> = []
        for node in unit.nodes {
            var next = node.layerCall
            while let call = next, calls.insert(ObjectIdentifier(call)).inserted {
                variables += call.variables
                next = call === unit.call ? nil : call.parent
            }
        }
        let new = variables.filter { counted.insert(ObjectIdentifier($0)).inserted }
        if new.isEmpty && !variables.isEmpty { return "shared" }
        return new.reduce(0) { $0 + $1.elementCount }.grouped
    }
}

extension SummaryTable: CustomStringConvertible {
    private static let widest = 100

    var description: String {
        let header = Row(
            name: "Layer (type)", shapes: ["Output shape"], parameters: "Parameters", sources: ["Connected to"])
        let all = [header] + rows
        let name = all.map { Self.shortened($0.name).count }.max() ?? 0
        let shape = all.flatMap { $0.shapes.map(\.count) }.max() ?? 0
        let parameters = all.map(\.parameters.count).max() ?? 0
        let left = Swift.max(16, Self.widest - name - shape - parameters - 6)
        let sources = all.map { Self.wrapped($0.sources, width: left) }
        let width = name + shape + parameters + 6 + (sources.joined().map(\.count).max() ?? 0)
        let rule = String(repeating: "─", count: width) + "\n"
        let lines = zip(all, sources).map { row, sources in
            (0..<Swift.max(row.shapes.count, sources.count, 1)).map { line in
                let cells = [
                    padded(line == 0 ? Self.shortened(row.name) : "", name),
                    padded(line < row.shapes.count ? row.shapes[line] : "", shape),
                    padded(line == 0 ? row.parameters : "", parameters, isNumber: true),
                    line < sources.count ? sources[line] : "",
                ]
                return trimmed(cells.joined(separator: "  ")) + "\n"
            }.joined()
        }
        return lines[0] + rule + lines.dropFirst().joined() + rule
    }

    private static func shortened(_ name: String) -> String {
        name.count <= 44 ? name : name.prefix(20) + "..." + name.suffix(21)
    }

    /// The names behind commas, in as few lines as fit.
    private static func wrapped(_ names: [String], width: Int) -> [String] {
        var lines: [String] = []
        for (index, name) in names.enumerated() {
            let word = index + 1 < names.count ? name + "," : name
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(word)
            }
        }
        return lines
    }
}

private func padded(_ text: String, _ width: Int, isNumber: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return isNumber ? space + text : text + space
}

private func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
}

/// `2678824` as `2.55 MiB`.
package func byteText(_ count: Int) -> String {
    guard count >= 1024 else { return "\(count) bytes" }
    var (value, unit) = (Double(count) / 1024, 0)
    while value >= 1024, unit < 3 { (value, unit) = (value / 1024, unit + 1) }
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) \(["KiB", "MiB", "GiB", "TiB"][unit])"
}
