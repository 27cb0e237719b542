import ApusCore
import Foundation

/// Writes checkpoints on a thread of its own, one after another. All that both threads touch is guarded by `condition`.
final class CheckpointWriter: @unchecked Sendable {
    /// Which checkpoint goes into which file.
    struct Job {
        var checkpoint: Checkpoint
        let file: URL
        /// Whether it is the best so far, too.
        var isBest = false
    }

    private let folder: CheckpointFolder
    private let keptCount: Int
    private let condition = NSCondition()
    private var jobs: [Job] = []
    private var isRunning = false
    private var failure: (any Error)?
    private var spare: [Checkpoint] = []
    private var cost = (processor: 0.0, wall: 0.0)

    init(_ folder: CheckpointFolder, keep keptCount: Int) {
        self.folder = folder
        self.keptCount = keptCount
    }

    /// Whether files are being written.
    var isBusy: Bool { locked { isRunning } }

    /// The seconds that the last writing took: those of the processor, and those of the clock.
    var seconds: (processor: Double, wall: Double) { locked { cost } }

    /// A checkpoint that was written before, whose memory can be used again.
    func takeSpare() -> Checkpoint { locked { spare.popLast() ?? Checkpoint() } }

    /// Begins to write `jobs` in their order.
    /// - Precondition: nothing is being written.
    func start(_ jobs: [Job]) {
        locked {
            precondition(!isRunning, "two writings at a time")
            self.jobs = jobs
            isRunning = true
        }
        // Where there is no thread to be had, the training waits.
        if !WorkerThread.start({ [self] in run() }) { run() }
    }

    /// Returns when nothing is being written any more.
    func wait() {
        locked { while isRunning { condition.wait() } }
    }

    /// The error of the last writing, which is then forgotten.
    func takeFailure() -> (any Error)? {
        locked {
            defer { failure = nil }
            return failure
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }

    private func run() {
        let (start, clock) = (Self.processorSeconds, ContinuousClock.now)
        while let job = locked({ jobs.isEmpty ? nil : jobs.removeFirst() }) {
            do {
                try write(job)
            } catch {
                locked { failure = failure ?? error }
            }
            locked { spare.append(job.checkpoint) }
        }
        locked {
            // One to write and a best one that waits are all that are ever needed.
            spare = Array(spare.suffix(2))
            cost = (Self.processorSeconds - start, (ContinuousClock.now - clock) / .seconds(1))
            isRunning = false
            condition.broadcast()
        }
    }

    private func write(_ job: Job) throws {
        try job.checkpoint.write(to: job.file)
        if job.file != folder.best { folder.keepNewest(keptCount) }
        guard job.isBest, job.file != folder.best else { return }
        // Another name for the same bytes; a file of its own where the file system has no such thing.
        let temporary = AtomicFile.temporaryPath(for: folder.best)
        guard link(job.file.path, temporary) == 0 else { return try job.checkpoint.write(to: folder.best) }
        if rename(temporary, folder.best.path) != 0 {
            let code = errno
            unlink(temporary)
            throw ApusError.file(path: folder.best.path, .unwritable(folder.best, code: code))
        }
        // Two names of one file: the renaming above then did nothing.
        unlink(temporary)
    }

    /// The time that the processor has given to this thread.
    static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
