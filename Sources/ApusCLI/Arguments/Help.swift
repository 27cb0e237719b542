/// The texts of `--help`.
package enum Help {
    /// What `apus --help` says.
    package static func overview(_ commands: [any Command], version: String) -> String {
        let rows = commands.map { (usage(of: $0.syntax, hasOptions: false), $0.syntax.summary) }
        return """
            Apus \(version): neural networks in Swift.

            Usage: apus COMMAND [OPTIONS]

            Commands:
            \(table(rows))

            'apus COMMAND --help' shows a command's options and their defaults. To begin: apus train mlp

            """
    }

    /// What `apus COMMAND --help` says.
    package static func text(for syntax: CommandSyntax) -> String {
        var parts = ["\(syntax.summary).", "Usage: apus \(usage(of: syntax, hasOptions: true))"]
        if !syntax.operands.isEmpty {
            parts.append("Arguments:\n" + table(syntax.operands.map { ($0.placeholder, $0.help) }))
        }
        let options = syntax.options.map { option in
            (
                "--\(option.name)" + (option.placeholder.map { " \($0)" } ?? ""),
                option.help + (option.defaultText.map { " (default: \($0))" } ?? "")
            )
        }
        parts.append("Options:\n" + table(options + [("--help", "Show this")]))
        if !syntax.notes.isEmpty { parts.append(syntax.notes) }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// The command's name and what may follow it.
    static func usage(of syntax: CommandSyntax, hasOptions: Bool) -> String {
        let operands = syntax.operands.map { operand in
            let word = operand.placeholder + (operand.isRepeated ? "..." : "")
            return operand.isRequired ? word : "[\(word)]"
        }
        let options = hasOptions && !syntax.options.isEmpty ? ["[OPTIONS]"] : []
        return ([syntax.name] + operands + options).joined(separator: " ")
    }

    /// Two columns; the right one is broken at `width`.
    static func table(_ rows: [(left: String, right: String)], width: Int = 100) -> String {
        let column = (rows.map(\.left.count).max() ?? 0) + 4
        return rows.flatMap { row in
            let lines = wrapped(row.right, width: width - column)
            let left = ("  " + row.left).padded(to: column)
            return [left + (lines.first ?? "")]
                + lines.dropFirst().map { String(repeating: " ", count: column) + $0 }
        }.joined(separator: "\n")
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

extension String {
    /// With spaces behind it up to `count` letters.
    func padded(to count: Int) -> String { self + String(repeating: " ", count: max(0, count - self.count)) }
}
