import ApusCore
import Foundation
import Testing

@Suite("Arrays need settled sizes")
struct NDArrayOpenSizeTests {
    /// -2 times -3 is 6 too.
    @Test func openShapesAreRefused() {
        let values = [Float](repeating: 1, count: 6)
        #expect(
            text { try NDArray(values, shape: [-2, -3]) }
                == "NDArray: expected sizes of 0 or more, received [-2, -3]. "
                + "Cure: give every axis its size; arrays have no open batch.")
        #expect(
            text { try NDArray(values).reshaped(to: [-2, -3]) }
                == "reshaped(to:): expected sizes of 0 or more, received [-2, -3]. "
                + "Cure: give every axis its size; arrays have no open batch.")
    }

    /// 2^62 times 4 is beyond 64 bits, also beside an axis of size 0.
    @Test func sizesBeyondCountingAreRefused() throws {
        let huge = 1 << 62
        for sizes in [[huge, 4], [huge, huge, 0], [0, huge, huge]] {
            #expect(
                text { try NDArray([Float](), shape: Shape(sizes)) }
                    == "NDArray: expected sizes that an array can have, received \(sizes). Cure: check the sizes.")
            #expect(
                text { try NDArray([Float]()).reshaped(to: Shape(sizes)) }
                    == "reshaped(to:): expected sizes that an array can have, received \(sizes). "
                    + "Cure: check the sizes.")
            let json = "{\"shape\":{\"sizes\":\(sizes)},\"elementType\":\"float32\",\"values\":[]}"
            #expect(throws: DecodingError.self) { try JSONDecoder().decode(NDArray.self, from: Data(json.utf8)) }
        }
        let json = "{\"shape\":{\"sizes\":[2,0]},\"elementType\":\"float32\",\"values\":[]}"
        #expect(try JSONDecoder().decode(NDArray.self, from: Data(json.utf8)) == NDArray(zeros: [2, 0]))
    }

    private func text(_ body: () throws -> NDArray) -> String {
        do {
            return "\(try body())"
        } catch {
            return "\(error)"
        }
    }
}
