import ApusCore
import Foundation

extension PublishedDataset {
    /// The four files in the user's folder.
    /// - Throws: `ApusError.file` where they are not all there.
    func idxFilesGiven(in folder: URL) throws -> [URL] {
        let places = try placesGiven(in: folder)
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

    /// What is wrong with a file in the place of `file` that was published, too, but as another one; `nil` where nobody
    /// is known to have published it.
    package func mistake(of checksum: String, inPlaceOf file: File) -> FileProblem? {
        for other in [self] + Self.all {
            guard let found = other.files.first(where: { $0.checksum == checksum }) else { continue }
            return .foreign(
                expected: "\(file.name) of \(title)",
                found: "\(found.name) of "
                    + (other.name == name ? "it" : "\(other.title), the data set \(other.name)"))
        }
        return nil
    }

    /// Reads the four files, two at a time: unpacking takes one core.
    func readIDX(_ places: [URL], source: DataSource, cache: URL) throws -> LoadedDataset {
        let contents = try ParallelReading.map(Array(zip(files, places))) { file, url in
            try UnpackedCache(folder: cache).read(url, published: file)
        }
        var warnings: [String] = []
        for (file, (url, content)) in zip(files, zip(places, contents)) where content.checksum != file.checksum {
            guard case .folder = source else {
                throw ApusError.file(path: url.path, .checksum(expected: file.checksum, found: content.checksum))
            }
            if let mistake = mistake(of: content.checksum, inPlaceOf: file) {
                throw ApusError.file(path: url.path, mistake)
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
