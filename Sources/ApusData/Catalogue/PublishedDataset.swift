import ApusCore

/// A data set that is published as IDX files, and what is known of it.
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

    /// The word that names it on the command line, and its folder.
    public let name: String
    /// Its name in prose.
    public let title: String
    public let trainingImages: File
    public let trainingLabels: File
    public let testImages: File
    public let testLabels: File
    /// Where its files are published, as addresses that end in a slash, in the order to try.
    public let homes: [String]
    /// Its licence and authors, in a line.
    public let licence: String
    /// What the labels mean, from 0.
    public let classNames: [String]
    /// Names of subfolders that other software keeps it in.
    let folderNames: [String]

    package init(
        name: String, title: String, trainingImages: File, trainingLabels: File, testImages: File, testLabels: File,
        homes: [String], licence: String, classNames: [String], folderNames: [String]
    ) {
        self.name = name
        self.title = title
        self.trainingImages = trainingImages
        self.trainingLabels = trainingLabels
        self.testImages = testImages
        self.testLabels = testLabels
        self.homes = homes
        self.licence = licence
        self.classNames = classNames
        self.folderNames = folderNames
    }

    public var files: [File] { [trainingImages, trainingLabels, testImages, testLabels] }
    public var classCount: Int { classNames.count }

    /// All that Apus knows.
    public static let all = [mnist, fashionMNIST]

    /// The data set called `name`.
    /// - Throws: `ApusError.unknownName`.
    public static func named(_ name: String) throws -> PublishedDataset {
        guard let found = all.first(where: { $0.name == name.lowercased() }) else {
            throw ApusError.unknownName(kind: "data set", name: name, known: all.map(\.name))
        }
        return found
    }

    /// 70,000 handwritten digits, 28 x 28 grey pixels.
    public static let mnist = PublishedDataset(
        name: "mnist", title: "MNIST",
        trainingImages: File(
            name: "train-images-idx3-ubyte",
            checksum: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", byteCount: 47_040_016),
        trainingLabels: File(
            name: "train-labels-idx1-ubyte",
            checksum: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", byteCount: 60_008),
        testImages: File(
            name: "t10k-images-idx3-ubyte",
            checksum: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", byteCount: 7_840_016),
        testLabels: File(
            name: "t10k-labels-idx1-ubyte",
            checksum: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", byteCount: 10_008),
        homes: [
            "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        licence: "CC BY-SA 3.0, by Yann LeCun, Corinna Cortes and Christopher J.C. Burges",
        classNames: (0...9).map { "\($0)" }, folderNames: ["mnist", "MNIST", "MNIST/raw"])

    /// 70,000 pictures of clothing in the form of MNIST.
    ///
    /// The checksums are those of the files that Debian's package dataset-fashion-mnist holds; their packed form
    /// differs from the published one in the gzip header alone, with which it has the published MD5 sums.
    ///
    /// Source: Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking, 2017.
    public static let fashionMNIST = PublishedDataset(
        name: "fashion-mnist", title: "Fashion-MNIST",
        trainingImages: File(
            name: "train-images-idx3-ubyte",
            checksum: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", byteCount: 47_040_016),
        trainingLabels: File(
            name: "train-labels-idx1-ubyte",
            checksum: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", byteCount: 60_008),
        testImages: File(
            name: "t10k-images-idx3-ubyte",
            checksum: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", byteCount: 7_840_016),
        testLabels: File(
            name: "t10k-labels-idx1-ubyte",
            checksum: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", byteCount: 10_008),
        homes: [
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        licence: "MIT, by Zalando SE",
        classNames: [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ],
        folderNames: ["fashion-mnist", "FashionMNIST", "FashionMNIST/raw"])
}
