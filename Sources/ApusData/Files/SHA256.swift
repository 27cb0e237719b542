import ApusCore
import CCrypto
import Foundation

/// The SHA-256 checksum, computed by OpenSSL's libcrypto.
///
/// Source: FIPS 180-4, Secure Hash Standard.
public enum SHA256 {
    /// The checksum of `bytes` as 64 hexadecimal digits.
    /// - Throws: `ApusError.library` where libcrypto fails.
    public static func hexadecimal(of bytes: UnsafeRawBufferPointer) throws -> String {
        try hexadecimal(ofParts: [bytes])
    }

    /// The checksum of `bytes` as 64 hexadecimal digits.
    /// - Throws: `ApusError.library` where libcrypto fails.
    public static func hexadecimal(of bytes: [UInt8]) throws -> String {
        try bytes.withUnsafeBytes { try hexadecimal(of: $0) }
    }

    /// The checksum of a file, which is not held in memory for it.
    static func hexadecimal(ofFileAt url: URL) throws -> String {
        let file = try InputFile(url)
        var block = [UInt8](repeating: 0, count: 1 << 18)
        return try hexadecimal { update in
            while true {
                let count = read(file.descriptor, &block, block.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else {
                    throw ApusError.file(path: file.path, .unreadable(reason: String(cString: strerror(errno))))
                }
                if count == 0 { return }
                try block.withUnsafeBytes { try update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            }
        }
    }

    /// The checksum of several stretches of memory read as one.
    static func hexadecimal(ofParts parts: [UnsafeRawBufferPointer]) throws -> String {
        try hexadecimal { update in
            for part in parts { try update(part) }
        }
    }

    /// The checksum of what `body` hands over, part by part.
    private static func hexadecimal(_ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: try digest(body).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The 32 bytes of the checksum of what `body` hands over, part by part.
    /// - Throws: `ApusError.library` where libcrypto fails, and what `body` throws.
    package static func digest(_ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void) throws -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        try check(EVP_DigestInit_ex(context, EVP_sha256(), nil), "EVP_DigestInit_ex")
        try body { try check(EVP_DigestUpdate(context, $0.baseAddress, $0.count), "EVP_DigestUpdate") }
        var digest = [UInt8](repeating: 0, count: 32)
        try check(EVP_DigestFinal_ex(context, &digest, nil), "EVP_DigestFinal_ex")
        return digest
    }

    private static func check(_ status: Int32, _ call: String) throws {
        guard status == 1 else { throw ApusError.library(name: "libcrypto", call: call, status: "status \(status)") }
    }
}
