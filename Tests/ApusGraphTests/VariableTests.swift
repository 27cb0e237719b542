import ApusCore
import ApusGraph
import Testing

@Suite("Variables")
struct VariableTests {
    private struct Fives: VariableInitializer {
        func values(shape: Shape, seed: UInt64, stream: UInt32) -> NDArray {
            NDArray(repeating: Float(5), shape: shape)
        }
    }

    @Test func startsAsZeros() {
        let variable = Variable("v", shape: [2, 3])
        #expect(variable.value == NDArray(zeros: [2, 3]))
        #expect(variable.isTrainable)
        #expect(variable.elementCount == 6)
        #expect(Variable("empty", shape: [0]).value.elementCount == 0)
    }

    @Test func startsWithGivenValues() {
        let value = NDArray([1, 2] as [Int32])
        let variable = Variable("steps", value: value, isTrainable: false)
        #expect(variable.value == value)
        #expect(variable.type == TensorType([2], .int32))
        #expect(!variable.isTrainable)
    }

    /// Gives one number whatever it is asked for.
    private struct Single: VariableInitializer {
        func values(shape: Shape, seed: UInt64, stream: UInt32) -> NDArray { NDArray([Float(5)]) }
    }

    @Test func anInitializerOfAnotherShapeIsRefused() throws {
        let variable = Variable("v", shape: [2], initializer: Single())
        let error = try #require(throws: ApusError.self) { try variable.initialize(seed: 1, stream: 0) }
        #expect(
            error.description == "initializer of 'v': expected float32[2], received float32[1]. "
                + "Cure: return values of the shape that the initializer is asked for, as float32.")
        #expect(!variable.isInitialized)
    }

    @Test func initializerIsAsked() throws {
        let variable = Variable("v", shape: [2], initializer: Fives())
        #expect(!variable.isInitialized)
        try variable.initialize(seed: 1, stream: 0)
        #expect(variable.isInitialized)
        #expect(variable.value.floats == [5, 5])
    }

    @Test func assignedValuesAreCopied() throws {
        let variable = Variable("v", shape: [2])
        var value = NDArray([1, 2] as [Float])
        try variable.assign(value)
        value.withUnsafeMutableBytes { $0[0] = 9 }
        #expect(variable.value.floats == [1, 2])
        #expect(variable.isInitialized)
    }

    @Test func otherTypesAreRefused() throws {
        let variable = Variable("kernel", shape: [2])
        let shape = try #require(throws: ApusError.self) { try variable.assign(NDArray(zeros: [3])) }
        #expect(
            shape.description == "variable 'kernel': expected float32[2], received float32[3]. "
                + "Cure: give values of the variable's own shape and element type.")
        let type = try #require(throws: ApusError.self) { try variable.assign(NDArray(zeros: [2], .float64)) }
        #expect(type.description.contains("received float64[2]"))
    }

    @Test func tensorIsTheSameWhileHeld() {
        let variable = Variable("v", shape: [2])
        let first = variable.tensor
        #expect(variable.tensor == first)
        #expect(variable.tensor != Variable("v", shape: [2]).tensor)
    }

    /// A tensor keeps its variable alive.
    @Test func tensorHoldsVariable() {
        let tensor = Variable("v", value: NDArray([7] as [Float])).tensor
        #expect(tensor.node.variable?.value.floats == [7])
    }
}
