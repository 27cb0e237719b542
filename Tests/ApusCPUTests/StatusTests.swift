import CApusKernels
import Testing

@Suite struct StatusTests {
    @Test func names() {
        #expect(String(cString: apus_status_name(0)) == "success")
        #expect(String(cString: apus_status_name(2)) == "invalid arguments")
        #expect(String(cString: apus_status_name(Int32(APUS_LIMIT_EXCEEDED))) == "limit exceeded")
        #expect(String(cString: apus_status_name(77)) == "unknown status")
    }

    @Test func instructionSetIsOneOfThree() {
        let name = String(cString: apus_instruction_set())
        #expect(["AVX-512", "AVX2", "baseline"].contains(name))
        #expect(APUS_MULTIPLY_ADD.rawValue == 65)
    }
}
