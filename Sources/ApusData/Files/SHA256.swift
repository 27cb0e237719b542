import ApusCore
import CCrypto

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

    /// The checksum of several stretches of memory read as one.
    static func hexadecimal(ofParts parts: [UnsafeRawBufferPointer]) throws -> String {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        try check(EVP_DigestInit_ex(context, EVP_sha256(), nil), "EVP_DigestInit_ex")
        for part in parts { try check(EVP_DigestUpdate(context, part.baseAddress, part.count), "EVP_DigestUpdate") }
        var digest = [UInt8](repeating: 0, count: 32)
        try check(EVP_DigestFinal_ex(context, &digest, nil), "EVP_DigestFinal_ex")
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    private static func check(_ status: Int32, _ call: String) throws {
        guard status == 1 else { throw ApusError.library(name: "libcrypto", call: call, status: "status \(status)") }
    }
}
