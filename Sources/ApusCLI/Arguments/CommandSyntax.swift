/// What a command is called, what it takes, and what its help says.
package struct CommandSyntax: Sendable {
    /// A word that stands by itself, as in `NAME`.
    package struct Operand: Sendable {
        package let placeholder: String
        package let help: String
        package let isRequired: Bool
        /// Whether it takes all words that are left; only the last operand may.
        package let isRepeated: Bool

        package init(_ placeholder: String, help: String, isRequired: Bool = true, isRepeated: Bool = false) {
            self.placeholder = placeholder
            self.help = help
            self.isRequired = isRequired
            self.isRepeated = isRepeated
        }
    }

    /// One word, or two as in `data fetch`.
    package let name: String
    /// One line.
    package let summary: String
    package let operands: [Operand]
    package let options: [any OptionSyntax]
    /// More lines for the command's own help; may be empty.
    package let notes: String

    package init(
        _ name: String, summary: String, operands: [Operand] = [], options: [any OptionSyntax] = [], notes: String = ""
    ) {
        self.name = name
        self.summary = summary
        self.operands = operands
        self.options = options
        self.notes = notes
    }
}

/// Something that `apus` can do.
package protocol Command: Sendable {
    var syntax: CommandSyntax { get }
    /// - Throws: `ApusError`.
    func run(_ arguments: Arguments) throws
}
