/// The beginning of a text that comes from a file, for a message: at most `limit` characters (Unicode scalars), and
/// those that are not seen (line ends, a terminal's commands, changes of direction) by their numbers, as in `\u{1B}`.
package func excerpt(_ text: some StringProtocol, limit: Int = 64) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
        guard count < limit else { return result + "..." }
        count += 1
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
            result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}
