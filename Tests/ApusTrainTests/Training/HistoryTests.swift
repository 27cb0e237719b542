import ApusCore
import ApusTrain
import Foundation
import Testing

@Suite struct HistoryTests {
    static let record = EpochRecord(
        epoch: 3, stepCount: 469, training: Figures([Figure("loss", 0.5), Figure("accuracy", 0.75)]),
        validation: Figures([Figure("loss", 0.25), Figure("accuracy", .nan)]), learningRate: 0.1, seconds: 1.5)

    @Test func jsonLineKeepsTheOrder() throws {
        #expect(
            Self.record.jsonLine
                == #"{"epoch":3,"steps":469,"loss":0.5,"accuracy":0.75,"val_loss":0.25,"val_accuracy":null,"#
                + #""learning_rate":0.1,"seconds":1.5}"#)
        let read = try #require(EpochRecord(jsonLine: Self.record.jsonLine))
        #expect(read.jsonLine == Self.record.jsonLine)
        #expect(read.validation?["accuracy"]?.isNaN == true && read.training.names == ["loss", "accuracy"])
        let plain = EpochRecord(
            epoch: 1, stepCount: 2, training: Figures([Figure("loss", 1)]), validation: nil, learningRate: 1, seconds: 0
        )
        #expect(EpochRecord(jsonLine: plain.jsonLine) == plain)
    }

    @Test func printedALineAnEpoch() {
        let plain = EpochRecord(
            epoch: 4, stepCount: 2, training: Figures([Figure("loss", 1)]), validation: nil, learningRate: 1, seconds: 0
        )
        #expect(
            "\(History(epochs: [Self.record, plain]))" == """
                epoch 3  loss: 0.5000  accuracy: 0.7500  val_loss: 0.2500  val_accuracy: nan
                epoch 4  loss: 1.0000
                """)
    }

    @Test(arguments: [
        "", "{}", "[1]", #"{"epoch":1}"#, #"{"epoch":1.5,"steps":1,"learning_rate":1,"seconds":1}"#,
        #"{"epoch":0,"steps":1,"learning_rate":1,"seconds":1}"#,
        #"{"epoch":1,"steps":-1,"learning_rate":1,"seconds":1}"#,
        #"{"epoch":1,"epoch":2,"steps":1,"learning_rate":1,"seconds":1}"#,
        #"{"epoch":1,"steps":1,"learning_rate":1,"seconds":1e999}"#,
        #"{"epoch":1e30,"steps":1,"learning_rate":1,"seconds":1}"#,
        #"{"epoch":1,"steps":1,"learning_rate":1,"seconds":1,"loss":[]}"#,
    ])
    func otherTextIsNoRecord(line: String) { #expect(EpochRecord(jsonLine: line) == nil) }

    /// Once every name was sought in the whole line: it would be seen by the time that the tests take.
    @Test func aLineOfManyFigures() throws {
        let figures = (0..<100_000).map { "\"f\($0)\":\($0)" }.joined(separator: ",")
        let line = "{\(figures),\"epoch\":1,\"steps\":1,\"learning_rate\":1,\"seconds\":1}"
        #expect(EpochRecord(jsonLine: line)?.training.names.last == "f99999")
    }

    @Test func coding() throws {
        let history = History(epochs: [Self.record])
        let read = try JSONDecoder().decode(History.self, from: JSONEncoder().encode(history))
        #expect(read["val_loss"] == [0.25] && read["loss"] == [0.5] && read["accuracy"] == [0.75])
        #expect(read.epochs[0].validation?["accuracy"]?.isNaN == true)
        #expect(read["nothing"].isEmpty)
    }

    @Test func files() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("history-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: url) }
        #expect(
            errorText { _ = try History(jsonLines: url) }
                == "\(url.path): there is no such file or folder. Check the path.")
        try (Self.record.jsonLine + "\n").write(to: url, atomically: true, encoding: .utf8)
        #expect(try History(jsonLines: url).epochs.map(\.epoch) == [3])
        // What a kill leaves of a line.
        try (Self.record.jsonLine + "\n{\"epoch\":4,").write(to: url, atomically: true, encoding: .utf8)
        #expect(try History(jsonLines: url).epochs.map(\.epoch) == [3])
        try (Self.record.jsonLine + "\n{\"epoch\":4,\n").write(to: url, atomically: true, encoding: .utf8)
        #expect(
            errorText { _ = try History(jsonLines: url) }
                == "\(url.path): is damaged: line 2 is no epoch's record. Fetch or copy the file again.")
    }
}
