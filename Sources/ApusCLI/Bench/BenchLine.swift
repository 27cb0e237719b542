import Apus

/// What `apus bench` prints of a workload: a line of JSON, with the field names of the scripts in `Benchmarks/peers`.
package struct BenchLine: CustomStringConvertible {
    private var fields: [(name: String, value: String)]

    package init(workload: String, phase: BenchPhase, precision: Precision, device: String, batchSize: Int) {
        fields = [
            ("peer", "\"apus \(ApusVersion.current)\""), ("workload", "\"\(workload)\""),
            ("phase", "\"\(phase.rawValue)\""), ("precision", "\"\(precision.rawValue)\""), ("mode", "\"plan\""),
            ("device", "\"\(device)\""), ("batch", "\(batchSize)"),
        ]
    }

    /// A number with four digits after the point: tenths of a microsecond where it is milliseconds.
    package mutating func add(_ name: String, _ value: Double) {
        fields.append((name, "\((value * 10_000).rounded() / 10_000)"))
    }

    /// Nothing where the value is not known.
    package mutating func add(_ name: String, _ value: Int?) {
        if let value { fields.append((name, "\(value)")) }
    }

    package var description: String { "{\(fields.map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", "))}" }
}
