import Apus
import Foundation

/// `apus data fetch NAME`: fetches a data set into the cache.
struct DataFetchCommand: Command {
    let syntax = CommandSyntax(
        "data fetch", summary: "Fetch a data set from its public home, check it and keep it in the cache",
        operands: [.init("NAME", help: "the data set: \(PublishedDataset.all.map(\.name).joined(separator: ", "))")],
        notes: "The cache is the folder APUS_CACHE names, or ~/.cache/apus.")

    func run(_ arguments: Arguments) throws {
        let dataset = try PublishedDataset.named(arguments.operands[0])
        let reporter = FetchReporter()
        let folder = try dataset.fetch(progress: reporter.callAsFunction)
        reporter.finish()
        try Console.line("\(dataset.title) is in \(folder.path). Licence: \(dataset.licence).")
    }
}

/// `apus data list`: the data sets, and where each would be read from.
struct DataListCommand: Command {
    let syntax = CommandSyntax("data list", summary: "List the data sets and where they are read from")

    func run(_ arguments: Arguments) throws {
        let locations = DataLocations()
        let rows = PublishedDataset.all.map { dataset in
            ("\(dataset.name)", "\(dataset.place(in: locations).text) Licence: \(dataset.licence).")
        }
        try Console.line(Help.table(rows))
    }
}

extension PublishedDataset {
    /// Where it would be read from now, without reading or fetching it, and whether all of it is there.
    func place(in locations: DataLocations) -> (text: String, isComplete: Bool) {
        if let folder = locations.folder {
            let places = (try? placesGiven(in: folder)) ?? []
            return places.contains { filesHeld(in: $0) != nil }
                ? ("Read from \(folder.path), as APUS_DATA says.", true)
                : ("Not all in \(folder.path), where APUS_DATA has it looked for.", false)
        }
        let cached = cacheFolder(in: locations)
        if filesHeld(in: cached) != nil { return ("Read from \(cached.path), the cache.", true) }
        let system = locations.system.appendingPathComponent(name)
        if filesHeld(in: system) != nil { return ("Read from \(system.path), a package of the system.", true) }
        let fallback = name == PublishedDataset.mnist.name ? ", or else the part inside this program is used" : ""
        if locations.usesNetwork { return ("Not here; it is fetched when it is needed\(fallback).", false) }
        return ("Not here, and APUS_OFFLINE is set\(fallback).", false)
    }
}

/// Says how far the fetching of files has come: on a terminal in one line, else a line a file.
final class FetchReporter: Sendable {
    func callAsFunction(_ progress: FetchProgress) {
        let file = "fetching \(progress.file) (\(progress.fileIndex + 1) of \(progress.fileCount))"
        if Console.errorIsTerminal {
            let part = progress.expectedByteCount.map { " of \($0 / 1_000)" } ?? ""
            Console.status("\(file): \(progress.byteCount / 1_000)\(part) kB")
        } else if progress.byteCount == 0 {
            Console.report(file)
        }
    }

    func finish() { Console.status("") }
}
