import ApusCPU
import ApusCore
import ApusPlan

extension Device {
    /// The names that `named(_:threadCount:)` knows.
    public static let names = ["cpu"]

    /// The device called `name`.
    /// - Parameter threadCount: threads of the processor, at least 1; `nil` for as many as OpenMP gives.
    /// - Throws: `ApusError.unknownName`, and `ApusError.setting` for a thread count below 1.
    public static func named(_ name: String, threadCount: Int? = nil) throws -> Device {
        guard name.lowercased() == "cpu" else {
            throw ApusError.unknownName(kind: "device", name: name, known: names)
        }
        guard let threadCount else { return .cpu }
        guard threadCount >= 1 else {
            throw ApusError.setting(
                owner: "Device", name: "threadCount", value: "\(threadCount)", expected: "at least 1")
        }
        return .cpu(threadCount: threadCount)
    }
}
