import ApusCore
import ApusData

extension FuzzTarget {
    /// IDX, plain or packed by gzip.
    package static let idx = FuzzTarget("idx", longestInput: 2_048) { bytes in
        try bytes.withUnsafeBytes { memory in
            let file = try IDXFile(from: PackedStream(memory: memory, name: "FILE"), isWhole: true)
            use(file.values)
        }
    }

    package static let npy = FuzzTarget("npy", longestInput: 1_024) { bytes in
        use(try bytes.withUnsafeBytes { try NDArray(npy: $0, path: "FILE") })
    }

    package static let npz = FuzzTarget("npz", longestInput: 2_048) { bytes in
        try bytes.withUnsafeBytes { memory in
            let file = try NPZFile(from: ArchiveReader(memory: memory, name: "FILE", as: .zip))
            for array in file.arrays.values { use(array) }
        }
    }
}

/// Does with an array what comes after reading: its places are computed, its numbers read.
func use(_ array: NDArray) {
    let (strides, count) = (array.shape.strides, array.elementCount)
    precondition(strides.count == array.shape.rank && array.byteCount == count * array.elementType.byteCount)
    array.withUnsafeBytes { bytes in
        precondition(bytes.count == array.byteCount && bytes.reduce(0) { $0 ^ $1 } <= 255)
    }
    if array.shape.rank > 0 { _ = try? Dataset.Column(array).sampleShape }
}
