import ApusCore
import Foundation

extension Dataset {
    /// A data set of two IDX files, plain or gzip: images `[n, ...]` and their labels `[n]`.
    ///
    /// - Parameters:
    ///   - images: The inputs.
    ///   - labels: Whole numbers, which become the int32 target.
    ///   - classCount: Labels are checked to be in `0..<classCount`.
    ///   - scale: What the inputs are multiplied by in a batch. Default 1/255.
    /// - Throws: `ApusError.file` for a file that cannot be used or does not fit the other, `ApusError.label`.
    public init(imagesAt images: URL, labelsAt labels: URL, classCount: Int, scale: Float = 1 / 255) throws {
        try self.init(
            images: IDXFile(contentsOf: images), at: images.path, labels: IDXFile(contentsOf: labels), at: labels.path,
            classCount: classCount, scale: scale, name: images.lastPathComponent,
            source: "\(images.path) and \(labels.path)")
    }

    init(
        images: IDXFile, at imagesPath: String, labels: IDXFile, at labelsPath: String, classCount: Int, scale: Float,
        name: String, source: String
    ) throws {
        guard images.values.shape.rank >= 2 else {
            throw ApusError.file(
                path: imagesPath,
                .foreign(expected: "samples of one axis or more", found: "an array of shape \(images.values.shape)"))
        }
        guard labels.values.shape.rank == 1, [.uint8, .int32].contains(labels.values.elementType) else {
            throw ApusError.file(
                path: labelsPath,
                .foreign(
                    expected: "labels, whole numbers along one axis",
                    found: "\(labels.values.elementType.rawValue) of shape \(labels.values.shape)"))
        }
        let (imageCount, labelCount) = (images.values.shape[0], labels.values.shape[0])
        guard imageCount == labelCount else {
            throw ApusError.file(
                path: labelsPath,
                .damaged(reason: "it holds \(labelCount) labels, but \(imagesPath) holds \(imageCount) images"))
        }
        let isInteger = images.values.elementType == .int32
        let inputs = isInteger ? images.values.converted(to: .float32) : images.values
        try self.init(
            inputs: [Column(inputs, scale: scale, name: imagesPath)],
            targets: [Column(labels.values.converted(to: .int32), name: labelsPath)], name: name, source: source,
            checksums: [
                Self.publishedName(imagesPath): images.checksum, Self.publishedName(labelsPath): labels.checksum,
            ])
        try checkLabels(classCount: classCount)
    }

    /// A path's last part, without the ending of a packed file: the checksum is that of the unpacked bytes.
    private static func publishedName(_ path: String) -> String {
        let name = URL(fileURLWithPath: path).lastPathComponent
        return name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
    }
}
