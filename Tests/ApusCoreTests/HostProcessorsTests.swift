import ApusCore
import Foundation
import Testing

@Suite struct HostProcessorsTests {
    @Test func thereIsOneAtLeast() {
        #expect((1...ProcessInfo.processInfo.activeProcessorCount).contains(HostProcessors.usableCount))
    }

    /// By hand: f has four bits, 5 two, 80000001 two.
    @Test func bitsOfTheMaskAreCounted() {
        let status = "Name:\tapus\nThreads:\t3\nCpus_allowed:\tf5,80000001\nCpus_allowed_list:\t0,31-37\n"
        #expect(HostProcessors.usableCount(inStatus: status) == 8)
        #expect(HostProcessors.usableCount(inStatus: "Cpus_allowed:\t1\n") == 1)
    }

    @Test(arguments: ["", "Name:\tapus\n", "Cpus_allowed:\t0\n", "Cpus_allowed:\n", "Cpus_allowed:\tx3\n"])
    func noMaskIsNoCount(_ status: String) {
        #expect(HostProcessors.usableCount(inStatus: status) == nil)
    }
}
