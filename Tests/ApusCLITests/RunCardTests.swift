import ApusCLI
import Foundation
import FuzzTargets
import Testing

@Suite struct RunCardTests {
    private static let target = FuzzTarget("run-card", longestInput: 4_096) { bytes in
        let card = try RunCard(Data(bytes), path: "FILE")
        _ = card.shortcoming(nil)
    }

    /// Each card of the fuzzer's corpus, whole, cut short and changed.
    @Test func readsOrRefuses() throws {
        for (index, file) in try Self.target.corpus().enumerated() {
            #expect(Self.target.run(file.bytes) == .read || file.name.hasPrefix("crash"), "\(file.name)")
            for variant in FuzzTarget.variants(of: file.bytes, count: 300, seed: UInt64(index)) {
                if case .foreignError(let error) = Self.target.run(variant) { Issue.record("\(file.name): \(error)") }
            }
        }
    }

    @Test func aKeyTwice() throws {
        let files = try Self.target.corpus()
        let file = try #require(files.first { $0.name == "finished" })
        let text = String(decoding: file.bytes, as: UTF8.self)
        let twice = text.replacingOccurrences(of: "\"seed\"", with: "\"state\": \"failed\", \"seed\"")
        #expect(twice != text)
        guard case .refused(let message) = Self.target.run(Array(twice.utf8)) else {
            Issue.record("it is read")
            return
        }
        #expect(
            message.hasPrefix(
                "FILE: expected the card of a run of Apus, found a damaged one (key 'state' a second time at "))
    }

    /// What a card says of its end is shown on a terminal.
    @Test func wordsOfAnother() throws {
        let files = try Self.target.corpus()
        let file = try #require(files.first { $0.name == "failed" })
        let card = try RunCard(Data(file.bytes), path: "FILE")
        #expect(card.shortcoming(nil) == "This run failed after -9,223,372,036,854,775,808 steps: \\u{1B}[2Jnobody")
    }
}
