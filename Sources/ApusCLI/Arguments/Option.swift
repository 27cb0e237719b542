import ApusCore

/// An option of a command: its spelling, its help, and how its value is read.
package struct Option<Value: Sendable>: OptionSyntax {
    /// Without the leading hyphens, as in `batch-size`.
    package let name: String
    /// What stands for the value in help, as in `N`.
    package let placeholder: String?
    package let help: String
    /// What holds where the option is absent, in words; `nil` where nothing does.
    package let defaultText: String?
    /// Reads a value, or throws `InvalidValue`.
    let read: @Sendable (String) throws -> Value

    package func check(_ text: String) throws { _ = try read(text) }
}

/// What the parser and the help need to know of an option.
package protocol OptionSyntax: Sendable {
    var name: String { get }
    /// `nil` for an option without a value.
    var placeholder: String? { get }
    var help: String { get }
    var defaultText: String? { get }
    /// - Throws: `InvalidValue`, or an error that says all by itself.
    func check(_ text: String) throws
}

/// Why a value cannot be: what it must be.
struct InvalidValue: Error {
    let expected: String
}

extension Option where Value == Bool {
    /// An option without a value: there or not.
    package static func flag(_ name: String, help: String) -> Option {
        Option(name: name, placeholder: nil, help: help, defaultText: nil) { _ in true }
    }
}

extension Option where Value == Int {
    /// A whole number of a range.
    package static func integer(
        _ name: String, in range: ClosedRange<Int>, help: String, default defaultText: String?
    ) -> Option {
        Option(name: name, placeholder: "N", help: help, defaultText: defaultText) { text in
            guard let value = Int(text), range.contains(value) else {
                throw InvalidValue(expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }
}

extension Option where Value == UInt64 {
    /// A seed.
    package static func seed(_ name: String, help: String, default defaultText: String?) -> Option {
        Option(name: name, placeholder: "N", help: help, defaultText: defaultText) { text in
            guard let value = UInt64(text) else { throw InvalidValue(expected: "a whole number, 0 or more") }
            return value
        }
    }
}

extension Option where Value == Double {
    /// A finite number above 0.
    package static func positiveNumber(
        _ name: String, help: String, default defaultText: String?
    ) -> Option {
        Option(name: name, placeholder: "X", help: help, defaultText: defaultText) { text in
            guard let value = Double(text), value > 0, value.isFinite else {
                throw InvalidValue(expected: "a finite number above 0")
            }
            return value
        }
    }
}

extension Option where Value == String {
    /// A path.
    package static func path(_ name: String, _ placeholder: String, help: String, default text: String?) -> Option {
        Option(name: name, placeholder: placeholder, help: help, defaultText: text) { text in
            guard !text.isEmpty else { throw InvalidValue(expected: "a path") }
            return text
        }
    }

    /// One of a few words.
    package static func choice(_ name: String, of kind: String, _ known: [String], help: String, default text: String?)
        -> Option
    {
        Option(name: name, placeholder: "NAME", help: "\(help): \(known.joined(separator: ", "))", defaultText: text) {
            guard known.contains($0) else { throw ApusError.unknownName(kind: kind, name: $0, known: known) }
            return $0
        }
    }
}
