import ApusCore

/// The words of a command line, sorted into what a command's syntax names, and checked.
package struct Arguments: Sendable, Hashable {
    /// The words that stand by themselves, in order.
    package private(set) var operands: [String] = []
    private var texts: [String: String] = [:]

    /// Sorts `words` (those after the command's name).
    /// - Throws: `ApusError.usage` and `.unknownName`.
    package init(_ words: [String], for syntax: CommandSyntax) throws {
        var rest = words[...]
        var takesOptions = true
        while let word = rest.popFirst() {
            if takesOptions, word == "--" {
                takesOptions = false
            } else if takesOptions, word.hasPrefix("--") {
                try addOption(word, &rest, syntax)
            } else if takesOptions, word.hasPrefix("-"), word.count > 1 {
                throw Self.unknownOption(word, syntax)
            } else {
                operands.append(word)
            }
        }
        try checkOperands(syntax)
    }

    /// The value of `option`, or `nil` where it is absent.
    package subscript<Value>(option: Option<Value>) -> Value? {
        // Every text has been read once by the option's own rule, in `init`.
        texts[option.name].flatMap { try? option.read($0) }
    }

    /// Whether a flag is there.
    package func has(_ flag: Option<Bool>) -> Bool { texts[flag.name] != nil }

    private mutating func addOption(_ word: String, _ rest: inout ArraySlice<String>, _ syntax: CommandSyntax) throws {
        let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let option = syntax.options.first(where: { $0.name == parts[0] }) else {
            throw Self.unknownOption("--\(parts[0])", syntax)
        }
        let spelling = "--\(option.name)"
        let cure = "See 'apus \(syntax.name) --help'."
        guard texts[option.name] == nil else {
            throw ApusError.usage(problem: "\(spelling) is given twice.", cure: "Give it once.")
        }
        guard option.placeholder != nil else {
            guard parts.count == 1 else { throw ApusError.usage(problem: "\(spelling) takes no value.", cure: cure) }
            texts[option.name] = ""
            return
        }
        let value: String
        if parts.count == 2 {
            value = String(parts[1])
        } else if let next = rest.first, !next.hasPrefix("--") {
            value = next
            rest.removeFirst()
        } else {
            throw ApusError.usage(problem: "\(spelling) needs a value.", cure: cure)
        }
        do {
            try option.check(value)
        } catch let problem as InvalidValue {
            throw ApusError.usage(problem: "\(spelling) is '\(value)'; it must be \(problem.expected).", cure: cure)
        }
        texts[option.name] = value
    }

    private func checkOperands(_ syntax: CommandSyntax) throws {
        let cure = "See 'apus \(syntax.name) --help'."
        let requiredCount = syntax.operands.filter(\.isRequired).count
        if operands.count < requiredCount {
            let missing = syntax.operands[operands.count]
            throw ApusError.usage(
                problem: "apus \(syntax.name) needs \(missing.placeholder): \(missing.help).", cure: cure)
        }
        let takesMore = syntax.operands.last?.isRepeated ?? false
        if !takesMore, operands.count > syntax.operands.count {
            let word = operands[syntax.operands.count]
            throw ApusError.usage(problem: "apus \(syntax.name) cannot use the word '\(word)'.", cure: cure)
        }
    }

    private static func unknownOption(_ word: String, _ syntax: CommandSyntax) -> ApusError {
        let known = syntax.options.map { "--\($0.name)" } + ["--help"]
        return .unknownName(kind: "option", name: word, known: known)
    }
}
