import Foundation

/// The documents of the repository, as their readers see them.
enum Documents {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A file's text, by its path from the repository's root.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The contents of the fenced blocks of a document that are marked with `language`, without the fences.
    static func blocks(_ language: String, of path: String) throws -> [String] {
        var blocks: [String] = []
        var block: [Substring]?
        var fence: Substring = ""
        for line in try text(path).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                if let lines = block, fence == "```\(language)" { blocks.append(lines.joined(separator: "\n") + "\n") }
                (fence, block) = block == nil ? (line, []) : ("", nil)
            } else {
                block?.append(line)
            }
        }
        return blocks
    }
}
