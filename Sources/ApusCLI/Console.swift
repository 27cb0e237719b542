import Apus
import Foundation

/// What the program says: to the standard output for results, to the standard error output for everything else.
enum Console {
    /// Whether a person reads along.
    static var isTerminal: Bool { Terminal.isInteractive }
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// - Throws: `OutputFailure` where not all of it could be written.
    static func write(_ text: String) throws {
        if let code = write(text, to: STDOUT_FILENO) { throw OutputFailure(code: code) }
    }

    /// - Throws: `OutputFailure`.
    static func line(_ text: String = "") throws { try write(text + "\n") }

    /// One line for the standard error output; where that fails, there is nobody to tell.
    static func report(_ text: String) { _ = write(text + "\n", to: STDERR_FILENO) }

    /// One line for a person that the next one takes the place of; nothing where nobody reads along.
    static func status(_ text: String) {
        if errorIsTerminal { _ = write("\r\u{1B}[2K" + text, to: STDERR_FILENO) }
    }

    /// Makes sure that no file that is opened later is taken for the standard output, where that is closed.
    static func prepare() {
        // A reader that has gone away is told by the write that fails, so that a training can save its weights.
        signal(SIGPIPE, SIG_IGN)
        // So is a file that would become too large ('ulimit -f').
        signal(SIGXFSZ, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free descriptor is taken. What cannot be written to fails as the closed one did.
            _ = open("/dev/null", O_RDONLY)
        }
    }

    /// Written at once, so that lines come in order whatever they are piped to.
    /// - Returns: the system's error, or `nil`.
    private static func write(_ text: String, to descriptor: Int32) -> Int32? {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            // A reader that has stopped reading must not hold up the end that somebody asks for.
            if count < 0, errno == EINTR, Interruption.request == nil { continue }
            if count <= 0 { return errno }
            bytes = bytes.dropFirst(count)
        }
        return nil
    }
}

/// The standard output could not be written.
struct OutputFailure: Error, CustomStringConvertible {
    /// The system's error.
    let code: Int32

    /// Whether the reader has gone away, as in `apus list | head -1`: it wants no more, which is no fault.
    var isClosedPipe: Bool { code == EPIPE }

    var description: String { "The standard output cannot be written: \(String(cString: strerror(code)))." }
}

/// How a command ends that has said by itself what went wrong, or has nothing to say.
struct CommandEnding: Error {
    /// The last line for the standard error output; `nil` for none.
    var message: String?
    var exitCode: Int32
}
