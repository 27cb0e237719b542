import Apus
import ApusExperiments
import Foundation

/// Pictures of where a network sees its answers, one for each image.
package struct ExplanationPictures {
    package let folder: URL
    package let classNames: [String]

    package init(folder: URL, classNames: [String]) {
        self.folder = folder
        self.classNames = classNames
    }

    /// Draws each file's image beside its map, and says where that picture is.
    /// - Throws: `ApusError.file` with `.unwritable`.
    func draw(_ files: [String], _ images: [InputImage], _ explanations: [Explanation]) throws {
        try makeFolder(at: folder)
        for (index, name) in Self.names(for: files).enumerated() {
            try sheet(images[index].picture, explanations[index]).save(as: name, in: folder)
            try Console.line("\(files[index]): explained in \(folder.relativePath)/\(name).png and .svg")
        }
    }

    /// The picture beside the map over it.
    package func sheet(_ picture: Pixels, _ explanation: Explanation) throws -> ImageSheet {
        // A map over a few large squares would have edges that it has not.
        let fine = picture.repeated(max(1, Self.side / max(picture.height, picture.width)))
        let side = Double(Self.side)
        return try ImageSheet(
            rows: [
                [
                    .init(picture, caption: "image"),
                    .init(try explanation.overlay(on: fine), caption: explanation.caption(classNames)),
                ]
            ], tileSide: side)
    }

    private static let side = 256

    /// The files' own names without endings; those that come twice get numbers.
    package static func names(for files: [String]) -> [String] {
        var taken: Set<String> = []
        return files.map { file in
            let base = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
            var (name, number) = (base, 1)
            while !taken.insert(name).inserted {
                number += 1
                name = "\(base)-\(number)"
            }
            return name
        }
    }
}
