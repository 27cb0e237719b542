import Foundation

/// What the program says: to the standard output for results, to the standard error output for everything else.
enum Console {
    /// Whether a person reads along.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    static func write(_ text: String) { write(text, to: STDOUT_FILENO) }
    static func line(_ text: String = "") { write(text + "\n") }
    /// One line for the standard error output.
    static func report(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// One line for a person that the next one takes the place of; nothing where nobody reads along.
    static func status(_ text: String) {
        if errorIsTerminal { write("\r\u{1B}[2K" + text, to: STDERR_FILENO) }
    }

    /// Written at once, so that lines come in order whatever they are piped to.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
