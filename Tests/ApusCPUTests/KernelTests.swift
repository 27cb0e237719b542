import ApusCore
import CApusKernels
import Testing

/// The suites of the C kernels. They change the number of threads, so they run one after the other.
@Suite(.serialized) enum KernelTests {}

struct KernelFailure: Error { var status: Int32 }

func check(_ status: Int32) throws {
    if status != 0 { throw KernelFailure(status: status) }
}

/// Fixed numbers, normally distributed.
func sampleValues(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    let philox = Philox(seed: seed)
    return (0..<count).map { scale * philox.normal($0) }
}

/// `body`'s result with 1 and with 2 threads, the count restored afterwards.
func withThreadCounts<Result>(_ body: () throws -> Result) rethrows -> (one: Result, two: Result) {
    let count = apus_thread_count()
    defer { apus_set_thread_count(count) }
    apus_set_thread_count(1)
    let one = try body()
    apus_set_thread_count(2)
    return (one, try body())
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// The largest of |actual - expected| / max(|expected|, floor); infinite when a length or a NaN differs.
func relativeError(_ actual: [Float], _ expected: [Double], floor: Double = 1) -> Double {
    guard actual.count == expected.count else { return .infinity }
    return zip(actual, expected).reduce(0) { worst, pair in
        let (actual, expected) = (Double(pair.0), pair.1)
        if actual == expected || (actual.isNaN && expected.isNaN) { return worst }
        let error = abs(actual - expected) / max(abs(expected), floor)
        return error.isNaN ? .infinity : max(worst, error)
    }
}

typealias EightNumbers = (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)

/// C's array of up to eight sizes or strides.
func eightNumbers(_ values: [Int]) -> EightNumbers {
    var result: EightNumbers = (0, 0, 0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &result) { bytes in
        for (index, value) in values.enumerated() {
            bytes.storeBytes(of: Int64(value), toByteOffset: index * 8, as: Int64.self)
        }
    }
    return result
}

func packedStrides(_ dimensions: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: dimensions.count)
    for axis in dimensions.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * dimensions[axis + 1] }
    return strides
}

/// The offsets of all elements in row-major order of `dimensions`, by `strides`.
func offsets(_ dimensions: [Int], _ strides: [Int]) -> [Int] {
    zip(dimensions, strides).reduce([0]) { offsets, axis in
        offsets.flatMap { offset in (0..<axis.0).map { offset + $0 * axis.1 } }
    }
}

/// Numbers at a fixed place.
final class FloatMemory {
    let start: UnsafeMutablePointer<Float>
    private let count: Int

    init(_ values: [Float]) {
        count = values.count
        start = .allocate(capacity: values.count)
        start.initialize(from: values, count: values.count)
    }

    convenience init(count: Int) { self.init([Float](repeating: .nan, count: count)) }

    deinit { start.deallocate() }

    var values: UnsafePointer<Float> { UnsafePointer(start) }
    var numbers: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }
}
