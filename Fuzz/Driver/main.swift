// The fuzzer's program: libFuzzer, run on one of the readers. `Fuzz/run` builds and starts it.
import Foundation
import FuzzTargets

let targets = FuzzTarget.all + [.runCard]

/// libFuzzer's own main function: it reads its options, and calls `callback` with one input after the other.
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// Not an argument, as libFuzzer starts itself anew with those that it knows.
let name = ProcessInfo.processInfo.environment["APUS_FUZZ_TARGET"] ?? ""

if name.isEmpty {
    for target in targets { print("\(target.name) \(target.longestInput)") }
    exit(0)
}
if name == "seeds" {
    try writeModelSeeds(to: URL(fileURLWithPath: CommandLine.arguments[1]))
    exit(0)
}
guard let chosen = targets.first(where: { $0.name == name }) else {
    print("no target '\(name)'")
    exit(2)
}

/// What the callback, which can hold nothing, runs.
enum Choice {
    nonisolated(unsafe) static var target: FuzzTarget?
    /// What one input may take of the processor's time. The fuzzer's own limit is by the clock, which goes on while
    /// other programs run.
    static let secondLimit = ProcessInfo.processInfo.environment["APUS_FUZZ_SECONDS"].flatMap { Int($0) } ?? 5
    /// ITIMER_PROF, whose type is another on each system.
    static let processorTimer: Int32 = 2
}
Choice.target = chosen

signal(SIGPROF) { _ in
    let words = "An input takes longer than it may.\n"
    _ = words.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    // The fuzzer then keeps the input.
    abort()
}

/// In memory of its own, so that a byte read behind the end is noticed.
nonisolated func fuzz(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var limit = itimerval(
        it_interval: timeval(tv_sec: 0, tv_usec: 0), it_value: timeval(tv_sec: Choice.secondLimit, tv_usec: 0))
    setitimer(Choice.processorTimer, &limit, nil)
    let bytes = [UInt8](UnsafeBufferPointer(start: data, count: count))
    if case .foreignError(let error)? = Choice.target?.run(bytes) { fatalError("another error: \(error)") }
    return 0
}

var argumentCount = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(runFuzzer(&argumentCount, &arguments) { fuzz($0, $1) })
