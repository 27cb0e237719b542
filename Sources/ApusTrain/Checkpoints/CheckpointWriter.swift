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
    /// The best state, where writing it has failed.
    private var unwrittenBest: Checkpoint?
    /// What must be on the disk before a checkpoint that counts on it.
    private var files: [OpenFile] = []
    /// The paths of those whose names are on the disk, too.
    private var namedPaths: Set<String> = []
    private var cost = (processor: 0.0, wall: 0.0)

    init(_ folder: CheckpointFolder, keep keptCount: Int) {
        self.folder = folder
        self.keptCount = keptCount
    }

    /// Another training begins, with records that may be new.
    func forgetRecords() { locked { namedPaths = [] } }

    /// Whether files are being written.
    var isBusy: Bool { locked { isRunning } }

    /// The seconds that the last writing took: those of the processor, and those of the clock.
    var seconds: (processor: Double, wall: Double) { locked { cost } }

    /// A checkpoint that was written before, whose memory can be used again.
    func takeSpare() -> Checkpoint { locked { spare.popLast() ?? Checkpoint() } }

    /// Whether the last writing has failed before the best state was on the disk.
    var hasUnwrittenBest: Bool { locked { unwrittenBest != nil } }

    /// The best state, where writing it has failed; it is then forgotten.
    func takeUnwrittenBest() -> Checkpoint? {
        locked {
            defer { unwrittenBest = nil }
            return unwrittenBest
        }
    }

    /// Begins to write `jobs` in their order, when what was written to `files` so far is on the disk. What comes after
    /// one that fails is not written: it might count on it.
    /// - Precondition: nothing is being written.
    func start(_ jobs: [Job], after files: [OpenFile] = []) {
        locked {
            precondition(!isRunning, "two writings at a time")
            (self.jobs, self.files) = (jobs, files)
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
        var error: (any Error)?
        do { for file in locked({ files }) { try sync(file) } } catch let problem { error = problem }
        while let job = locked({ jobs.isEmpty ? nil : jobs.removeFirst() }) {
            if error == nil {
                do { try write(job) } catch let problem { error = problem }
            }
            locked {
                if error != nil, job.isBest || job.file == folder.best {
                    unwrittenBest = job.checkpoint
                } else {
                    spare.append(job.checkpoint)
                }
            }
        }
        locked {
            failure = failure ?? error
            files = []
            // One to write and a best one that waits are all that are ever needed.
            spare = Array(spare.suffix(2))
            cost = (Self.processorSeconds - start, (ContinuousClock.now - clock) / .seconds(1))
            isRunning = false
            condition.broadcast()
        }
    }

    /// Brings a record to the disk, and its name, once.
    private func sync(_ file: OpenFile) throws {
        try file.sync()
        guard file.isRegular, !locked({ namedPaths.contains(file.path) }) else { return }
        try AtomicFile.syncFolder(of: URL(fileURLWithPath: file.path))
        locked { _ = namedPaths.insert(file.path) }
    }

    private func write(_ job: Job) throws {
        guard job.file != folder.best else { return try job.checkpoint.write(to: folder.best) }
        if job.isBest {
            // First: whoever goes on from the step's file is told which epoch was best, and must find it.
            try job.checkpoint.write(to: folder.best)
            try nameBest(job)
        } else {
            try job.checkpoint.write(to: job.file)
        }
        folder.keepNewest(keptCount)
    }

    /// Gives the best one the name of its step, too: a file of its own where the file system has no such thing.
    private func nameBest(_ job: Job) throws {
        let temporary = AtomicFile.temporaryPath(for: job.file)
        guard link(folder.best.path, temporary) == 0 else { return try job.checkpoint.write(to: job.file) }
        if rename(temporary, job.file.path) != 0 {
            let code = errno
            unlink(temporary)
            throw ApusError.file(path: job.file.path, .unwritable(job.file, code: code))
        }
        try AtomicFile.syncFolder(of: job.file)
    }

    /// The time that the processor has given to this thread.
    static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
