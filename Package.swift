// swift-tools-version: 6.0
import PackageDescription

// Set by Fuzz/run, which needs the program as a library: the fuzzer brings a main function of its own.
let isFuzzing = Context.environment["APUS_FUZZ"] != nil

let program: Target =
    isFuzzing
    ? .target(
        name: "ApusCLI", dependencies: ["ApusExperiments"],
        swiftSettings: [.unsafeFlags(["-Xfrontend", "-entry-point-function-name", "-Xfrontend", "apus_main"])])
    : .executableTarget(name: "ApusCLI", dependencies: ["ApusExperiments"])

// Arrows between targets point down only; see docs/architecture.md.
let package = Package(
    name: "Apus",
    platforms: [.macOS(.v15)],
    products: [
        // All that `Apus` hands on, for the reason at the end of this file.
        .library(
            name: "Apus",
            targets: [
                "Apus", "ApusCPU", "ApusCore", "ApusData", "ApusGraph", "ApusImages", "ApusNN", "ApusPictures",
                "ApusPlan", "ApusTrain",
            ]),
        .executable(name: "apus", targets: ["ApusCLI"]),
    ],
    targets: [
        // The system's libraries, one target each.
        .systemLibrary(
            name: "COneDNN", providers: [.apt(["libdnnl-dev"]), .brew(["onednn"])]),
        .systemLibrary(
            name: "CArchive", pkgConfig: "libarchive",
            providers: [.apt(["libarchive-dev"]), .brew(["libarchive"])]),
        .systemLibrary(
            name: "CCairo", pkgConfig: "cairo",
            providers: [.apt(["libcairo2-dev"]), .brew(["cairo"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),

        .systemLibrary(
            name: "CJPEG", pkgConfig: "libjpeg",
            providers: [.apt(["libjpeg-dev"]), .brew(["jpeg-turbo"])]),

        // C: oneDNN's two interfaces behind one, and our own loops.
        // (A module map's `link` speaks to Swift importers only, so a C target names its library itself.)
        .target(
            name: "CApusKernels", dependencies: ["COneDNN"],
            linkerSettings: [.linkedLibrary("dnnl")]),
        // libjpeg, whose errors are long jumps.
        .target(name: "CApusJPEG", dependencies: ["CJPEG"], linkerSettings: [.linkedLibrary("jpeg")]),
        // Batches of a data set's rows.
        .target(name: "CApusGather"),
        .target(name: "CSampleData", exclude: ["NOTICE", "make-sample.py", "mnist-sample.gz"]),

        // Values, random numbers, errors.
        .target(name: "ApusCore"),
        // Tensors, operations, gradients, the reference executor.
        .target(name: "ApusGraph", dependencies: ["ApusCore"]),
        // From a graph to a list of steps with memory.
        .target(name: "ApusPlan", dependencies: ["ApusGraph"]),
        .target(name: "ApusCPU", dependencies: ["ApusPlan", "CApusKernels"]),
        // Layers, models, initialisers.
        .target(name: "ApusNN", dependencies: ["ApusGraph"]),
        // Rasters, image files.
        .target(name: "ApusImages", dependencies: ["ApusCore", "CCairo", "CApusJPEG"]),
        .target(name: "ApusData", dependencies: ["ApusImages", "CArchive", "CCrypto", "CApusGather", "CSampleData"]),
        .target(name: "ApusPictures", dependencies: ["ApusImages", "CCairo"]),
        .target(name: "ApusTrain", dependencies: ["ApusNN", "ApusPlan", "ApusData"]),
        // What users import.
        .target(name: "Apus", dependencies: ["ApusTrain", "ApusCPU", "ApusPictures"]),
        .target(name: "ApusExperiments", dependencies: ["Apus"]),
        program,
        // The program in the README.
        .executableTarget(name: "FirstProgram", dependencies: ["Apus"], path: "Examples/first-program"),
        // More examples; they see what any user sees.
        .executableTarget(name: "DigitGAN", dependencies: ["Apus"], path: "Examples/gan", packageAccess: false),
        .executableTarget(
            name: "ResidualNetwork", dependencies: ["Apus"], path: "Examples/residual-network", packageAccess: false),
        .executableTarget(
            name: "SortingTransformer", dependencies: ["Apus"], path: "Examples/transformer", packageAccess: false),
        .executableTarget(
            name: "TextClassifier", dependencies: ["Apus"], path: "Examples/text-classifier", packageAccess: false),
        .executableTarget(
            name: "Forecasting", dependencies: ["Apus"], path: "Examples/forecasting", packageAccess: false),
        .executableTarget(
            name: "TransferLearning", dependencies: ["Apus"], path: "Examples/transfer-learning",
            packageAccess: false),

        // Memory over a long time; see Benchmarks/soak.
        .executableTarget(name: "Soak", dependencies: ["ApusExperiments"], path: "Benchmarks/Soak"),

        // The readers of files as fuzzing and its tests see them.
        .target(
            name: "FuzzTargets", dependencies: ["ApusTrain", "ApusPictures"], path: "Fuzz/Targets"),

        .target(name: "ApusTestSupport", dependencies: ["ApusGraph"], path: "Tests/ApusTestSupport"),
        .testTarget(name: "ApusCoreTests", dependencies: ["ApusCore", "ApusTestSupport"]),
        .testTarget(name: "ApusGraphTests", dependencies: ["ApusGraph", "ApusTestSupport"]),
        .testTarget(name: "ApusPlanTests", dependencies: ["ApusPlan", "ApusTestSupport"]),
        .testTarget(name: "ApusCPUTests", dependencies: ["ApusCPU", "ApusCore", "CApusKernels", "ApusTestSupport"]),
        .testTarget(name: "ApusNNTests", dependencies: ["ApusNN", "ApusTestSupport"]),
        .testTarget(name: "ApusImagesTests", dependencies: ["ApusImages", "ApusTestSupport"], exclude: ["Data"]),
        .testTarget(name: "ApusDataTests", dependencies: ["ApusData", "ApusTestSupport"], exclude: ["Data"]),
        .testTarget(name: "ApusPicturesTests", dependencies: ["ApusPictures", "ApusTestSupport"]),
        .testTarget(name: "ApusTrainTests", dependencies: ["Apus", "ApusTestSupport"]),
        .testTarget(
            name: "ApusTests", dependencies: ["Apus", "ApusTestSupport"],
            exclude: ["LayerAgreement/make-layer-agreement.py", "LayerAgreement/pytorch-2.15.0.safetensors"]),
        .testTarget(
            name: "ApusCLITests", dependencies: ["ApusCLI", "ApusExperiments", "ApusTestSupport", "FuzzTargets"]),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "ApusTestSupport"]),
        .testTarget(
            name: "ExampleTests",
            dependencies: [
                "Apus", "FirstProgram", "DigitGAN", "ResidualNetwork", "SortingTransformer", "TextClassifier",
                "Forecasting", "TransferLearning", "ApusTestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)

if isFuzzing {
    package.products = [.executable(name: "fuzz", targets: ["Fuzz"])]
    package.targets.removeAll { $0.type == .test || $0.type == .executable }
    package.targets.append(
        .executableTarget(name: "Fuzz", dependencies: ["FuzzTargets", "ApusCLI"], path: "Fuzz/Driver"))
}

// SwiftPM compiles a target again only after those that it names have changed, and a target in between whose interface
// stays the same passes nothing on: a change of an enum's layout would leave the code of those above it as it was. So
// every target names all that is below it.
let named = Dictionary(
    uniqueKeysWithValues: package.targets.map { target in
        let names = target.dependencies.compactMap { dependency in
            if case .byNameItem(let name, _) = dependency { name } else { nil }
        }
        return (target.name, Set(names))
    })
for target in package.targets {
    var names = named[target.name] ?? []
    while true {
        let more = names.reduce(names) { $0.union(named[$1] ?? []) }
        if more == names { break }
        names = more
    }
    target.dependencies = names.sorted().map { .byName(name: $0) }
}
