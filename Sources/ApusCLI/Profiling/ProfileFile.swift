import Apus
import Foundation

/// Profiles as JSON, for programs.
package struct ProfileFile: Encodable {
    private let profiles: [Entry]

    package init(_ profiles: [StepProfile]) { self.profiles = profiles.map(Entry.init) }

    package func encode(to encoder: any Encoder) throws { try profiles.encode(to: encoder) }

    package func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    private struct Entry: Encodable {
        let workload: String
        let precision: Precision
        let batch: Int
        let threads: Int
        let msPerStep: Double
        let msInKernels: Double
        let boundMs: Double
        let peaks: Peaks
        let kernels: [Kernel]

        init(_ profile: StepProfile) {
            workload = profile.workload
            precision = profile.precision
            batch = profile.batchSize
            threads = profile.threadCount
            msPerStep = profile.stepSeconds * 1e3
            msInKernels = profile.kernelSeconds * 1e3
            boundMs = profile.boundSeconds * 1e3
            peaks = Peaks(profile.peaks)
            kernels = profile.rows.map(Kernel.init)
        }
    }

    private struct Peaks: Encodable {
        struct Memory: Encodable {
            let bytes: Int
            let gigabytesPerSecond: Double
        }

        let float32Gflops: Double
        let bfloat16DotsGflops: Double?
        let bfloat16TilesGflops: Double?
        let memory: [Memory]

        init(_ peaks: MachinePeaks) {
            float32Gflops = peaks.float32 * 1e-9
            bfloat16DotsGflops = peaks.bfloat16Dots.map { $0 * 1e-9 }
            bfloat16TilesGflops = peaks.bfloat16Tiles.map { $0 * 1e-9 }
            memory = peaks.memory.map { .init(bytes: $0.byteCount, gigabytesPerSecond: $0.bytesPerSecond * 1e-9) }
        }
    }

    private struct Kernel: Encodable {
        let step: Int
        let layer: String
        let part: Plan.Part
        let operation: String
        let shapes: String
        let kernel: String
        let implementation: String?
        let ms: Double
        let flops: Int
        let bytes: Int
        let bound: StepProfile.Bound
        let boundMs: Double

        init(_ row: StepProfile.Row) {
            (step, layer, part, operation) = (row.number, row.layer, row.part, row.operation)
            (shapes, kernel, implementation) = (row.shapes, row.kernel, row.implementation)
            (ms, flops, bytes) = (row.seconds * 1e3, row.flopCount, row.byteCount)
            (bound, boundMs) = (row.bound, row.boundSeconds * 1e3)
        }
    }
}
