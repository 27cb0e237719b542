import ApusCore
import CApusGather

extension Dataset.Column {
    /// Copies one sample to `target`, as the batch's element type.
    func gather(_ index: Int32, into target: UnsafeMutableRawPointer) {
        withUnsafePointer(to: index) { gather(UnsafeBufferPointer(start: $0, count: 1), into: target) }
    }

    /// Where a sample stands, if it and those after it are as a batch wants them: of its type, not scaled, aligned.
    func address(ofSample index: Int) -> UnsafeRawPointer? {
        guard values.elementType == batchElementType, scale == 1 else { return nil }
        let offset = index * (values.elementCount / max(count, 1)) * values.elementType.byteCount
        guard offset.isMultiple(of: BatchBuffers.alignment) else { return nil }
        return values.withUnsafeBytes { bytes in bytes.baseAddress.map { $0 + offset } }
    }

    /// The samples `indices` where they stand; `nil` where they are not bytes, or there are none. (Steps take numbers
    /// below the smallest normal one as 0, and a scale is none of those.)
    func byteRows(_ indices: UnsafeBufferPointer<Int32>) -> ByteRows? {
        guard values.elementType == .uint8, !scale.isSubnormal, let indices = indices.baseAddress else { return nil }
        // An array's memory stays where it is as long as the array lives.
        return values.withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                ByteRows(bytes: $0.assumingMemoryBound(to: UInt8.self), indices: indices, scale: scale)
            }
        }
    }

    /// Copies the samples `indices` to `target`, one after another, as the batch's element type.
    /// - Precondition: Every index is a sample's, and `target` has room for all of them.
    func gather(_ indices: UnsafeBufferPointer<Int32>, into target: UnsafeMutableRawPointer) {
        // Not by way of `sampleShape`, which would make an array for every batch.
        let sampleSize = values.elementCount / max(count, 1)
        values.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            switch values.elementType {
            case .uint8:
                scaleRows(of: source.assumingMemoryBound(to: UInt8.self), indices, sampleSize, by: scale, into: target)
            case .float32 where scale != 1:
                scaleRows(of: source.assumingMemoryBound(to: Float.self), indices, sampleSize, by: scale, into: target)
            case .float32, .int32, .float64:
                copyRows(of: source, indices, byteCount: sampleSize * values.elementType.byteCount, into: target)
            }
        }
    }
}

extension NDArray {
    /// The entries `indices` along the first axis, in that order.
    /// - Precondition: Every index is one of the first axis.
    func gatheringRows(_ indices: [Int32]) -> NDArray {
        var partShape = shape
        partShape[0] = indices.count
        var part = NDArray(zeros: partShape, elementType)
        let rowByteCount = byteCount / max(shape[0], 1)
        part.withUnsafeMutableBytes { target in
            withUnsafeBytes { source in
                indices.withUnsafeBufferPointer { indices in
                    guard let source = source.baseAddress, let target = target.baseAddress else { return }
                    copyRows(of: source, indices, byteCount: rowByteCount, into: target)
                }
            }
        }
        return part
    }
}

extension NDArray {
    /// The entries of all `parts` along the first axis, one part after another; `nil` where there is no part.
    /// - Precondition: The parts differ in the first size only.
    init?(joining parts: [NDArray]) {
        guard let first = parts.first else { return nil }
        if parts.count == 1 {
            self = first
            return
        }
        var joined = first.shape
        joined[0] = parts.reduce(0) { $0 + $1.shape[0] }
        self.init(zeros: joined, first.elementType)
        withUnsafeMutableBytes { target in
            var place = 0
            for part in parts {
                precondition(
                    part.elementType == first.elementType && part.shape.sizes.dropFirst() == joined.sizes.dropFirst(),
                    "parts of \(first.shape) and \(part.shape)")
                part.withUnsafeBytes { bytes in
                    UnsafeMutableRawBufferPointer(rebasing: target[place...]).copyMemory(from: bytes)
                    place += bytes.count
                }
            }
        }
    }
}

private func copyRows(
    of source: UnsafeRawPointer, _ indices: UnsafeBufferPointer<Int32>, byteCount: Int,
    into target: UnsafeMutableRawPointer
) {
    apus_gather_samples(target, source, indices.baseAddress, Int64(indices.count), Int64(byteCount))
}

private func scaleRows(
    of source: UnsafePointer<UInt8>, _ indices: UnsafeBufferPointer<Int32>, _ size: Int, by scale: Float,
    into target: UnsafeMutableRawPointer
) {
    apus_gather_byte_samples(
        target.assumingMemoryBound(to: Float.self), source, indices.baseAddress, Int64(indices.count), Int64(size),
        scale)
}

private func scaleRows(
    of source: UnsafePointer<Float>, _ indices: UnsafeBufferPointer<Int32>, _ size: Int, by scale: Float,
    into target: UnsafeMutableRawPointer
) {
    for (place, index) in indices.enumerated() {
        let row = source + Int(index) * size
        let result = (target + place * size * 4).assumingMemoryBound(to: Float.self)
        for element in 0..<size { result[element] = row[element] * scale }
    }
}
