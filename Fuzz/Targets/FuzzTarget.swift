import ApusCore
import ApusNN

/// A reader of files as fuzzing sees it: a function of bytes that comes to an end, with a value or an error.
package struct FuzzTarget: Sendable {
    /// The name of its folder in `Fuzz/corpus`.
    package let name: String
    /// The longest input that is tried, in bytes.
    package let longestInput: Int
    private let read: @Sendable ([UInt8]) throws -> Void

    package init(_ name: String, longestInput: Int, read: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.name = name
        self.longestInput = longestInput
        self.read = read
    }

    /// How reading ended.
    package enum Outcome: Hashable, Sendable {
        case read
        case refused(String)
        /// An error that no user should see.
        case foreignError(String)
    }

    package func run(_ bytes: [UInt8]) -> Outcome {
        do {
            try read(bytes)
            return .read
        } catch let error as ApusError {
            return .refused("\(error)")
        } catch let fault as JSONFault {
            return .refused("\(fault)")
        } catch {
            return .foreignError("\(error)")
        }
    }
}

extension FuzzTarget {
    /// All readers, but for that of run cards, which is part of the program `apus`.
    package static let all: [FuzzTarget] = [
        .idx, .cifar, .cifarArchive, .npy, .npz, .csv, .png, .jpeg, .json, .safetensors, .modelDescription, .history,
        .checkpoint,
    ]
}
