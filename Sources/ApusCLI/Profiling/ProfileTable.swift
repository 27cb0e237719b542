import Apus
import Foundation

/// A profile as a table for people: the kernels by time, then totals by layer and part.
package struct ProfileTable {
    private let profile: StepProfile
    private let rowLimit: Int

    /// - Parameter rowLimit: the kernels to show at most, slowest first; the others come as one line.
    package init(_ profile: StepProfile, rowLimit: Int = 32) {
        self.profile = profile
        self.rowLimit = rowLimit
    }

    package var text: String {
        ([heading, machine, "", kernels, "", layers] + remark).joined(separator: "\n") + "\n"
    }

    /// Where the kernels' times do not add up to the step's.
    private var remark: [String] {
        let share = profile.remainingSeconds / profile.stepSeconds
        guard share < -Self.noise else { return [] }
        return [
            "The kernels took \((-share * 100).fixed(0)) % longer than a whole step did without clocks, probably because "
                + "other programs were at work. Measure again when the machine is idle."
        ]
    }

    /// Of a step; in eight profiles of the experiments on a quiet machine there were 3.5 % at most.
    private static let noise = 0.1

    private var heading: String {
        "\(profile.workload), batch \(profile.batchSize), \(profile.precision.rawValue): \(milliseconds(profile.stepSeconds)) ms a step, "
            + "\(milliseconds(profile.kernelSeconds)) of it in \(profile.rows.count) kernels"
    }

    private var machine: String {
        let peaks = profile.peaks
        func rate(_ value: Double?) -> String { value.map { ($0 * 1e-9).fixed(0) } ?? "-" }
        let sizes = peaks.memory.map { entry in
            let kibibytes = entry.byteCount >> 10
            let size = kibibytes < 1024 ? "\(kibibytes) KiB" : "\(kibibytes >> 10) MiB"
            return "\(rate(entry.bytesPerSecond)) (\(size))"
        }
        return "measured with \(profile.threadCount) threads, GFLOP/s: float32 \(rate(peaks.float32)), bfloat16 "
            + "\(rate(peaks.bfloat16Dots)) by dot products, \(rate(peaks.bfloat16Tiles)) by AMX;\n"
            + "GB/s of passes over as many bytes: \(sizes.joined(separator: ", "))\n"
            + "at these rates the kernels would take \(milliseconds(profile.boundSeconds)) ms, "
            + "\(percent(profile.boundSeconds)) % of the step"
    }

    private var kernels: String {
        var lines = TextTable(
            headings: [
                "ms", "%", "layer", "part", "operation", "shapes", "by", "GFLOP/s", "GB/s", "bound", "reached",
            ], leftAligned: [2, 3, 4, 5, 6, 9])
        let rows = profile.rows.sorted { ($0.seconds, $1.number) > ($1.seconds, $0.number) }
        for row in rows.prefix(rowLimit) {
            lines.append([
                milliseconds(row.seconds), percent(row.seconds), row.layer.shortened(to: 28), row.part.rawValue,
                row.operation.shortened(to: 44), row.shapes.shortened(to: 36),
                (row.implementation ?? "").shortened(to: 24),
                (Double(row.flopCount) / row.seconds * 1e-9).fixed(1),
                (Double(row.byteCount) / row.seconds * 1e-9).fixed(1), row.bound.rawValue,
                "\((row.boundSeconds / row.seconds * 100).fixed(0)) %",
            ])
        }
        let rest = rows.dropFirst(rowLimit)
        if !rest.isEmpty {
            let seconds = rest.reduce(0) { $0 + $1.seconds }
            lines.append([milliseconds(seconds), percent(seconds), "\(rest.count) more kernels"])
        }
        return lines.text
    }

    private var layers: String {
        var lines = TextTable(headings: ["layer"] + Plan.Part.allCases.map(\.rawValue) + ["ms", "%"], leftAligned: [0])
        func append(_ name: String, _ rows: [StepProfile.Row]) {
            let total = rows.reduce(0) { $0 + $1.seconds }
            let parts = Plan.Part.allCases.map { part in
                rows.filter { $0.part == part }.reduce(0) { $0 + $1.seconds }
            }
            lines.append(
                [name] + parts.map { $0 == 0 ? "" : milliseconds($0) } + [milliseconds(total), percent(total)])
        }
        var names: [String] = []
        for row in profile.rows where !names.contains(row.layer) { names.append(row.layer) }
        for name in names.sorted(by: { !$0.isEmpty && $1.isEmpty }) {
            append(name.isEmpty ? "(no layer)" : name, profile.rows.filter { $0.layer == name })
        }
        append("all kernels", profile.rows)
        let rest = profile.remainingSeconds
        lines.append(["outside kernels", "", "", "", milliseconds(rest), percent(rest)])
        lines.append(["step", "", "", "", milliseconds(profile.stepSeconds), percent(profile.stepSeconds)])
        return lines.text
    }

    private func milliseconds(_ seconds: Double) -> String { (seconds * 1e3).fixed(4) }
    private func percent(_ seconds: Double) -> String { (seconds / profile.stepSeconds * 100).fixed(1) }
}

/// Columns as wide as their longest cell.
private struct TextTable {
    private let leftAligned: Set<Int>
    private var rows: [[String]]

    init(headings: [String], leftAligned: Set<Int>) {
        self.leftAligned = leftAligned
        rows = [headings]
    }

    mutating func append(_ cells: [String]) { rows.append(cells) }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in
            rows.filter { $0.count > column }.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return leftAligned.contains(column) ? cell + space : space + cell
            }
            return String(cells.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}

extension Double {
    fileprivate func fixed(_ places: Int) -> String { String(format: "%.\(places)f", self) }
}

extension String {
    /// With an ellipsis in place of what is behind `count` letters.
    fileprivate func shortened(to count: Int) -> String {
        self.count <= count ? self : prefix(count - 1) + "\u{2026}"
    }
}
