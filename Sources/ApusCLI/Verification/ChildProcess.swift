import Apus
import Foundation

/// This program once more, as a process of its own that can be killed at any moment.
struct ChildProcess {
    enum End: Equatable {
        case exited(Int32)
        /// By a signal, with this number.
        case signalled(Int32)
        /// By us, at the moment that was wished for.
        case killed
        /// In a way that the system does not tell.
        case unknown
    }

    private enum Status {
        case running, unknown
        /// As `waitpid` has it.
        case ended(Int32)
    }

    private let processID: pid_t

    /// Has the system tell how processes end: whoever started this one may have seen to it that it does not.
    static func prepare() { signal(SIGCHLD, SIG_DFL) }

    /// Starts `apus` with `words`.
    /// - Parameters:
    ///   - environment: variables besides those of this process.
    ///   - log: where both outputs go; the file is written anew.
    /// - Throws: `ApusError.library` where the system refuses.
    init(_ words: [String], environment: [String: String], log: URL) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        var processID = pid_t()
        let status = Self.withPointers(to: ["apus"] + words) { words in
            Self.withPointers(to: variables) { variables in
                posix_spawn(&processID, Self.program, &actions, nil, words, variables)
            }
        }
        guard status == 0 else {
            throw ApusError.library(name: "the system", call: "posix_spawn", status: String(cString: strerror(status)))
        }
        self.processID = processID
    }

    /// Waits until it ends by itself.
    func wait() -> End { Self.end(status(flags: 0)) }

    /// Waits for `seconds`, then kills it.
    func kill(after seconds: Double) -> End {
        let start = ContinuousClock.now
        while (ContinuousClock.now - start) / .seconds(1) < seconds {
            let status = status(flags: WNOHANG)
            guard case .running = status else { return Self.end(status) }
            usleep(500)
        }
        Foundation.kill(processID, SIGKILL)
        let end = Self.end(status(flags: 0))
        return end == .signalled(SIGKILL) ? .killed : end
    }

    private func status(flags: Int32) -> Status {
        var status: Int32 = 0
        while true {
            let result = waitpid(processID, &status, flags)
            if result == processID { return .ended(status) }
            if result == 0 { return .running }
            if errno != EINTR { return .unknown }
        }
    }

    /// The low seven bits hold the signal, the next byte the exit code.
    private static func end(_ status: Status) -> End {
        guard case .ended(let status) = status else { return .unknown }
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
    }

    private static var program: String {
        #if os(Linux)
            "/proc/self/exe"
        #else
            Bundle.main.executablePath ?? CommandLine.arguments[0]
        #endif
    }

    private static func withPointers<Result>(
        to texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = texts.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}
