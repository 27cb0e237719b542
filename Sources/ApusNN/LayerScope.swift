import ApusCore
import ApusGraph
import Foundation

/// What a layer is given to build itself: the maker of its variables.
public struct LayerScope {
    /// The layer's name, or its type's where it has none, for errors.
    public let layer: String
    package private(set) var variables: [Variable] = []

    package init(layer: String) { self.layer = layer }

    /// A new variable of the layer, as a tensor.
    /// - Throws: `ApusError.shape` where a size is open, the sizes are too large together, or the initializer cannot
    ///   fill the shape; `ApusError.setting` where the initializer's own numbers make no sense.
    public mutating func variable(
        _ name: String, shape: Shape, initializer: any VariableInitializer,
        regularizer: (any VariableRegularizer)? = nil, isTrainable: Bool = true
    ) throws -> Tensor {
        guard shape.sizes.allSatisfy({ $0 >= 0 }) else {
            throw mismatch(
                expected: "settled sizes for '\(name)'", received: "\(shape)",
                cure: "variables cannot depend on the batch size")
        }
        func tooLarge(_ expected: String) -> ApusError {
            .shape(
                ShapeProblem(
                    layer: layer, operation: "initializer of '\(name)'", expected: expected, received: "\(shape)",
                    cure: "check the sizes"))
        }
        guard let count = Shape.product(of: shape.sizes), count <= Shape.largestCount else {
            throw tooLarge("at most 2^40 elements")
        }
        guard UInt64(count) * 4 <= ProcessInfo.processInfo.physicalMemory else {
            throw tooLarge("as many elements as memory holds, at most")
        }
        if let initializer = initializer as? Initializer { try initializer.check(shape, variable: name, layer: layer) }
        let variable = Variable(
            name, shape: shape, isTrainable: isTrainable, initializer: initializer, regularizer: regularizer)
        variables.append(variable)
        return variable.tensor
    }

    /// An error about the layer's input.
    public func mismatch(expected: String, received: String, cure: String) -> ApusError {
        .shape(ShapeProblem(layer: layer, operation: "input", expected: expected, received: received, cure: cure))
    }

    /// Throws unless `holds`: an error about a setting of the layer.
    public func require(_ holds: Bool, _ name: String, _ value: some Any, mustBe expected: String) throws {
        if !holds { throw ApusError.setting(owner: layer, name: name, value: "\(value)", expected: expected) }
    }
}
