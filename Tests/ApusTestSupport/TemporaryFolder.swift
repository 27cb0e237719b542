import Foundation

/// A new, empty folder for one test, removed with all that is in it when the value goes away.
package final class TemporaryFolder: Sendable {
    package let url: URL

    package init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    package var path: String { url.path(percentEncoded: false) }

    /// The place of `name` inside.
    package func file(_ name: String) -> URL { url.appending(path: name) }

    /// Writes a file of `bytes` and says where it is.
    @discardableResult
    package func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> URL {
        let place = file(name)
        try Data(bytes).write(to: place)
        return place
    }
}
