import ApusCore
import Foundation

extension LoadedDataset {
    /// Loads a published data set from the first place that has it: the user's folder (then there or nowhere), the
    /// cache, the system's packages, the network, and for MNIST at last the part inside the program.
    ///
    /// - Parameters:
    ///   - name: `mnist`, `fashion-mnist` or `cifar10`.
    ///   - locations: Default: the places that the process' environment names.
    ///   - progress: Called while files are fetched.
    /// - Throws: `ApusError.unknownName`, `.file`, `.label`, `.download`.
    public static func load(
        _ name: String, from locations: DataLocations = DataLocations(),
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in }
    ) throws -> LoadedDataset {
        try PublishedDataset.named(name).load(from: locations, fetcher: .network, progress: progress)
    }
}

extension PublishedDataset {
    package func load(
        from locations: DataLocations, fetcher: Fetcher,
        progress: @escaping @Sendable (FetchProgress) -> Void = { _ in }
    ) throws -> LoadedDataset {
        if let folder = locations.folder {
            return switch form {
            case .idx: try readIDX(idxFilesGiven(in: folder), source: .folder(folder), cache: locations.cache)
            case .cifar(let archive): try readCIFAR(givenIn: folder, archive: archive, cache: locations.cache)
            }
        }
        let cached = cacheFolder(in: locations)
        if let files = filesHeld(in: cached) { return try read(files, source: .cache(cached), cache: locations.cache) }
        let system = locations.system.appendingPathComponent(name, isDirectory: true)
        if let files = filesHeld(in: system) { return try read(files, source: .system(system), cache: locations.cache) }
        do {
            try fetch(into: locations, fetcher: fetcher, progress: progress)
        } catch let problem as ApusError {
            // Wrong bytes from a published home are not to be passed over.
            if case .file(_, .checksum) = problem { throw problem }
            guard name == Self.mnist.name else { throw problem }
            return try BuiltInSample.load(because: "\(problem)")
        }
        let fetched = files.map { cached.appendingPathComponent($0.name) }
        return try read(fetched, source: .network(cached), cache: locations.cache)
    }

    package func cacheFolder(in locations: DataLocations) -> URL {
        locations.cache.appendingPathComponent(name, isDirectory: true)
    }

    /// All files where all of them are in `folder`, in their order.
    package func filesHeld(in folder: URL) -> [URL]? {
        let found = files.compactMap { fileHeld($0, in: folder) }
        return found.count == files.count ? found : nil
    }

    /// The file in `folder`; one in IDX form plain or gzip, with a hyphen or a dot before `idx`.
    func fileHeld(_ file: File, in folder: URL) -> URL? {
        let names =
            switch form {
            case .idx:
                [file.name, file.name.replacingOccurrences(of: "-idx", with: ".idx")].flatMap { [$0, $0 + ".gz"] }
            case .cifar: [file.name]
            }
        return names.lazy.map { folder.appendingPathComponent($0) }
            .first { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// The user's folder and those in it that may hold the files.
    /// - Throws: `ApusError.file` where there is no folder.
    package func placesGiven(in folder: URL) throws -> [URL] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) else {
            throw ApusError.file(path: folder.path, .missing)
        }
        guard isFolder.boolValue else {
            throw ApusError.file(
                path: folder.path, .foreign(expected: "a folder with the files of \(title)", found: "a file"))
        }
        return [folder] + folderNames.map { folder.appendingPathComponent($0) }
    }

    /// Reads files that must be the published ones.
    private func read(_ places: [URL], source: DataSource, cache: URL) throws -> LoadedDataset {
        switch form {
        case .idx: try readIDX(places, source: source, cache: cache)
        case .cifar: try readCIFAR(places, source: source)
        }
    }
}
