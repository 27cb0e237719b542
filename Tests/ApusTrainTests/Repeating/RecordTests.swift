import ApusCPU
import ApusCore
import ApusData
import ApusNN
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

/// What a run records for a replay: losses and fingerprints.
@Suite struct RecordTests {
    private func records(_ folder: TemporaryFolder) -> [any Callback] {
        [LossRecord(folder.file("losses")), Fingerprints(folder.file("prints"), every: 2)]
    }

    @Test func lossesByHand() throws {
        // w goes from 0 to 1 and 1.5: losses 4, 1, 0.25.
        let folder = try TemporaryFolder()
        let trainer = try Trainer(line(), loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
        try trainer.fit(
            pairs([(1, 2), (1, 2), (1, 2)]), batchSize: 1, epochs: 1, callbacks: [LossRecord(folder.file("losses"))])
        #expect(try LossRecord.read(folder.file("losses")) == [4, 1, 0.25])
        let bytes = try Data(contentsOf: folder.file("losses"))
        #expect(Array(bytes.prefix(8)) == [0, 0, 0x80, 0x40, 0, 0, 0x80, 0x3F])
        #expect(try LossRecord.read(folder.file("none")).isEmpty)
        // The remains of a file that was cut inside a number.
        try folder.write(Array(bytes.prefix(6)), to: "losses")
        #expect(try LossRecord.read(folder.file("losses")) == [4])
    }

    @Test func fingerprintsAreHashesOfTheBytes() throws {
        let folder = try TemporaryFolder()
        let trainer = try Trainer(
            line(), loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25, momentum: 0.5), device: .cpu)
        try trainer.fit(
            pairs([(1, 2), (1, 2), (1, 2)]), batchSize: 1, epochs: 1,
            callbacks: [
                Fingerprints(folder.file("prints"), every: 1)
            ])
        let prints = try Fingerprint.read(folder.file("prints"))
        #expect(prints.map(\.step) == [1, 2, 3, 3] && prints.map(\.epoch) == [nil, nil, nil, 1])
        #expect(
            prints[0].entries.map(\.path) == [
                "dense/kernel", "optimizer/dense/kernel/momentum", "optimizer/learningRateFactor",
            ])
        // w is 1 after the first step: the bytes 00 00 80 3f.
        let hash = try SHA256.hexadecimal(of: [0, 0, 0x80, 0x3F]).prefix(16)
        #expect(prints[0].entries[0].hash == hash && prints[0].entries[2].hash == hash)
        #expect(prints[2].entries == prints[3].entries)
        #expect(try prints[2].ofWeights == prints[3].ofWeights && prints[1].ofWeights != prints[2].ofWeights)
        #expect(try Fingerprint(jsonLine: prints[3].jsonLine) == prints[3])
        #expect(try prints[3].jsonLine.hasPrefix("{\"step\":3,\"epoch\":1,\"variables\":{\"dense/kernel\":\""))
        try folder.write(Array("{}\n".utf8), to: "prints")
        let path = folder.file("prints").path
        #expect(
            errorText { _ = try Fingerprint.read(folder.file("prints")) }
                == "\(path): is damaged: line 1 is no fingerprint. Fetch or copy the file again.")
    }

    /// After any stop the files are those of a training without one.
    @Test func recordsAreCutBack() throws {
        let (whole, part) = (try TemporaryFolder(), try TemporaryFolder())
        let run = CheckpointRun()
        try run.fit(run.trainer(), with: records(whole) + CheckpointRun.callbacks())
        let expected = try ["losses", "prints"].map { try Data(contentsOf: whole.file($0)) }
        #expect(expected[0].count == 48)
        for step in 1...12 {
            let taker = CheckpointTaker()
            try run.fit(run.trainer(), with: records(part) + CheckpointRun.callbacks() + [taker])
            let checkpoint = try #require(taker.checkpoints.last { $0.step == step })
            try run.fit(
                run.trainer(), with: records(part) + CheckpointRun.callbacks(), resumingFrom: checkpoint)
            #expect(try ["losses", "prints"].map { try Data(contentsOf: part.file($0)) } == expected)
        }
    }

    /// A kill leaves the beginning of a line, a power cut zeros; anything else is no fingerprint.
    @Test func aTornLastLineIsPassedOver() throws {
        let folder = try TemporaryFolder()
        let run = CheckpointRun()
        try run.fit(run.trainer(), with: records(folder))
        let bytes = try Data(contentsOf: folder.file("prints"))
        let prints = try Fingerprint.read(folder.file("prints"))
        let lastLine = try #require(bytes.dropLast().lastIndex(of: UInt8(ascii: "\n"))) + 1
        for end in stride(from: lastLine, to: bytes.count - 1, by: 7) {
            for torn in [bytes[..<end], bytes[..<end] + Data(count: 30)] {
                try torn.write(to: folder.file("prints"))
                #expect(try Fingerprint.read(folder.file("prints")) == prints.dropLast())
            }
        }
        // Only the end of the line is missing.
        try bytes.dropLast().write(to: folder.file("prints"))
        #expect(try Fingerprint.read(folder.file("prints")) == prints)
        for other in ["something else", "{\"step\":5\n", "{\"step\":5\n\(try prints[0].jsonLine)\n"] {
            try folder.write(Array(other.utf8), to: "prints")
            #expect(
                errorText { _ = try Fingerprint.read(folder.file("prints")) }.contains(": line 1 is no fingerprint."))
        }
    }

    /// A file that has lost what the checkpoint counts on goes on with whole lines.
    @Test func aTornLineIsCutOffBeforeTheNextOne() throws {
        let folder = try TemporaryFolder()
        let run = CheckpointRun()
        let taker = CheckpointTaker()
        try run.fit(run.trainer(), with: records(folder) + [taker])
        let prints = try Fingerprint.read(folder.file("prints"))
        // Those of steps 2, 3, 4, 6 (twice) and so on: two and a half of them are left.
        let lines = try String(contentsOf: folder.file("prints"), encoding: .utf8).split(separator: "\n")
        try folder.write(Array("\(lines[0])\n\(lines[1])\n\(lines[2].prefix(20))".utf8), to: "prints")
        let checkpoint = try #require(taker.checkpoints.first { $0.step == 7 })
        try run.fit(run.trainer(), with: records(folder), resumingFrom: checkpoint)
        let found = try Fingerprint.read(folder.file("prints"))
        #expect(found == prints.filter { $0.step <= 3 || $0.step > 7 })
    }

    @Test func lossesThatAreMissingAreNoNumbers() throws {
        let folder = try TemporaryFolder()
        let run = CheckpointRun()
        let taker = CheckpointTaker()
        try run.fit(run.trainer(), with: records(folder) + [taker])
        let losses = try LossRecord.read(folder.file("losses"))
        try Data(contentsOf: folder.file("losses")).prefix(10).write(to: folder.file("losses"))
        let checkpoint = try #require(taker.checkpoints.first { $0.step == 5 })
        try run.fit(run.trainer(), with: records(folder), resumingFrom: checkpoint)
        let found = try LossRecord.read(folder.file("losses"))
        #expect(found.count == 12 && found[2..<5].allSatisfy(\.isNaN))
        #expect(found[..<2] == losses[..<2] && found[5...] == losses[5...])
    }
}
