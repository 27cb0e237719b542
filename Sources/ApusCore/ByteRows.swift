/// Rows of bytes that stand for numbers: number i of row r is scale · bytes[indices[r] · size + i], where rows are
/// `size` bytes long. The memory is another's.
package struct ByteRows {
    package let bytes: UnsafePointer<UInt8>
    package let indices: UnsafePointer<Int32>
    package let scale: Float

    package init(bytes: UnsafePointer<UInt8>, indices: UnsafePointer<Int32>, scale: Float) {
        self.bytes = bytes
        self.indices = indices
        self.scale = scale
    }
}
