import CApusKernels
import Foundation
import Testing

extension KernelTests {
    /// Work stealing: whoever takes them, each item is run once, and ranges are no longer than a step.
    @Suite struct BalancedLoops {
        private struct Loop {
            let counts: UnsafeMutablePointer<Int32>
            let step: Int
            /// Where there is one, the first item waits until all others have been run.
            let others: DispatchSemaphore?
            /// A number for each thread: its items, and its calls of more than a step.
            let itemsOfThreads: UnsafeMutablePointer<Int32>
            let longCalls: UnsafeMutablePointer<Int32>
        }

        private static func run(
            _ count: Int, step: Int, threads: Int32, limit: Int32 = .max, firstWaits: Bool = false
        ) -> (counts: [Int32], itemsOfThreads: [Int32], longCalls: Int32) {
            let before = apus_thread_count()
            apus_set_thread_count(threads)
            defer { apus_set_thread_count(before) }
            let sizes = [count, Int(threads), Int(threads)]
            let memory = sizes.map { size in
                let numbers = UnsafeMutablePointer<Int32>.allocate(capacity: max(size, 1))
                numbers.initialize(repeating: 0, count: max(size, 1))
                return numbers
            }
            defer { memory.forEach { $0.deallocate() } }
            var loop = Loop(
                counts: memory[0], step: step, others: firstWaits ? DispatchSemaphore(value: 0) : nil,
                itemsOfThreads: memory[1], longCalls: memory[2])
            let body: apus_range_body = { context, begin, end, thread in
                guard let loop = context?.assumingMemoryBound(to: Loop.self).pointee else { return }
                if let others = loop.others {
                    // Where nobody takes them the wait ends, and the test fails.
                    var rest = begin == 0 ? 99 : 0
                    while rest > 0 && others.wait(timeout: .now() + 10) == .success { rest -= 1 }
                    others.signal()
                }
                for item in Int(begin)..<Int(end) { loop.counts[item] += 1 }
                loop.itemsOfThreads[Int(thread)] += Int32(end - begin)
                if Int(end - begin) > loop.step { loop.longCalls[Int(thread)] += 1 }
            }
            withUnsafeMutablePointer(to: &loop) {
                apus_parallel_balanced(Int64(count), Int64(step), limit, body, $0)
            }
            let results = zip(memory, sizes).map { Array(UnsafeBufferPointer(start: $0, count: $1)) }
            return (results[0], results[1], results[2].reduce(0, +))
        }

        /// Around multiples of steps and of threads, with more threads than items, and on more threads than it serves.
        @Test(arguments: [Int32(1), 2, 3, 7, 64, 65]) func runsEachItemOnce(threads: Int32) {
            for count in [0, 1, 2, 3, 5, 6, 7, 12, 13, 14, 100, 1_001] {
                for step in [0, 1, 2, 3, 6, 7, 200] {
                    let result = Self.run(count, step: step, threads: threads)
                    #expect(result.counts.allSatisfy { $0 == 1 }, "\(count) items, steps of \(step)")
                    #expect(result.itemsOfThreads.reduce(0, +) == Int32(count))
                }
            }
        }

        @Test func callsAreForAStepAtMost() {
            for step in [1, 2, 3, 7] {
                #expect(Self.run(100, step: step, threads: 3).longCalls == 0)
            }
        }

        @Test func threadsAreLimited() {
            let result = Self.run(100, step: 1, threads: 3, limit: 2)
            #expect(result.counts.allSatisfy { $0 == 1 })
            #expect(result.itemsOfThreads[2] == 0)
        }

        /// While one thread is held by the first item, the other runs its own fifty, and the first one's from the end.
        @Test func whoIsThroughTakesFromOthers() {
            let result = Self.run(100, step: 1, threads: 2, firstWaits: true)
            #expect(result.counts.allSatisfy { $0 == 1 })
            #expect(result.itemsOfThreads.contains { $0 >= 99 })
        }
    }
}
