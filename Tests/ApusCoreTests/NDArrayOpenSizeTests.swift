import ApusCore
import Testing

@Suite("Arrays need settled sizes")
struct NDArrayOpenSizeTests {
    /// -2 times -3 is 6 too.
    @Test func openShapesAreRefused() {
        let values = [Float](repeating: 1, count: 6)
        #expect(throws: ApusError.self) { try NDArray(values, shape: [-2, -3]) }
        #expect(throws: ApusError.self) { try NDArray(values).reshaped(to: [-2, -3]) }
    }
}
