import FuzzTargets
import Testing

/// Every reader on every file of its corpus, whole, cut short and changed: it reads or says what is wrong, and never
/// stops the program. `Fuzz/run` does the same with millions of inputs.
@Suite struct CorpusTests {
    @Test(arguments: FuzzTarget.all.map(\.name)) func readsOrRefuses(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let files = try target.corpus()
        #expect(!files.isEmpty)
        var outcomes: Set<Bool> = []
        for (index, file) in files.enumerated() {
            let inputs = [file.bytes] + FuzzTarget.variants(of: file.bytes, count: 60, seed: UInt64(index))
            for (place, input) in inputs.enumerated() {
                switch target.run(input) {
                case .read: outcomes.insert(true)
                case .refused(let message):
                    outcomes.insert(false)
                    // One line that can be shown, whatever the file holds.
                    #expect(message.utf8.count < 2_000, "\(file.name), variant \(place)")
                    #expect(!message.contains { $0.isNewline || $0 == "\u{1B}" }, "\(file.name), variant \(place)")
                case .foreignError(let error):
                    Issue.record("\(file.name), variant \(place): \(error)")
                }
            }
        }
        #expect(outcomes == [true, false])
    }
}
