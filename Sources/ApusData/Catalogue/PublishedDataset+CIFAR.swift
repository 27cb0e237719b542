import ApusCore
import Foundation

extension PublishedDataset {
    /// Reads what the user's folder holds, which may be less than all: some of the files, each with any number of
    /// records, or the archive. The archive's own path may stand for the folder.
    /// - Throws: `ApusError.file` where there are no training or no test samples, or a file cannot be used.
    func readCIFAR(givenIn folder: URL, archive: Archive, cache: URL) throws -> LoadedDataset {
        if FileManager.default.fileExists(atPath: folder.path), folder.lastPathComponent.hasSuffix(".tar.gz") {
            return try readCIFAR(archive: folder, archive, source: .folder(folder), cache: cache)
        }
        let places = try placesGiven(in: folder)
        let lists = places.map { place in files.filter { fileHeld($0, in: place) != nil } }
        if let index = lists.firstIndex(where: { $0.count > 1 && $0.last?.name == files.last?.name }) {
            let urls = lists[index].map { places[index].appendingPathComponent($0.name) }
            return try readCIFAR(urls, source: .folder(folder))
        }
        let packed = folder.appendingPathComponent(archive.name)
        if FileManager.default.fileExists(atPath: packed.path) {
            return try readCIFAR(archive: packed, archive, source: .folder(folder), cache: cache)
        }
        let best = lists.max { $0.count < $1.count }?.map(\.name) ?? []
        let (first, last) = (files.first?.name ?? "", files.last?.name ?? "")
        throw ApusError.file(
            path: folder.path,
            .foreign(
                expected: "the files of \(title) (\(first) or more of them, and \(last); or \(archive.name)) here or "
                    + "in its folder \(name)",
                found: best.isEmpty ? "none of them" : "only \(best.joined(separator: ", "))"))
    }

    /// Reads files that lie unpacked; the last is the test samples'.
    func readCIFAR(_ places: [URL], source: DataSource) throws -> LoadedDataset {
        let contents = try ParallelReading.map(places) { try CIFARFile($0) }
        var warnings: [String] = []
        let others = zip(places, contents).filter { url, content in
            content.checksum != files.first { $0.name == url.lastPathComponent }?.checksum
        }
        if let (url, content) = others.first, case .folder = source {
            let names = others.map(\.0.lastPathComponent).joined(separator: ", ")
            warnings.append(
                others.count == 1
                    ? "\(url.path) is not the published file of \(title): its SHA-256 is \(content.checksum)."
                    : "\(names) in \(url.deletingLastPathComponent().path) are not the published files of \(title).")
        } else if let (url, content) = others.first {
            let published = files.first { $0.name == url.lastPathComponent }?.checksum ?? ""
            throw ApusError.file(path: url.path, .checksum(expected: published, found: content.checksum))
        }
        return try loaded(contents, names: places.map(\.lastPathComponent), source: source, warnings: warnings)
    }

    /// Reads the packed archive, by way of the cache: unpacking takes a second or two.
    private func readCIFAR(
        archive url: URL, _ archive: Archive, source: DataSource, cache: URL
    ) throws -> LoadedDataset {
        let checksum = try SHA256.hexadecimal(ofFileAt: url)
        let isPublished = checksum == archive.checksum
        let kept = cache.appendingPathComponent("unpacked").appendingPathComponent(checksum, isDirectory: true)
        if isPublished, let files = filesHeld(in: kept), let loaded = try? readCIFAR(files, source: source),
            loaded.warnings.isEmpty
        {
            return loaded
        }
        let found = try members(of: url)
        guard found.count > 1, found.last?.file.name == files.last?.name else {
            throw ApusError.file(
                path: url.path,
                .foreign(
                    expected: "an archive with the files of \(title)",
                    found: found.isEmpty ? "none of them" : "only \(found.map(\.file.name).joined(separator: ", "))"))
        }
        // A cache that cannot be written costs time, nothing else.
        if isPublished {
            for (file, bytes) in found {
                try? CacheFile.write(to: kept.appendingPathComponent(file.name)) { try $0.write(contentsOf: bytes) }
            }
        }
        let contents = try ParallelReading.map(found) { file, bytes in
            try CIFARFile(bytes, path: "\(url.path)/\(file.name)")
        }
        let warnings =
            isPublished ? [] : ["\(url.path) is not the published file of \(title): its SHA-256 is \(checksum)."]
        return try loaded(contents, names: found.map(\.file.name), source: source, warnings: warnings)
    }

    /// The published files that an archive holds, in their order.
    func members(of archive: URL) throws -> [(file: File, bytes: [UInt8])] {
        let reader = try ArchiveReader(archive, as: .tar)
        var bytes: [String: [UInt8]] = [:]
        while let entry = try reader.next() {
            let name = URL(fileURLWithPath: entry.name).lastPathComponent
            guard let file = files.first(where: { $0.name == name }) else { continue }
            bytes[name] = try reader.contents(of: entry, byteLimit: file.byteCount)
        }
        return files.compactMap { file in bytes[file.name].map { (file, $0) } }
    }

    private func loaded(
        _ contents: [CIFARFile], names: [String], source: DataSource, warnings: [String]
    ) throws -> LoadedDataset {
        func dataset(_ part: String, _ range: Range<Int>) throws -> Dataset {
            try Dataset(
                Array(contents[range]), names: Array(names[range]), name: "\(name) \(part)",
                source: "\(title), from \(source)")
        }
        let last = contents.count - 1
        return LoadedDataset(
            train: try dataset("train", 0..<last), test: try dataset("test", last..<last + 1), source: source,
            warnings: warnings, classNames: classNames)
    }
}
