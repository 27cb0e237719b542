/// What is put right in cairo's SVG documents.
package enum SVGText {
    /// The same document, with
    /// - identifiers numbered by first appearance: cairo's come from a counter of the whole process, and the same
    ///   picture would differ from one time to the next;
    /// - images marked to be shown with sharp pixels: cairo 1.16 does not pass that on.
    package static func normalized(_ document: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(document.count + document.count / 8)
        var names: [ArraySlice<UInt8>: Int] = [:]
        var index = 0

        func hasText(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard index + count <= document.count else { return false }
            for offset in 0..<count where document[index + offset] != text.utf8Start[offset] { return false }
            return true
        }

        while index < document.count {
            let byte = document[index]
            // Neither quotes nor # occur in the base64 text of images, so that these places are identifiers only.
            let prefixCount =
                byte == UInt8(ascii: "i") && hasText("id=\"")
                ? 4
                : byte == UInt8(ascii: "\"") && hasText("\"#")
                    ? 2 : byte == UInt8(ascii: "(") && hasText("(#") ? 2 : 0
            if prefixCount > 0 {
                let start = index + prefixCount
                let end =
                    document[start...].firstIndex { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: ")") }
                    ?? document.count
                result += document[index..<start]
                let number = names[document[start..<end]] ?? names.count
                names[document[start..<end]] = number
                result += Array("n\(number)".utf8)
                index = end
            } else if byte == UInt8(ascii: "<"), hasText("<image ") {
                result += Array("<image style=\"image-rendering:pixelated\" ".utf8)
                index += 7
            } else {
                result.append(byte)
                index += 1
            }
        }
        return result
    }
}
