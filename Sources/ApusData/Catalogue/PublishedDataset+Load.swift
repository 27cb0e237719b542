import ApusCore
import Foundation

extension LoadedDataset {
    /// Loads a published data set from the first place that has it: the user's folder (then there or nowhere), the
    /// cache, the system's packages, the network, and for MNIST at last the part inside the program.
    ///
    /// - Parameters:
    ///   - name: `mnist` or `fashion-mnist`.
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
            let files = try filesGiven(in: folder)
            return try read(files, source: .folder(folder), cache: locations.cache)
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

    // MARK: Finding files

    /// The four files where all of them are in `folder`: plain or gzip, with a hyphen or a dot before `idx`.
    package func filesHeld(in folder: URL) -> [URL]? {
        let found = files.compactMap { fileHeld($0, in: folder) }
        return found.count == files.count ? found : nil
    }

    private func fileHeld(_ file: File, in folder: URL) -> URL? {
        let spellings = [file.name, file.name.replacingOccurrences(of: "-idx", with: ".idx")]
        return spellings.flatMap { [$0, $0 + ".gz"] }.lazy
            .map { folder.appendingPathComponent($0) }
            .first { FileManager.default.fileExists(atPath: $0.path) }
    }

    private func filesGiven(in folder: URL) throws -> [URL] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) else {
            throw ApusError.file(path: folder.path, .missing)
        }
        guard isFolder.boolValue else {
            throw ApusError.file(
                path: folder.path, .foreign(expected: "a folder with the files of \(title)", found: "a file"))
        }
        let places = [folder] + folderNames.map { folder.appendingPathComponent($0) }
        if let found = places.lazy.compactMap({ filesHeld(in: $0) }).first { return found }
        let lists = places.map { place in files.filter { fileHeld($0, in: place) != nil }.map(\.name) }
        let best = lists.max { $0.count < $1.count } ?? []
        throw ApusError.file(
            path: folder.path,
            .foreign(
                expected:
                    "the files of \(title) (\(files.map(\.name).joined(separator: ", ")); plain or .gz) here or in "
                    + "its folder \(name)",
                found: best.isEmpty ? "none of them" : "only \(best.joined(separator: ", "))"))
    }

    // MARK: Reading files

    /// Reads the four files, two at a time: unpacking takes one core.
    private func read(_ places: [URL], source: DataSource, cache: URL) throws -> LoadedDataset {
        let contents = try ParallelReading.map(Array(zip(files, places))) { file, url in
            try UnpackedCache(folder: cache).read(url, published: file)
        }
        var warnings: [String] = []
        for (file, (url, content)) in zip(files, zip(places, contents)) where content.checksum != file.checksum {
            guard case .folder = source else {
                throw ApusError.file(path: url.path, .checksum(expected: file.checksum, found: content.checksum))
            }
            warnings.append("\(url.path) is not the published file of \(title): its SHA-256 is \(content.checksum).")
        }
        func dataset(_ part: String, _ images: Int, _ labels: Int) throws -> Dataset {
            try Dataset(
                images: contents[images], at: places[images].path, labels: contents[labels], at: places[labels].path,
                classCount: classCount, scale: 1 / 255, name: "\(name) \(part)", source: "\(title), from \(source)")
        }
        let (train, test) = (try dataset("train", 0, 1), try dataset("test", 2, 3))
        guard train.inputs[0].sampleShape == test.inputs[0].sampleShape else {
            throw ApusError.file(
                path: places[2].path,
                .damaged(
                    reason: "its samples have the shape \(test.inputs[0].sampleShape), those of \(places[0].path) "
                        + "\(train.inputs[0].sampleShape)"))
        }
        return LoadedDataset(train: train, test: test, source: source, warnings: warnings, classNames: classNames)
    }
}
