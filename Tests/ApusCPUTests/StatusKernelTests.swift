import CApusKernels
import Testing

extension KernelTests {
    @Suite struct Status {
        @Test func names() {
            #expect(String(cString: apus_status_name(0)) == "success")
            #expect(String(cString: apus_status_name(2)) == "invalid arguments")
            #expect(String(cString: apus_status_name(Int32(APUS_LIMIT_EXCEEDED))) == "limit exceeded")
            #expect(String(cString: apus_status_name(77)) == "unknown status")
        }

        @Test func instructionSetIsOneOfThree() {
            #expect(["AVX-512", "AVX2", "baseline"].contains(String(cString: apus_instruction_set())))
        }

        @Test func oneDNNSaysWhatItIs() {
            #expect(String(cString: apus_onednn_version()).split(separator: ".").count == 3)
            #expect(!String(cString: apus_onednn_instruction_set()).isEmpty)
        }

        @Test func failingCallIsNamed() {
            var copy: OpaquePointer?
            var description = apus_copy_description()
            description.element_size = 3
            #expect(apus_copy_create(&description, &copy) == Int32(APUS_INVALID_DESCRIPTION))
            #expect(copy == nil)
            #expect(String(cString: apus_last_call()) == "apus_copy_create")
        }
    }

    @Suite struct Threads {
        /// What a loop's ranges were: how often each item was visited, and by how many threads.
        final class Visits {
            var counts: [UInt8]
            var threads: [Int32]
            init(_ count: Int) {
                counts = [UInt8](repeating: 0, count: count)
                threads = [Int32](repeating: -1, count: count)
            }
        }

        private func visits(_ count: Int, grain: Int) -> Visits {
            let visits = Visits(count)
            visits.counts.withUnsafeMutableBufferPointer { counts in
                visits.threads.withUnsafeMutableBufferPointer { threads in
                    var pointers = (counts.baseAddress, threads.baseAddress)
                    apus_parallel(
                        Int64(count), Int64(grain),
                        { context, begin, end, thread in
                            typealias Pointers = (UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int32>?)
                            guard let pointers = context?.assumingMemoryBound(to: Pointers.self).pointee else { return }
                            for index in Int(begin)..<Int(end) {
                                pointers.0?[index] += 1
                                pointers.1?[index] = thread
                            }
                        }, &pointers)
                }
            }
            return visits
        }

        @Test(arguments: [0, 1, 2, 7, 100, 1001]) func everyItemOnce(count: Int) {
            let (one, two) = withThreadCounts { visits(count, grain: 1) }
            #expect(one.counts == [UInt8](repeating: 1, count: count))
            #expect(two.counts == [UInt8](repeating: 1, count: count))
            #expect(one.threads.allSatisfy { $0 == 0 })
            #expect(two.threads == two.threads.sorted())
        }

        @Test func smallWorkStaysSerial() {
            let (_, two) = withThreadCounts { visits(100, grain: 100) }
            #expect(two.threads.allSatisfy { $0 == 0 })
        }

        @Test func twoThreadsShareEvenly() {
            let (_, two) = withThreadCounts { visits(101, grain: 1) }
            // The OpenMP runtime comes with oneDNN; without one everything would be thread 0's.
            #expect(two.threads.filter { $0 == 0 }.count == 51)
            #expect(two.threads.filter { $0 == 1 }.count == 50)
        }

        @Test func countIsAtLeastOne() {
            let count = apus_thread_count()
            apus_set_thread_count(-3)
            #expect(apus_thread_count() == 1)
            apus_set_thread_count(count)
        }
    }
}
