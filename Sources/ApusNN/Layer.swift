import ApusCore
import ApusGraph

/// A description of a layer. Applied to tensors, it creates its variables and gives a new tensor.
///
///     let hidden = try Dense(512, activation: .relu)(image)
///     let joined = try Add()(hidden, shortcut)
///
/// A layer holds settings only: applying one twice makes two sets of variables. To share variables, put the layers
/// into a `Model` and call that twice.
public protocol Layer: Sendable {
    /// The name in summaries, errors and weight files; `nil` lets the model number it, as in `dense2`.
    var name: String? { get }

    /// The result on `inputs`, with variables from `scope`.
    ///
    /// It may return a tensor that holds an error: that is thrown for it, with the layer's name.
    func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor
}

/// A layer of one input.
public protocol UnaryLayer: Layer {
    /// The result on `input`, with variables from `scope`.
    func build(_ input: Tensor, in scope: inout LayerScope) throws -> Tensor
}

extension UnaryLayer {
    public func build(_ inputs: [Tensor], in scope: inout LayerScope) throws -> Tensor {
        guard inputs.count == 1 else {
            throw scope.mismatch(
                expected: "1 input", received: "\(inputs.count)", cure: "join them first, with Add or Concatenate")
        }
        return try build(inputs[0], in: &scope)
    }
}

extension Layer {
    public var name: String? { nil }

    /// The type's name, as in `Dense`.
    package var kind: String { String(describing: Self.self) }

    /// Applies the layer.
    /// - Throws: `ApusError.shape` or `.setting`, with the layer and the source line that applied it.
    public func callAsFunction(_ inputs: Tensor..., fileID: String = #fileID, line: Int = #line) throws -> Tensor {
        try apply(to: inputs, location: SourceLocation(fileID, line))
    }

    /// Applies the layer to all of `inputs` together.
    /// - Throws: as for single tensors.
    public func callAsFunction(_ inputs: [Tensor], fileID: String = #fileID, line: Int = #line) throws -> Tensor {
        try apply(to: inputs, location: SourceLocation(fileID, line))
    }

    package func apply(to inputs: [Tensor], location: SourceLocation) throws -> Tensor {
        try apply(to: inputs, location: location) { [try build(inputs, in: &$0)] }[0]
    }

    /// Applies a layer of several results, which `build` gives.
    func apply(
        to inputs: [Tensor], location: SourceLocation, build: (inout LayerScope) throws -> [Tensor]
    ) throws -> [Tensor] {
        var scope = LayerScope(layer: name ?? kind)
        try checkName(name, of: kind)
        for input in inputs { _ = try location.naming(nil) { try input.checked() } }
        let results = try location.naming(scope.layer) { try build(&scope).map { try $0.checked() } }
        return claim(results, upTo: inputs, for: LayerCall(kind: kind, name: name, variables: scope.variables))
    }
}

extension LayerScope {
    /// What `build` gives in a scope of its own, as the part `name` of this layer.
    /// - Parameter boundary: the part's inputs.
    func part(
        _ name: String, kind: String, boundary: [Tensor], build: (inout LayerScope) throws -> [Tensor]
    ) throws -> [Tensor] {
        var inner = LayerScope(layer: "\(layer)/\(name)")
        let results = try build(&inner).map { try $0.checked() }
        return claim(results, upTo: boundary, for: LayerCall(kind: kind, name: name, variables: inner.variables))
    }
}

/// Says of everything between `boundary` and `results` that it comes from `call`: new nodes directly, and layers that
/// were applied inside as its parts.
/// - Returns: the results; one that is an input, of a layer that changes nothing, becomes a step of its own, which
///   keeps its place in the graph until plans drop it.
private func claim(_ results: [Tensor], upTo boundary: [Tensor], for call: LayerCall) -> [Tensor] {
    let results = results.map { result in
        boundary.contains(result)
            ? Tensor(.reshape(ApusGraph.Reshape(shape: result.shape)), [result]) : result
    }
    var seen = Set(boundary.map { ObjectIdentifier($0.node) })
    var stack = results.map(\.node)
    while let node = stack.popLast() {
        guard seen.insert(ObjectIdentifier(node)).inserted, node.variable == nil else { continue }
        if case .input = node.operation { continue }
        if let inner = node.layerCall {
            let root = inner.outermost
            if root !== call { root.parent = call }
        } else {
            node.layerCall = call
        }
        stack.append(contentsOf: node.inputs.map(\.node))
    }
    return results
}

extension LayerCall {
    /// The application that this one is part of and that is part of no other.
    package var outermost: LayerCall {
        var call = self
        while let parent = call.parent { call = parent }
        return call
    }
}

/// The line of a program that applied a layer.
package struct SourceLocation: Sendable, CustomStringConvertible {
    package let file: String
    package let line: Int

    package init(_ fileID: String, _ line: Int) {
        file = fileID.split(separator: "/").last.map(String.init) ?? fileID
        self.line = line
    }

    package var description: String { "\(file):\(line)" }

    /// What `body` gives; a shape error of it gets the layer and this location, unless it names its own.
    package func naming<Result>(_ layer: String?, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch ApusError.shape(var problem) {
            if problem.location == nil {
                problem.layer = problem.layer ?? layer
                problem.location = description
            }
            throw ApusError.shape(problem)
        }
    }
}

/// Names stand between slashes in paths.
func checkName(_ name: String?, of kind: String) throws {
    if let name, name.isEmpty || name.contains("/") {
        throw ApusError.setting(
            owner: kind, name: "name", value: "'\(name)'", expected: "one letter or more, without '/'")
    }
}
