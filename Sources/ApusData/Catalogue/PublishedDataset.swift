import ApusCore

/// A data set that is published, and what is known of it.
public struct PublishedDataset: Sendable {
    /// One of its files.
    public struct File: Sendable {
        /// The name of the unpacked file.
        public let name: String
        /// The SHA-256 of the unpacked file.
        public let checksum: String
        /// The size of the unpacked file.
        public let byteCount: Int

        package init(name: String, checksum: String, byteCount: Int) {
            self.name = name
            self.checksum = checksum
            self.byteCount = byteCount
        }
    }

    /// One file that all others are published in, packed.
    public struct Archive: Sendable {
        public let name: String
        /// The SHA-256 of the archive itself.
        public let checksum: String
        /// The size of the archive itself.
        public let byteCount: Int

        package init(name: String, checksum: String, byteCount: Int) {
            self.name = name
            self.checksum = checksum
            self.byteCount = byteCount
        }
    }

    /// How the samples stand in the files.
    public enum Form: Sendable {
        /// Four IDX files: training images, training labels, test images, test labels; each is published by itself,
        /// packed by gzip.
        case idx
        /// Files of CIFAR-10's records, published in one tar archive; the last file holds the test samples.
        case cifar(Archive)
    }

    /// The word that names it on the command line, and its folder.
    public let name: String
    /// Its name in prose.
    public let title: String
    public let form: Form
    /// In the order that the form gives them.
    public let files: [File]
    /// Where its files are published, as addresses that end in a slash, in the order to try.
    public let homes: [String]
    /// Its licence and authors, in a line.
    public let licence: String
    /// What the labels mean, from 0.
    public let classNames: [String]
    /// Names of subfolders that other software keeps it in.
    let folderNames: [String]

    package init(
        name: String, title: String, form: Form, files: [File], homes: [String], licence: String, classNames: [String],
        folderNames: [String]
    ) {
        self.name = name
        self.title = title
        self.form = form
        self.files = files
        self.homes = homes
        self.licence = licence
        self.classNames = classNames
        self.folderNames = folderNames
    }

    public var classCount: Int { classNames.count }

    /// The shape of one image: `[height, width]` where grey, `[height, width, 3]` where coloured.
    public var imageShape: Shape {
        switch form {
        case .idx: [28, 28]
        case .cifar: [32, 32, 3]
        }
    }

    /// The data set called `name`.
    /// - Throws: `ApusError.unknownName`.
    public static func named(_ name: String) throws -> PublishedDataset {
        guard let found = all.first(where: { $0.name == name.lowercased() }) else {
            throw ApusError.unknownName(kind: "data set", name: name, known: all.map(\.name))
        }
        return found
    }
}
