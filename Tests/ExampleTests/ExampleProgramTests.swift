import ApusTestSupport
import Foundation
import Testing

/// Each example takes some steps, and prints what it says.
@Suite(.serialized) struct ExampleProgramTests {
    private func lines(_ program: String, steps: Int, in folder: TemporaryFolder) throws -> [String] {
        try Programs.run(program, "\(steps)", in: folder.url).split(separator: "\n").map(String.init)
    }

    @Test func generativeAdversarialNetwork() throws {
        let folder = try TemporaryFolder()
        let lines = try lines("DigitGAN", steps: 3, in: folder)
        // Dense 32 * 1568 + 1568, transposed 4 * 4 * 24 * 32 + 24 and 4 * 4 * 24 + 1.
        #expect(lines.contains { $0.hasPrefix("Parameters: 64,441 ") })
        let steps = lines.filter { $0.hasPrefix("step ") }
        #expect(steps.count == 2 && steps.allSatisfy { $0.contains(": critic ") && !$0.contains("nan") })
        #expect(lines.last == "wrote drawn_digits.svg")
        #expect(FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("drawn_digits.png").path))
    }

    @Test func residualNetwork() throws {
        let lines = try lines("ResidualNetwork", steps: 3, in: TemporaryFolder())
        #expect(lines.contains { $0.hasPrefix("Parameters: 77,546 ") })
        #expect(lines.last?.hasPrefix("test: loss: ") == true)
    }

    @Test func transformer() throws {
        let lines = try lines("SortingTransformer", steps: 3, in: TemporaryFolder())
        #expect(lines.contains { $0.contains("multiHeadAttention2 (MultiHeadAttention)") })
        #expect(lines.last?.hasPrefix("sorted: [") == true)
    }

    @Test func textClassifier() throws {
        let lines = try lines("TextClassifier", steps: 3, in: TemporaryFolder())
        #expect(lines.contains { $0.contains("gru (GRU)") } && lines.contains { $0.contains("(Embedding)") })
        #expect(lines.last?.hasPrefix("'the play was great but the meal seemed never good': ") == true)
    }

    @Test func forecasting() throws {
        let lines = try lines("Forecasting", steps: 3, in: TemporaryFolder())
        #expect(lines.contains { $0.hasPrefix("lstm (LSTM)") && $0.contains("[batch, 48, 32]") })
        #expect(lines.last?.hasPrefix("hour 19: forecast ") == true)
    }

    /// The trunk: 160 + 64 + 4640 + 128 numbers; the new layer: 7 * 7 * 32 * 5 + 5.
    @Test func transferLearning() throws {
        let lines = try lines("TransferLearning", steps: 2, in: TemporaryFolder())
        #expect(lines.contains { $0.hasPrefix("Trainable: 7,845 ") })
        #expect(lines.contains { $0.hasPrefix("Not trainable: 4,992 ") })
        #expect(lines.last?.hasPrefix("digits 5 to 9 from scratch: accuracy 0.") == true)
    }
}
