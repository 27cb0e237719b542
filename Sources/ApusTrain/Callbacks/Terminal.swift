import Foundation

/// What the standard output is connected to.
package enum Terminal {
    /// Whether a person reads along, on something that can redraw a line.
    package static var isInteractive: Bool {
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
    }

    /// Letters in a line, now; 80 where nobody knows.
    package static var width: Int {
        var size = winsize()
        if ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        let named = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) } ?? 0
        return named > 0 ? named : 80
    }

    /// Writes at once.
    package static func write(_ text: String) {
        print(text, terminator: "")
        fflush(nil)
    }
}
