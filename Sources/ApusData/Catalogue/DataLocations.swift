import ApusCore
import Foundation

/// Where data sets are looked for.
public struct DataLocations: Sendable, Hashable {
    /// A folder given by the user (`--data`, `APUS_DATA`): then nothing else is looked at.
    public var folder: URL?
    /// Where fetched files are kept: `APUS_CACHE`, or `.cache/apus` in the home folder.
    public var cache: URL
    /// Where the system's packages put data sets.
    public var system: URL
    /// Whether files may be fetched; `APUS_OFFLINE=1` says no.
    public var usesNetwork: Bool

    public init(
        folder: URL? = nil, cache: URL, system: URL = URL(fileURLWithPath: "/usr/share/datasets"),
        usesNetwork: Bool = true
    ) {
        self.folder = folder
        self.cache = cache
        self.system = system
        self.usesNetwork = usesNetwork
    }

    /// The places that an environment names.
    ///
    /// - Parameters:
    ///   - folder: The path given with `--data`; it goes before `APUS_DATA`.
    ///   - environment: Default: the process'.
    public init(folder: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment) {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let home = value("HOME").map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory
        self.init(
            folder: (folder ?? value("APUS_DATA")).map { URL(fileURLWithPath: $0) },
            cache: value("APUS_CACHE").map { URL(fileURLWithPath: $0) } ?? home.appendingPathComponent(".cache/apus"),
            usesNetwork: value("APUS_OFFLINE").map { $0 == "0" } ?? true)
    }
}

/// Where a data set was found.
public enum DataSource: Sendable, Hashable {
    /// The folder that the user gave.
    case folder(URL)
    /// The cache of fetched files.
    case cache(URL)
    /// A package of the system.
    case system(URL)
    /// Fetched just now, into the cache.
    case network(URL)
    /// The part of MNIST inside the program.
    case builtIn
}

extension DataSource: CustomStringConvertible {
    public var description: String {
        switch self {
        case .folder(let url): url.path
        case .cache(let url): "\(url.path) (the cache)"
        case .system(let url): "\(url.path) (a package of the system)"
        case .network(let url): "the network, now in \(url.path)"
        case .builtIn: "the part inside this program"
        }
    }
}

/// A data set as it was loaded.
public struct LoadedDataset: Sendable {
    /// The samples to learn from: images uint8 (scaled to 0...1 in a batch), `[n, 28, 28]` or for CIFAR-10
    /// `[n, 32, 32, 3]`, and labels int32 `[n]`.
    public let train: Dataset
    /// The samples to test with, likewise.
    public let test: Dataset
    /// Where it was found.
    public let source: DataSource
    /// Sentences that the user should read.
    public let warnings: [String]
    public let classNames: [String]
}
