import Foundation

/// Makes the folder `url` and those above it that are missing, and brings their names to the disk; what exists is left
/// alone. (Foundation would not say why it cannot.)
/// - Throws: `ApusError.file` with `.unwritable`, also where a file of that name is in the way.
package func makeFolder(at url: URL) throws { try makeFolder(at: url, depth: 0) }

private func makeFolder(at url: URL, depth: Int) throws {
    var code = mkdir(url.path, 0o777) == 0 ? 0 : errno
    let parent = url.deletingLastPathComponent()
    if code == ENOENT, depth < 64, parent.path != url.path {
        try makeFolder(at: parent, depth: depth + 1)
        code = mkdir(url.path, 0o777) == 0 ? 0 : errno
    }
    if code == EEXIST {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue { return }
        throw ApusError.file(path: url.path, .unwritable(reason: "a file of that name is in the way"))
    }
    guard code == 0 else {
        throw ApusError.file(path: url.path, .unwritable(reason: String(cString: strerror(code))))
    }
    try AtomicFile.syncFolder(of: url)
}
