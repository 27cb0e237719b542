import Foundation
import Synchronization

/// What `LastWords` adds to its line: the address of a C string, or 0. A signal's handler can reach globals only.
private let wayOn = Atomic<UInt>(0)

/// What would have been done without the line, by the signal's number.
private nonisolated(unsafe) let before = UnsafeMutablePointer<sigaction>.allocate(capacity: 64)

/// The line with which the program goes where it cannot go on: memory has run out somewhere below it, where nothing can
/// be thrown (Swift's runtime and C++ libraries then abort, with a line of their own), or it is at fault.
enum LastWords {
    private static let signals = [SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE]

    /// From now on, such an end is said.
    static func prepare() {
        before.initialize(repeating: sigaction(), count: 64)
        // Whoever started the program may have held them back.
        var held = sigset_t()
        sigemptyset(&held)
        for number in signals { sigaddset(&held, number) }
        sigprocmask(SIG_UNBLOCK, &held, nil)
        for number in signals {
            var action = sigaction()
            #if canImport(Darwin)
                action.__sigaction_u.__sa_handler = { LastWords.say($0) }
            #else
                action.__sigaction_handler.sa_handler = { LastWords.say($0) }
            #endif
            action.sa_flags = Int32(SA_ONSTACK)
            sigaction(number, &action, before + Int(number))
        }
    }

    /// What there is to say besides, from now on: a sentence.
    static func add(_ sentence: String) {
        guard let text = strdup(sentence) else { return }
        let old = wayOn.exchange(UInt(bitPattern: text), ordering: .acquiringAndReleasing)
        free(UnsafeMutableRawPointer(bitPattern: old))
    }

    /// Calls nothing but what a handler may call.
    private static func say(_ number: Int32) {
        write("apus: cannot go on (")
        switch number {
        case SIGABRT: write("SIGABRT")
        case SIGSEGV: write("SIGSEGV")
        case SIGBUS: write("SIGBUS")
        case SIGILL: write("SIGILL")
        case SIGTRAP: write("SIGTRAP")
        default: write("SIGFPE")
        }
        write("): memory has run out, or the program is at fault.")
        if let text = UnsafePointer<CChar>(bitPattern: wayOn.load(ordering: .acquiring)) {
            write(" ")
            _ = Foundation.write(STDERR_FILENO, text, strlen(text))
        }
        write("\n")
        // What comes now is as without this: a backtrace where that is wanted, and the end.
        sigaction(number, before + Int(number), nil)
        raise(number)
    }

    private static func write(_ text: StaticString) {
        _ = Foundation.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }
}
