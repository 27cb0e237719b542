import Apus
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

    /// What may change bits, each by itself.
    @Test func differencesAreNamed() throws {
        let files = try Self.target.corpus()
        let file = try #require(files.first { $0.name == "finished" })
        var card = try RunCard(Data(file.bytes), path: "FILE")
        (card.machine.processor, card.machine.cLibrary) = ("A", "glibc 2.36")
        (card.apusVersion, card.sessions) = (ApusVersion.current, nil)
        let changes: [(String, (inout RunCard.Machine) -> Void)] = [
            ("device: cpu, now gpu", { $0.device = "gpu" }), ("threads: 2, now 3", { $0.threadCount = 3 }),
            ("processor: A, now B", { $0.processor = "B" }),
            ("instruction set: AVX2, now AVX-512", { $0.instructionSet = "AVX-512" }),
            ("oneDNN: 2.6.3, now 3.1", { $0.oneDNNVersion = "3.1" }),
            ("oneDNN's instruction set: AVX2, now SSE41", { $0.oneDNNInstructionSet = "SSE41" }),
            ("C library: glibc 2.36, now glibc 2.39", { $0.cLibrary = "glibc 2.39" }),
        ]
        for (words, change) in changes {
            var other = card.machine
            change(&other)
            #expect(card.machine.differences(from: other) == [words])
            #expect(card.differences(on: other, kernels: nil, amongSessions: true) == [words])
        }
        // A card of an earlier version does not name the C library.
        card.machine.cLibrary = nil
        #expect(card.machine.differences(from: card.machine) == [])
        // Nor do its kernels say what computes them.
        card.kernels = ["MatMul": 2]
        #expect(card.differences(on: card.machine, kernels: ["MatMul jit:avx2": 2], amongSessions: false) == [])
        card.sessions = [
            .init(
                date: "", firstStep: 0, machine: card.machine, apusVersion: ApusVersion.current,
                build: CPUDescription.programBuild == nil ? nil : "0123456789", commandLine: [])
        ]
        card.sessions?[0].kernels = ["MatMul brg:avx512_core": 2]
        let build = CPUDescription.programBuild.map { "the program's build: 01234567..., now \($0.prefix(8))..." }
        #expect(
            card.differences(on: card.machine, kernels: ["MatMul jit:avx2": 2], amongSessions: false)
                == [
                    build, "kernels of kind MatMul brg:avx512_core: 2, now 0",
                    "kernels of kind MatMul jit:avx2: 0, now 2",
                ].compactMap { $0 })
    }

    @Test func theBuildIsHexadecimal() {
        let build = CPUDescription.programBuild
        #expect(build == nil || build?.wholeMatch(of: /([0-9a-f]{2}){8,64}/) != nil)
    }

    /// What a card says of its end is shown on a terminal.
    @Test func wordsOfAnother() throws {
        let files = try Self.target.corpus()
        let file = try #require(files.first { $0.name == "failed" })
        let card = try RunCard(Data(file.bytes), path: "FILE")
        #expect(card.shortcoming(nil) == "This run failed after -9,223,372,036,854,775,808 steps: \\u{1B}[2Jnobody")
    }
}
