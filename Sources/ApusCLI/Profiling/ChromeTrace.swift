import Apus
import Foundation

/// Steps and their kernels as Chrome's trace events, which chrome://tracing and Perfetto draw.
///
/// A JSON object with `traceEvents`: complete events (`ph` is `X`) with start and duration in microseconds, and metadata
/// events (`M`) that name processes and threads. A workload is a process; a step is an event around those of its
/// kernels. Source: Trace Event Format, the Chromium project.
package struct ChromeTrace: Encodable {
    private var traceEvents: [Event] = []
    private let displayTimeUnit = "ms"

    private struct Event: Encodable {
        let name: String
        var cat: String?
        let ph: String
        var ts: Double?
        var dur: Double?
        let pid: Int
        let tid = 1
        var args: Details?
    }

    private struct Details: Encodable {
        /// What a metadata event names.
        var name: String?
        var layer: String?
        var operation: String?
        var shapes: String?
        var kernel: String?
        var implementation: String?
        var flops: Int?
        var bytes: Int?
        var bound: String?
    }

    package init() {}

    /// Adds steps of a workload.
    /// - Parameter timeline: for each step the clock when it began and after each kernel, in nanoseconds.
    package mutating func append(_ profile: StepProfile, timeline: [[UInt64]]) {
        let process = (traceEvents.last?.pid ?? 0) + 1
        let title = "\(profile.workload), batch \(profile.batchSize), \(profile.precision.rawValue)"
        traceEvents.append(Event(name: "process_name", ph: "M", pid: process, args: Details(name: title)))
        traceEvents.append(Event(name: "thread_name", ph: "M", pid: process, args: Details(name: "step")))
        let origin = timeline.first?.first ?? 0
        func event(_ name: String, _ category: String, _ start: UInt64, _ end: UInt64) -> Event {
            Event(
                name: name, cat: category, ph: "X", ts: Double(start - origin) / 1e3, dur: Double(end - start) / 1e3,
                pid: process)
        }
        for (number, clocks) in timeline.enumerated() {
            guard let start = clocks.first, let end = clocks.last else { continue }
            traceEvents.append(event("step \(number + 1)", "step", start, end))
            for (row, (start, end)) in zip(profile.rows, zip(clocks, clocks.dropFirst())) {
                let name = row.layer.isEmpty ? row.operation : "\(row.layer): \(row.operation)"
                var event = event(name, row.part.rawValue, start, end)
                event.args = Details(
                    layer: row.layer, operation: row.operation, shapes: row.shapes, kernel: row.kernel,
                    implementation: row.implementation, flops: row.flopCount, bytes: row.byteCount,
                    bound: row.bound.rawValue)
                traceEvents.append(event)
            }
        }
    }

    package func data() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}
