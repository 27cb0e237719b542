import Foundation
import Synchronization

/// The signal that asked for an end, or 0. A signal's handler can reach globals only.
private let requested = Atomic<Int32>(0)

/// What Ctrl-C and its like do while a network is trained: the first asks for an end after the step, the second ends
/// the program at once.
package enum Interruption {
    /// Ctrl-C; `kill`, or a machine that is switched off; a terminal that is closed.
    private static let signals = [SIGINT, SIGTERM, SIGHUP]

    /// The signal that asked for an end; `nil` for none.
    package static var request: Int32? {
        let signal = requested.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    /// As in `SIGINT`.
    package static func name(of signal: Int32) -> String {
        switch signal {
        case SIGINT: "SIGINT"
        case SIGTERM: "SIGTERM"
        case SIGHUP: "SIGHUP"
        default: "signal \(signal)"
        }
    }

    /// What a program exits with that `signal` has ended, as shells know it.
    package static func exitCode(of signal: Int32) -> Int32 { 128 + signal }

    /// From now on, signals ask.
    package static func begin() {
        requested.store(0, ordering: .relaxed)
        for number in signals {
            let before = handle(
                number,
                by: { number in
                    let isFirst = requested.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
                    guard !isFirst else { return }
                    if isatty(STDOUT_FILENO) == 1 { _ = write(STDOUT_FILENO, "\n", 1) }
                    _exit(Interruption.exitCode(of: number))
                })
            // With 'nohup' a closed terminal must not matter, nor Ctrl-C to what a shell's script runs in the background.
            if number != SIGTERM, isIgnoring(before) { signal(number, SIG_IGN) }
        }
        // Whoever started the program may have left them blocked.
        var all = sigset_t()
        sigemptyset(&all)
        for number in signals { sigaddset(&all, number) }
        pthread_sigmask(SIG_UNBLOCK, &all, nil)
    }

    /// From now on, signals end the program, as without this.
    package static func end() {
        for number in signals {
            if isIgnoring(handle(number, by: SIG_DFL)) { signal(number, SIG_IGN) }
        }
    }

    /// Has `number` handled by `handler`; a write that waits for a reader meanwhile is broken off.
    /// - Returns: what was in force before.
    @discardableResult
    private static func handle(_ number: Int32, by handler: (@convention(c) (Int32) -> Void)?) -> sigaction {
        var (action, before) = (sigaction(), sigaction())
        #if canImport(Darwin)
            action.__sigaction_u.__sa_handler = handler
        #else
            action.__sigaction_handler.sa_handler = handler
        #endif
        sigaction(number, &action, &before)
        return before
    }

    private static func isIgnoring(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            let handler = action.__sigaction_u.__sa_handler
        #else
            let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
