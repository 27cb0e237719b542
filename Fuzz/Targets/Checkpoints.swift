import ApusCore
import ApusData
import ApusTrain
import Foundation

extension FuzzTarget {
    /// A checkpoint with the right checksum, whatever it holds: without it, hardly anything would be read.
    package static let checkpoint = FuzzTarget("checkpoint", longestInput: 2_048) { bytes in
        let content = Array(bytes.dropLast(32))
        let digest = try SHA256.digest { update in try content.withUnsafeBytes { try update($0) } }
        _ = try Checkpoint(Data(content + digest), path: "FILE")
    }
}
