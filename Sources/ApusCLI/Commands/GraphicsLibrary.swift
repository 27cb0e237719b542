import Foundation

/// One of the libraries that drive a GPU, looked for at run time.
struct GraphicsLibrary {
    let title: String
    /// Newest first.
    let files: [String]
    /// The function that tells the version, and how.
    let version: @Sendable (UnsafeMutableRawPointer) -> String?

    /// The first file that opens, and its version.
    func find() -> (file: String, version: String?)? {
        for file in files {
            guard let handle = dlopen(file, RTLD_NOW | RTLD_LOCAL) else { continue }
            defer { dlclose(handle) }
            return (file, version(handle))
        }
        return nil
    }

    static let all = [
        GraphicsLibrary(
            title: "CUDA driver", files: ["libcuda.so.1"],
            version: { handle in
                // cuDriverGetVersion(int *): 1000 major + 10 minor.
                dlsym(handle, "cuDriverGetVersion").flatMap { symbol in
                    typealias Call = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
                    var number: Int32 = 0
                    guard unsafeBitCast(symbol, to: Call.self)(&number) == 0 else { return nil }
                    return "\(number / 1_000).\(number % 1_000 / 10)"
                }
            }),
        GraphicsLibrary(
            title: "NVRTC", files: ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
            version: { handle in
                // nvrtcVersion(int *, int *): major and minor.
                dlsym(handle, "nvrtcVersion").flatMap { symbol in
                    typealias Call =
                        @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
                    var (major, minor): (Int32, Int32) = (0, 0)
                    guard unsafeBitCast(symbol, to: Call.self)(&major, &minor) == 0 else { return nil }
                    return "\(major).\(minor)"
                }
            }),
        GraphicsLibrary(
            title: "cuBLASLt", files: ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
            // cublasLtGetVersion(): 10000 major + 100 minor + patch.
            version: { number("cublasLtGetVersion", in: $0).map { dotted($0, 10_000, 100) } }),
        GraphicsLibrary(
            title: "cuDNN", files: ["libcudnn.so.9", "libcudnn.so.8", "libcudnn.so"],
            // cudnnGetVersion(): from version 9 as cuBLASLt's, before 1000 major + 100 minor + patch.
            version: { number("cudnnGetVersion", in: $0).map { dotted($0, $0 >= 90_000 ? 10_000 : 1_000, 100) } }),
    ]

    private static func number(_ function: String, in handle: UnsafeMutableRawPointer) -> Int? {
        typealias Call = @convention(c) () -> Int
        return dlsym(handle, function).map { unsafeBitCast($0, to: Call.self)() }
    }

    private static func dotted(_ number: Int, _ major: Int, _ minor: Int) -> String {
        "\(number / major).\(number % major / minor).\(number % minor)"
    }
}
