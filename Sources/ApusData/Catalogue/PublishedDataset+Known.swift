extension PublishedDataset {
    /// All that Apus knows.
    public static let all = [mnist, fashionMNIST, cifar10]

    /// 70,000 handwritten digits, 28 x 28 grey pixels.
    public static let mnist = PublishedDataset(
        name: "mnist", title: "MNIST", form: .idx,
        files: [
            File(
                name: "train-images-idx3-ubyte",
                checksum: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", byteCount: 47_040_016),
            File(
                name: "train-labels-idx1-ubyte",
                checksum: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", byteCount: 60_008),
            File(
                name: "t10k-images-idx3-ubyte",
                checksum: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", byteCount: 7_840_016),
            File(
                name: "t10k-labels-idx1-ubyte",
                checksum: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", byteCount: 10_008),
        ],
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
        name: "fashion-mnist", title: "Fashion-MNIST", form: .idx,
        files: [
            File(
                name: "train-images-idx3-ubyte",
                checksum: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", byteCount: 47_040_016),
            File(
                name: "train-labels-idx1-ubyte",
                checksum: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", byteCount: 60_008),
            File(
                name: "t10k-images-idx3-ubyte",
                checksum: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", byteCount: 7_840_016),
            File(
                name: "t10k-labels-idx1-ubyte",
                checksum: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", byteCount: 10_008),
        ],
        homes: [
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        licence: "MIT, by Zalando SE",
        classNames: [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ],
        folderNames: ["fashion-mnist", "FashionMNIST", "FashionMNIST/raw"])

    /// 60,000 colour photographs, 32 x 32 pixels, of ten kinds of things; the binary version.
    ///
    /// Checksum and size of the archive are those that TensorFlow Datasets publishes, the files' those of the Ruby
    /// package torchvision.
    ///
    /// Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    public static let cifar10 = PublishedDataset(
        name: "cifar10", title: "CIFAR-10",
        form: .cifar(
            Archive(
                name: "cifar-10-binary.tar.gz",
                checksum: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", byteCount: 170_052_171)),
        files: [
            ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
            ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
            ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
            ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
            ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
            ("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
        ].map { File(name: $0.0, checksum: $0.1, byteCount: 30_730_000) },
        homes: ["https://www.cs.toronto.edu/~kriz/"],
        licence: "none is stated; by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, who ask to be cited",
        classNames: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
        folderNames: ["cifar10", "cifar-10-batches-bin", "cifar-10", "CIFAR10"])
}
