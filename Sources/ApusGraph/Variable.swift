import ApusCore

/// State that outlives a step: a parameter, a running statistic, an optimizer's slot.
///
/// A variable is known by its identity: layers and models that hold the same variable share its values. It belongs
/// to one thread at a time, like the models and functions that use it.
public final class Variable {
    /// Its role in the layer that made it, as in `kernel`.
    public let name: String
    /// Shape and element type, the same for its whole life.
    public let type: TensorType
    /// Whether optimizers change it: it was made so, and is not frozen.
    public var isTrainable: Bool { isParameter && !isFrozen }
    /// Whether it was made for optimizers to change, as running statistics are not.
    public let isParameter: Bool
    /// Whether training leaves it as it is: optimizers do, and so do running averages. A function takes this as it is
    /// when it is made, a trainer at each `fit` and `evaluate`.
    public var isFrozen = false
    /// How it gets its first values; `nil` for all zeros.
    package let initializer: (any VariableInitializer)?
    /// What it adds to the loss; `nil` for nothing.
    package let regularizer: (any VariableRegularizer)?
    /// The values where executors read and write them: packed, row-major.
    package let storage: UnsafeMutableRawPointer
    /// Whether the values have been set, by an initializer or a file.
    package private(set) var isInitialized: Bool
    /// How often values have been assigned from outside of steps.
    package private(set) var assignmentCount = 0
    private weak var node: Node?

    /// The sizes of its values.
    public var shape: Shape { type.shape }
    /// The number of its values.
    public var elementCount: Int { type.shape.elementCount }

    /// A variable that holds zeros until it is given other values.
    public init(
        _ name: String, shape: Shape, elementType: ElementType = .float32, isTrainable: Bool = true,
        initializer: (any VariableInitializer)? = nil, regularizer: (any VariableRegularizer)? = nil
    ) {
        precondition(!shape.isSymbolic, "a variable needs settled sizes, not \(shape)")
        self.name = name
        type = TensorType(shape, elementType)
        isParameter = isTrainable
        self.initializer = initializer
        self.regularizer = regularizer
        isInitialized = initializer == nil
        let byteCount = max(type.byteCount, 1)
        storage = .allocate(byteCount: byteCount, alignment: 64)
        storage.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }

    /// A variable that starts with `value`.
    public convenience init(_ name: String, value: NDArray, isTrainable: Bool = true) {
        self.init(name, shape: value.shape, elementType: value.elementType, isTrainable: isTrainable)
        copy(from: value)
    }

    deinit { storage.deallocate() }

    /// The values, copied out.
    public var value: NDArray {
        var result = NDArray(zeros: shape, type.elementType)
        result.withUnsafeMutableBytes {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: storage, count: type.byteCount))
        }
        return result
    }

    /// Replaces the values.
    /// - Throws: `ApusError.shape` where shape or element type differ.
    public func assign(_ value: NDArray) throws {
        guard value.shape == shape, value.elementType == type.elementType else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "variable '\(name)'", expected: "\(type)",
                    received: "\(TensorType(value.shape, value.elementType))",
                    cure: "give values of the variable's own shape and element type"))
        }
        copy(from: value)
    }

    private func copy(from value: NDArray) {
        value.withUnsafeBytes {
            if let source = $0.baseAddress { storage.copyMemory(from: source, byteCount: $0.count) }
        }
        isInitialized = true
        assignmentCount += 1
    }

    /// Draws the first values again, as a function of `seed` and `stream`.
    /// - Throws: `ApusError.shape` where the initializer gives another shape or element type.
    package func initialize(seed: UInt64, stream: UInt32) throws {
        let values =
            initializer?.values(shape: shape, seed: seed, stream: stream) ?? NDArray(zeros: shape, type.elementType)
        guard values.shape == shape, values.elementType == type.elementType else {
            throw ApusError.shape(
                ShapeProblem(
                    operation: "initializer of '\(name)'", expected: "\(type)",
                    received: "\(TensorType(values.shape, values.elementType))",
                    cure: "return values of the shape that the initializer is asked for, as float32"))
        }
        copy(from: values)
    }

    /// Whether all numbers are finite: one pass over the values.
    package var isFinite: Bool {
        guard type.elementType == .float32 else { return true }
        let bits = UnsafeBufferPointer(
            start: storage.assumingMemoryBound(to: UInt32.self), count: type.shape.elementCount)
        // NaN and infinity have all bits of the exponent set. Blocks, so that the loop has no branch.
        var start = 0
        while start < bits.count {
            let end = min(start + 4096, bits.count)
            var found: UInt32 = 0
            for place in start..<end { found |= (bits[place] & 0x7f80_0000) &+ 0x0080_0000 }
            if found & 0x8000_0000 != 0 { return false }
            start = end
        }
        return true
    }

    /// The variable's value at the start of a step, as a tensor; the same one as long as anybody holds it.
    public var tensor: Tensor {
        if let node { return Tensor(node: node) }
        let made = Node(operation: .variable(VariableRead(type: type)), inputs: [], type: type, variable: self)
        node = made
        return Tensor(node: made)
    }
}

/// A rule for a variable's first values.
public protocol VariableInitializer: Sendable {
    /// The values, a function of all the arguments.
    func values(shape: Shape, seed: UInt64, stream: UInt32) -> NDArray
}

/// A rule for what a variable adds to the loss.
public protocol VariableRegularizer: Sendable {
    /// A scalar.
    func penalty(of variable: Tensor) -> Tensor
}
