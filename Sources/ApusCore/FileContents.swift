import Foundation

/// All bytes of the file at `url`, which may have `byteLimit` at most: by default as many as memory has room for.
/// - Throws: `ApusError.file` with `.missing`, or with `.unreadable` in the system's own words; also for a folder and
///   for a file above the limit, before more than that is held.
package func contents(of url: URL, byteLimit: Int = MemoryLimit.byteCount) throws -> Data {
    func failure() -> ApusError {
        .file(path: url.path, errno == ENOENT ? .missing : .unreadable(reason: String(cString: strerror(errno))))
    }
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw failure() }
    let tooLarge = ApusError.file(path: url.path, .unreadable(reason: "it has more than \(byteLimit) bytes"))
    // What a file without contents on the disk says of its size may be anything.
    guard information.st_size <= byteLimit else { throw tooLarge }
    var bytes = Data()
    // One byte more than the file has, so that its end is found without growing.
    bytes.reserveCapacity(Int(information.st_size) + 1)
    var block = [UInt8](repeating: 0, count: 1 << 18)
    while true {
        let count = read(descriptor, &block, block.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw failure() }
        if count == 0 { return bytes }
        guard count <= byteLimit - bytes.count else { throw tooLarge }
        bytes.append(contentsOf: block[..<count])
    }
}
