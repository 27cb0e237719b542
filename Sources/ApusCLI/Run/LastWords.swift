import Foundation
import Synchronization

/// What `LastWords` adds to its line: the address of a C string, or 0. A signal's handler can reach globals only.
private let wayOn = Atomic<UInt>(0)

/// What Swift's runtime would have done without the line, by the signal's number.
private nonisolated(unsafe) let before = UnsafeMutablePointer<sigaction>.allocate(capacity: 64)

/// The line with which the program goes where it cannot go on: memory has run out somewhere below it, where nothing can
/// be thrown (Swift's runtime and C++ libraries then abort, with a line of their own), or it is at fault.
enum LastWords {
    private static let signals = [SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE]

    /// What a handler needs, and the processor's registers, which can be many.
    private static let stackByteCount = 1 << 16

    /// From now on, such an end is said.
    ///
    /// A backtrace comes only where SWIFT_BACKTRACE asks for one: users have no use for it, and it would stand below the
    /// line. SIGQUIT is none of these: it ends the program at once, as ever.
    static func prepare() {
        let wantsBacktrace = getenv("SWIFT_BACKTRACE") != nil
        if !wantsBacktrace { signal(SIGQUIT, SIG_DFL) }
        makeStack()
        // A global may be made when it is first read, which a handler must not do.
        _ = wayOn.load(ordering: .relaxed)
        before.initialize(repeating: sigaction(), count: 64)
        // Whoever started the program may have held them back.
        var held = sigset_t()
        sigemptyset(&held)
        for number in signals { sigaddset(&held, number) }
        sigprocmask(SIG_UNBLOCK, &held, nil)
        for number in signals {
            var action = sigaction()
            #if canImport(Darwin)
                action.__sigaction_u.__sa_sigaction = { LastWords.say($0, information: $1, context: $2) }
            #else
                action.__sigaction_handler.sa_sigaction = { LastWords.say($0, information: $1, context: $2) }
            #endif
            action.sa_flags = Int32(SA_ONSTACK) | Int32(SA_SIGINFO)
            sigaction(number, &action, wantsBacktrace ? before + Int(number) : nil)
        }
    }

    /// Gives handlers on the main thread a stack of their own: a stack that is used up holds no handler.
    private static func makeStack() {
        var old = stack_t()
        guard sigaltstack(nil, &old) == 0, old.ss_flags & Int32(SS_DISABLE) != 0 || old.ss_size < stackByteCount,
            let place = mmap(nil, stackByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            place != MAP_FAILED
        else { return }
        var stack = stack_t()
        (stack.ss_sp, stack.ss_size) = (place, stackByteCount)
        sigaltstack(&stack, nil)
    }

    /// What there is to say besides, from now on: a sentence.
    static func add(_ sentence: String) {
        guard let text = strdup(sentence) else { return }
        let old = wayOn.exchange(UInt(bitPattern: text), ordering: .acquiringAndReleasing)
        free(UnsafeMutableRawPointer(bitPattern: old))
    }

    /// Calls nothing but what a handler may call.
    private static func say(
        _ number: Int32, information: UnsafeMutablePointer<siginfo_t>?, context: UnsafeMutableRawPointer?
    ) {
        let name: StaticString =
            switch number {
            case SIGABRT: "SIGABRT"
            case SIGSEGV: "SIGSEGV"
            case SIGBUS: "SIGBUS"
            case SIGILL: "SIGILL"
            case SIGTRAP: "SIGTRAP"
            default: "SIGFPE"
            }
        let text = UnsafeMutablePointer<CChar>(bitPattern: wayOn.load(ordering: .acquiring))
        // At once: several threads may come to this end at a time. So few bytes are on the stack.
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 6) { parts in
            parts.initializeElement(at: 0, to: part("apus: cannot go on ("))
            parts.initializeElement(at: 1, to: part(name))
            parts.initializeElement(at: 2, to: part("): memory has run out, or the program is at fault."))
            parts.initializeElement(at: 3, to: part(text == nil ? "" : " "))
            parts.initializeElement(at: 4, to: iovec(iov_base: text, iov_len: text.map { strlen($0) } ?? 0))
            parts.initializeElement(at: 5, to: part("\n"))
            _ = writev(STDERR_FILENO, parts.baseAddress, Int32(parts.count))
        }
        // Swift's own, which prints a backtrace where that is wanted, and goes back to where the signal came: after one
        // that another process has sent, the program would go on.
        if hasHandler(before[Int(number)]) {
            #if canImport(Darwin)
                before[Int(number)].__sigaction_u.__sa_sigaction(number, information, context)
            #else
                before[Int(number)].__sigaction_handler.sa_sigaction(number, information, context)
            #endif
        }
        var action = sigaction()
        sigaction(number, &action, nil)
        var held = sigset_t()
        sigemptyset(&held)
        sigaddset(&held, number)
        raise(number)
        pthread_sigmask(SIG_UNBLOCK, &held, nil)
    }

    /// Whether an action is a function that takes what is known of the signal; not the default, nor to ignore it.
    private static func hasHandler(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
            let address = unsafeBitCast(action.__sigaction_u.__sa_handler, to: UInt.self)
        #else
            let address = unsafeBitCast(action.__sigaction_handler.sa_handler, to: UInt.self)
        #endif
        return address > 1 && action.sa_flags & Int32(SA_SIGINFO) != 0
    }

    private static func part(_ text: StaticString) -> iovec {
        iovec(iov_base: UnsafeMutableRawPointer(mutating: text.utf8Start), iov_len: text.utf8CodeUnitCount)
    }
}
