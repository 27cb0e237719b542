import Foundation
import Synchronization

/// The signal that asked for an end, or 0. A signal's handler can reach globals only.
private let requested = Atomic<Int32>(0)

/// What Ctrl-C and its like do while a network is trained: the first asks for an end after the step, the second ends
/// the program at once.
enum Interruption {
    /// Ctrl-C; `kill`, or a machine that is switched off; a terminal that is closed.
    private static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// The signal that asked for an end; `nil` for none.
    static var request: Int32? {
        let signal = requested.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    /// As in `SIGINT`.
    static func name(of signal: Int32) -> String {
        switch signal {
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        case SIGHUP: "SIGHUP"
        default: "signal \(signal)"
        }
    }

    /// From now on, signals ask.
    static func begin() {
        requested.store(0, ordering: .relaxed)
        for number in signals {
            let before = signal(number) { number in
                let isFirst = requested.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
                guard !isFirst else { return }
                if isatty(STDOUT_FILENO) == 1 { _ = write(STDOUT_FILENO, "\n", 1) }
                _exit(CommandEnding.exitCode(ofSignal: number))
            }
            // With 'nohup' a closed terminal must not matter.
            if number == SIGHUP, isIgnoring(unsafeBitCast(before, to: Int.self)) { signal(number, SIG_IGN) }
        }
    }

    /// From now on, signals end the program, as without this.
    static func end() {
        for number in signals {
            let before = signal(number, SIG_DFL)
            if isIgnoring(unsafeBitCast(before, to: Int.self)) { signal(number, SIG_IGN) }
        }
    }

    private static func isIgnoring(_ handler: Int) -> Bool { handler == unsafeBitCast(SIG_IGN, to: Int.self) }
}
