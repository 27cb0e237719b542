import ApusCore
import ApusGraph

/// A graph seen as layers: what stands at one level of nesting, inputs before their users.
///
/// A unit is the application of a layer or a model, or a single operation outside all of them.
struct LayerTree {
    struct Unit {
        /// `nil` for a single operation.
        let call: LayerCall?
        fileprivate(set) var nodes: [Node]
        /// The units whose results it uses, by their places at this level.
        fileprivate(set) var sources: [Int] = []
    }

    /// Inputs before their users.
    let units: [Unit]

    /// The units of `nodes`, which are in topological order, directly inside `parent` (`nil` for the outermost level).
    /// - Parameter roots: which values are wanted, the most important first; it decides between orders.
    init(_ nodes: [Node], roots: [Node], inside parent: LayerCall?) {
        var units: [Unit] = []
        var placeOfNode: [ObjectIdentifier: Int] = [:]
        var placeOfCall: [ObjectIdentifier: Int] = [:]
        for node in nodes {
            let call = node.layerCall?.part(of: parent)
            if let call, let place = placeOfCall[ObjectIdentifier(call)] {
                units[place].nodes.append(node)
                placeOfNode[ObjectIdentifier(node)] = place
            } else {
                if let call { placeOfCall[ObjectIdentifier(call)] = units.count }
                placeOfNode[ObjectIdentifier(node)] = units.count
                units.append(Unit(call: call, nodes: [node]))
            }
        }
        for place in units.indices {
            var seen: Set<Int> = [place]
            for input in units[place].nodes.flatMap(\.inputs) {
                guard let source = placeOfNode[ObjectIdentifier(input.node)], seen.insert(source).inserted else {
                    continue
                }
                units[place].sources.append(source)
            }
        }
        let starts = roots.compactMap { placeOfNode[ObjectIdentifier($0)] } + Array(units.indices)
        let order = Self.sorted(units, from: starts)
        var newPlace = [Int](repeating: 0, count: units.count)
        for (place, old) in order.enumerated() { newPlace[old] = place }
        self.units = order.map { old in
            var unit = units[old]
            unit.sources = unit.sources.map { newPlace[$0] }
            return unit
        }
    }

    /// Depth first, without recursion; sources come before the unit that uses them.
    private static func sorted(_ units: [Unit], from starts: [Int]) -> [Int] {
        var order: [Int] = []
        var seen = [Bool](repeating: false, count: units.count)
        for start in starts where !seen[start] {
            seen[start] = true
            var stack: [(unit: Int, next: Int)] = [(start, 0)]
            while let (unit, next) = stack.last {
                if next == units[unit].sources.count {
                    order.append(unit)
                    stack.removeLast()
                } else {
                    stack[stack.count - 1].next += 1
                    let source = units[unit].sources[next]
                    if !seen[source] {
                        seen[source] = true
                        stack.append((source, 0))
                    }
                }
            }
        }
        return order
    }
}

extension LayerCall {
    /// The application directly inside `parent` that this one is or is part of; `nil` where this one is `parent`.
    func part(of parent: LayerCall?) -> LayerCall? {
        var call = self
        if call === parent { return nil }
        while let next = call.parent, next !== parent { call = next }
        return call
    }

    /// The application of a model that this one is or is part of, and that is part of no other model's.
    var outermostModel: LayerCall? {
        var (found, next): (LayerCall?, LayerCall?) = (nil, self)
        while let call = next {
            if call.application != nil { found = call }
            next = call.parent
        }
        return found
    }

    /// The model that was applied, where one was.
    var appliedModel: Model? { (application as? ModelApplication)?.model }
}
