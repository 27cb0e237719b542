import ApusCore
import Foundation

/// Keeps the bits of every step's loss in a file: float32, little-endian, 4 bytes a step, the training's first step
/// first. A step that is not known, as after a power cut, is no number.
///
/// Where a training goes on from a checkpoint, the file is cut back to that step.
package final class LossRecord: Callback, RecordKeeping {
    private let url: URL
    private(set) var openFile: OpenFile?
    private var buffer: [UInt8] = []
    private static let bufferByteCount = 1 << 14

    package init(_ url: URL) {
        self.url = url
        buffer.reserveCapacity(Self.bufferByteCount)
    }

    /// The losses in a file; none where there is no file.
    /// - Throws: `ApusError.file` where it cannot be read.
    package static func read(_ url: URL) throws -> [Float] {
        guard FileManager.default.fileExists(atPath: url.path) else { return [] }
        let bytes = [UInt8](try contents(of: url))
        return stride(from: 0, to: bytes.count / 4 * 4, by: 4).map { place in
            Float(bitPattern: bytes[place..<place + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        }
    }

    package func trainingWillStart(_ training: Training) throws {
        buffer.removeAll(keepingCapacity: true)
        let file = try OpenFile(url)
        openFile = file
        let wholeCount = max(0, Int(lseek(file.descriptor, 0, SEEK_END))) / 4
        let keptCount = min(wholeCount, training.stepsDone)
        guard ftruncate(file.descriptor, off_t(4 * keptCount)) == 0, lseek(file.descriptor, 0, SEEK_END) >= 0 else {
            throw file.failure
        }
        for _ in keptCount..<training.stepsDone { append(.nan) }
    }

    package func stepDidEnd(_ step: StepRecord, _ training: Training) throws {
        append(Float(step.loss))
        if buffer.count >= Self.bufferByteCount { try flush() }
    }

    /// What is not written yet would be missing after a kill.
    package func state(in training: Training) -> CallbackState? {
        // A disk that is full makes itself known by the next regular writing.
        try? flush()
        return nil
    }

    package func trainingDidEnd(_ history: History, _ training: Training) throws { try flush() }
    package func trainingDidFail(_ error: any Error, _ training: Training) { try? flush() }

    private func append(_ loss: Float) { withUnsafeBytes(of: loss.bitPattern.littleEndian) { buffer += $0 } }

    private func flush() throws {
        guard let openFile else { return }
        while !buffer.isEmpty {
            let count = buffer.withUnsafeBytes { write(openFile.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw openFile.failure }
            buffer.removeFirst(count)
        }
    }
}
