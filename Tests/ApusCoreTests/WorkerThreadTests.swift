import ApusCore
import Foundation
import Synchronization
import Testing

@Suite struct WorkerThreadTests {
    @Test func runsOnAThreadOfItsOwn() {
        let (done, caller) = (DispatchSemaphore(value: 0), "\(pthread_self())")
        let started = WorkerThread.start {
            #expect("\(pthread_self())" != caller)
            done.signal()
        }
        #expect(started)
        done.wait()
    }

    /// A stack that no machine has the addresses for.
    @Test func saysWhereThereIsNone() {
        #expect(!WorkerThread.start(stackByteCount: 1 << 50) { Issue.record("there is such a thread") })
    }

    /// With three threads, with more than there are numbers, and with none to be had.
    @Test(arguments: [(3, 1 << 20), (90, 1 << 20), (3, 1 << 50)]) func eachNumberIsDoneOnce(
        _ threadCount: Int, _ stackByteCount: Int
    ) {
        let done = Mutex([Int](repeating: 0, count: 40))
        WorkerThread.perform(count: 40, threadCount: threadCount, stackByteCount: stackByteCount) { number in
            done.withLock { $0[number] += 1 }
        }
        #expect(done.withLock { $0 } == [Int](repeating: 1, count: 40))
        WorkerThread.perform(count: 0, threadCount: threadCount) { _ in Issue.record("there is no number") }
    }

    /// Two that wait for each other: neither comes to its end alone.
    @Test func numbersAreDoneSideBySide() {
        let (first, second) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        WorkerThread.perform(count: 2, threadCount: 2) { number in
            (number == 0 ? first : second).signal()
            // Ten minutes stand for never: a failure is told, where a wait without an end would hold all tests up.
            #expect((number == 0 ? second : first).wait(timeout: .now() + 600) == .success)
        }
    }
}

@Suite struct HostMemoryTests {
    @Test func isAligned() throws {
        for count in [0, 1, 1000] {
            let memory = try HostMemory.allocate(byteCount: count, for: "A test")
            #expect(UInt(bitPattern: memory) % 64 == 0)
            memory.deallocate()
        }
    }

    @Test func tooMuchIsSaid() {
        #expect(throws: ApusError.memory(purpose: "A test", byteCount: 1 << 60)) {
            try HostMemory.allocate(byteCount: 1 << 60, for: "A test")
        }
    }
}

@Suite struct MemoryLimitTests {
    /// Limits by hand: a machine of 8 GB, then one of the two others below it.
    @Test func theLeastOfAllLimitsCounts() {
        #expect(MemoryLimit.available(machine: 8_000, limits: []) == 8_000)
        #expect(MemoryLimit.available(machine: 8_000, limits: [9_000, 3_000]) == 3_000)
        #expect(MemoryLimit.available(machine: 8_000, limits: [.max]) == 8_000)
        #expect(MemoryLimit.byteCount > 0)
    }
}
