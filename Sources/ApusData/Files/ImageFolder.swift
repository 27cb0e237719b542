import ApusCore
import ApusImages
import Foundation

/// The image files of a folder that has a folder for each class, as in `cats/1.jpg`, `dogs/a/2.png`.
///
/// The classes are the folders' names in the order of their characters' codes. Their files count at any depth. Hidden
/// files, `Thumbs.db`, `desktop.ini` and files beside the classes' folders are passed over.
public struct ImageFolder: Sendable {
    public let url: URL
    /// The classes' names, from class 0.
    public let classNames: [String]
    /// The image files, class by class, in the order of their paths.
    public let files: [URL]
    /// The class of each file.
    public let labels: [Int32]

    /// What becomes of a picture's colours.
    public enum Colors: Sendable, Hashable {
        /// Three channels: red, green, blue.
        case rgb
        /// One channel: 0.299 R + 0.587 G + 0.114 B.
        case gray
    }

    /// Looks through a folder; no image is read.
    /// - Throws: `ApusError.file` where there is no folder, no folder of a class, or a class without files.
    public init(_ url: URL) throws {
        let manager = FileManager.default
        guard let isFolder = Self.isFolder(url) else { throw ApusError.file(path: url.path, .missing) }
        let expected = "a folder with a folder of images for each class"
        guard isFolder else { throw ApusError.file(path: url.path, .foreign(expected: expected, found: "a file")) }
        func names(in folder: URL) throws -> [String] {
            do {
                return try manager.contentsOfDirectory(atPath: folder.path).filter { !$0.hasPrefix(".") }.sorted()
            } catch {
                throw ApusError.file(path: folder.path, .unreadable(reason: error.localizedDescription))
            }
        }
        // A link to a folder may lead back to where it stands; each folder counts once for a class.
        func files(in folder: URL, _ seen: inout Set<String>) throws -> [URL] {
            guard seen.insert(folder.resolvingSymlinksInPath().path).inserted else { return [] }
            var found: [URL] = []
            for name in try names(in: folder) {
                let place = folder.appendingPathComponent(name)
                if Self.isFolder(place) == true {
                    found += try files(in: place, &seen)
                } else if !Self.strays.contains(name) {
                    found.append(place)
                }
            }
            return found
        }
        let classes = try names(in: url).filter { Self.isFolder(url.appendingPathComponent($0)) == true }
        guard !classes.isEmpty else {
            throw ApusError.file(path: url.path, .foreign(expected: expected, found: "no folder in it"))
        }
        var found: [URL] = []
        var labels: [Int32] = []
        for (label, name) in classes.enumerated() {
            let folder = url.appendingPathComponent(name)
            var seen: Set<String> = []
            let images = try files(in: folder, &seen)
            guard !images.isEmpty else {
                throw ApusError.file(
                    path: folder.path, .foreign(expected: "images of the class '\(name)'", found: "none"))
            }
            found += images
            labels += [Int32](repeating: Int32(label), count: images.count)
        }
        (self.url, classNames, self.files, self.labels) = (url, classes, found, labels)
    }

    /// What other systems leave in folders.
    private static let strays: Set<String> = ["Thumbs.db", "desktop.ini"]

    /// Whether there is a folder; `nil` where there is nothing.
    private static func isFolder(_ url: URL) -> Bool? {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) ? isFolder.boolValue : nil
    }

    /// Reads all images, on all cores: uint8 `[n, height, width, 3]` or `[n, height, width, 1]`, multiplied by 1/255 in
    /// a batch, and their classes, int32 `[n]`.
    ///
    /// - Parameters:
    ///   - size: What every image is brought to, whatever its proportions. Default: none is changed, and all must have
    ///     the same size.
    ///   - colors: Default `rgb`.
    /// - Throws: `ApusError.file` for the first file that is no image, is damaged or has another size than the first;
    ///   `ApusError.setting` for a size that cannot be.
    public func dataset(size: (height: Int, width: Int)? = nil, colors: Colors = .rgb) throws -> Dataset {
        let first = try pixels(of: files[0], size: size, colors: colors)
        let count = first.bytes.count
        let (total, isBeyond) = count.multipliedReportingOverflow(by: files.count)
        try MemoryLimit.check(isBeyond ? .max : total, path: url.path)
        let images = try NDArray(shape: [files.count, first.height, first.width, first.channelCount]) {
            (values: UnsafeMutableBufferPointer<UInt8>) in
            // Each image writes to a place of its own.
            nonisolated(unsafe) let values = values
            _ = try ParallelReading.map(Array(files.indices)) { index in
                let image = try pixels(of: files[index], size: size, colors: colors)
                guard (image.height, image.width) == (first.height, first.width) else {
                    throw ApusError.file(
                        path: files[index].path,
                        .foreign(
                            expected: "\(first.height) x \(first.width) pixels (height x width) as in "
                                + "\(files[0].path), or a size to bring all images to",
                            found: "\(image.height) x \(image.width)"))
                }
                _ = UnsafeMutableBufferPointer(rebasing: values[index * count..<(index + 1) * count])
                    .update(fromContentsOf: image.bytes)
            }
        }
        return try Dataset(
            inputs: [Dataset.Column(images, scale: 1 / 255, name: url.path)],
            targets: [Dataset.Column(NDArray(labels), name: url.path)], name: url.lastPathComponent, source: url.path)
    }

    private func pixels(of file: URL, size: (height: Int, width: Int)?, colors: Colors) throws -> Pixels {
        let image = try Pixels(contentsOf: file)
        let colored = colors == .gray ? image.gray : image.colored
        return try size.map { try colored.resized(height: $0.height, width: $0.width) } ?? colored
    }
}

extension Dataset {
    /// A data set of a folder that has a folder of images for each class; see `ImageFolder`, which also knows the
    /// classes' names.
    ///
    /// - Parameters:
    ///   - imageFolder: The folder.
    ///   - size: What every image is brought to. Default: all images must have the same size.
    ///   - colors: Default `rgb`.
    /// - Throws: As `ImageFolder.init(_:)` and `ImageFolder.dataset(size:colors:)`.
    public init(
        imageFolder: URL, size: (height: Int, width: Int)? = nil, colors: ImageFolder.Colors = .rgb
    ) throws {
        self = try ImageFolder(imageFolder).dataset(size: size, colors: colors)
    }
}
