import ApusData
import Testing

@Suite struct ChecksumTests {
    @Test func sha256OfThePublishedExamples() throws {
        // FIPS 180-4's examples: the empty message, "abc", and the 448-bit message.
        #expect(
            try SHA256.hexadecimal(of: []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            try SHA256.hexadecimal(of: Array("abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            try SHA256.hexadecimal(of: Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    @Test func crc32OfThePublishedCheck() {
        // The check value of CRC-32 for "123456789" in every catalogue of CRCs.
        let digits = Array("123456789".utf8)
        for cut in 0...9 {
            let value = digits.withUnsafeBytes { bytes in
                CRC32.value(ofParts: [.init(rebasing: bytes[..<cut]), .init(rebasing: bytes[cut...])])
            }
            #expect(value == 0xCBF4_3926)
        }
    }
}
