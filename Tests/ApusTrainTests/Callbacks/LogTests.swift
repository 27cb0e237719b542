import ApusCPU
import ApusCore
import ApusTrain
import Foundation
import Testing

@Suite struct LogTests {
    private func withFile(_ body: (URL) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("log-\(UUID().uuidString).txt")
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url)
    }

    private func log(_ callback: any Callback, epochs: ClosedRange<Int>) throws {
        let training = try idleTraining()
        try callback.trainingWillStart(training)
        for epoch in epochs {
            _ = try callback.epochDidEnd(record(epoch, valLoss: 0.25, valAccuracy: .nan, seconds: 1.5), training)
        }
        try callback.trainingDidEnd(History(), training)
    }

    private let header = "epoch,steps,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n"

    @Test func csv() throws {
        try withFile { url in
            try log(CSVLog(url), epochs: 1...2)
            let text = try String(contentsOf: url, encoding: .utf8)
            #expect(text == header + "1,4,1,0.5,0.25,nan,0.5,1.5\n2,4,1,0.5,0.25,nan,0.5,1.5\n")
            // A new log replaces the old one, unless lines are to be added; then the header is not written again.
            try log(CSVLog(url), epochs: 1...1)
            try log(CSVLog(url, appends: true), epochs: 2...2)
            #expect(try String(contentsOf: url, encoding: .utf8) == text)
        }
    }

    @Test func jsonLines() throws {
        try withFile { url in
            try log(JSONLinesLog(url), epochs: 1...2)
            let history = try History(jsonLines: url)
            #expect(history.epochs.map(\.epoch) == [1, 2])
            #expect(history["val_loss"] == [0.25, 0.25] && history["loss"] == [1, 1])
        }
    }

    @Test func eachLineIsThereAtOnce() throws {
        try withFile { url in
            let (callback, training) = (JSONLinesLog(url), try idleTraining())
            try callback.trainingWillStart(training)
            _ = try callback.epochDidEnd(record(1, valLoss: 1), training)
            #expect(try History(jsonLines: url).epochs.count == 1)
        }
    }

    @Test func aFolderThatIsNotThere() throws {
        let url = URL(fileURLWithPath: "/no/such/folder/log.csv")
        let text =
            "/no/such/folder/log.csv: cannot be written: there is no folder /no/such/folder. Create it first."
        #expect(errorText { try CSVLog(url).trainingWillStart(idleTraining()) } == text)
        #expect(errorText { try JSONLinesLog(url).trainingWillStart(idleTraining()) } == text)
    }

    #if os(Linux)
        @Test func aFullDiskEndsTheTrainingButLosesNothing() throws {
            let model = try line()
            let trainer = try Trainer(model, loss: .meanSquaredError, optimizer: SGD(learningRate: 0.25), device: .cpu)
            let log = JSONLinesLog(URL(fileURLWithPath: "/dev/full"))
            let text = errorText { try trainer.fit(pairs([(1, 2)]), epochs: 3, callbacks: [log]) }
            #expect(
                text == "/dev/full: cannot be written: No space left on device. Choose another place, or make room.")
            #expect(trainer.history["loss"] == [4])
            #expect(flatWeights(model) == [1])
        }
    #endif
}

@Suite struct ProgressTests {
    private func step(_ number: Int, seconds: Double) -> StepRecord {
        StepRecord(epoch: 1, step: number, stepInEpoch: number, loss: 0.5, meanLoss: 0.5, seconds: seconds)
    }

    @Test func theLineOfAnEpoch() {
        let with = EpochRecord(
            epoch: 1, stepCount: 469, training: Figures([Figure("loss", 0.05414), Figure("accuracy", 0.76626)]),
            validation: Figures([Figure("loss", 0.03702), Figure("accuracy", 0.8492)]), learningRate: 0.5,
            seconds: 1.001)
        #expect(Progress.line(with) == "loss: 0.0541 / 0.0370  accuracy: 0.7663 / 0.8492  step 1  1.00 sec")
        let without = EpochRecord(
            epoch: 12, stepCount: 469, training: Figures([Figure("loss", 51.7836)]), validation: nil, learningRate: 0.5,
            seconds: 44.699)
        #expect(Progress.line(without) == "loss: 51.7836  step 12  44.70 sec")
    }

    @Test func aFileGetsOneLineAnEpoch() throws {
        var text = ""
        let progress = Progress(isTerminal: false) { text += $0 }
        let training = try idleTraining()
        progress.trainingWillStart(training)
        for number in 1...4 { progress.stepDidEnd(step(number, seconds: Double(number)), training) }
        _ = progress.epochDidEnd(record(1, valLoss: 0.25, valAccuracy: 0.75, seconds: 5), training)
        #expect(text == "loss: 1.0000 / 0.2500  accuracy: 0.5000 / 0.7500  step 1  5.00 sec\n")
    }

    @Test func aTerminalGetsABarAtMostTenTimesASecond() throws {
        var parts: [String] = []
        let progress = Progress(isTerminal: true, width: { 80 }) { parts.append($0) }
        let training = try idleTraining(epochs: 2)
        progress.trainingWillStart(training)
        for (index, seconds) in [1.0, 1.05, 1.125, 1.2].enumerated() {
            progress.stepDidEnd(step(index + 1, seconds: seconds), training)
        }
        _ = progress.epochDidEnd(record(1, valLoss: 0.25, seconds: 2), training)
        // 8 steps in all. After 1 step in 1 s: 7 s left. After 3 in 1.125 s: 5 * 0.375 s, rounded up.
        #expect(
            parts == [
                "\r\u{1B}[Kepoch 1/2 [=======>                      ] 1/4  loss: 0.5000  7 s left",
                "\r\u{1B}[Kepoch 1/2 [======================>       ] 3/4  loss: 0.5000  2 s left",
                "\r\u{1B}[K", "loss: 1.0000 / 0.2500  accuracy: 0.5000 / 0.0000  step 1  2.00 sec\n",
            ])
    }

    /// A line with `width` columns for epoch 12 of 30, step 234 of 469.
    private func bar(width: Int, loss: Double = 0.5) -> String {
        ProgressBar(epoch: 12, epochCount: 30, step: 234, stepCount: 469, loss: loss, secondsLeft: 61).text(
            width: width)
    }

    @Test func theBarFitsTheWindow() {
        #expect(bar(width: 99) == "epoch 12/30 [==============>               ] 234/469  loss: 0.5000  1 min 01 s left")
        // All but the bar takes 55 letters: "epoch 12/30 [] 234/469  loss: 0.5000  1 min 01 s left".
        #expect(bar(width: 63) == "epoch 12/30 [====>     ] 234/469  loss: 0.5000  1 min 01 s left")
        #expect(bar(width: 57) == "epoch 12/30 234/469  loss: 0.5000  1 min 01 s left")
        #expect(bar(width: 49) == "epoch 12/30 234/469  loss: 0.5000")
        #expect(bar(width: 32) == "epoch 12/30 234/469")
        #expect(bar(width: 19) == "epoch 12/30 234/469")
        #expect(bar(width: 18) == "234/469")
        #expect(bar(width: 3) == "234")
        #expect(bar(width: 0) == "" && bar(width: -1) == "")
        for width in 0...99 { #expect(bar(width: width, loss: 1e30).count <= width) }
    }

    @Test func aWindowThatGotNarrowerIsCleared() throws {
        var (parts, width): ([String], Int) = ([], 80)
        let progress = Progress(isTerminal: true, width: { width }) { parts.append($0) }
        let training = try idleTraining(epochs: 2)
        progress.trainingWillStart(training)
        progress.stepDidEnd(step(1, seconds: 1), training)
        // The bar's 70 letters fill 4 lines of 20, the cursor on the last.
        #expect(parts.last?.count == 70 + 4)
        width = 20
        progress.stepDidEnd(step(2, seconds: 2), training)
        #expect(parts.last == "\r\u{1B}[3A\u{1B}[Jepoch 1/2 2/4")
        progress.stepDidEnd(step(3, seconds: 3), training)
        #expect(parts.last == "\r\u{1B}[Kepoch 1/2 3/4")
    }

    @Test func hugeFiguresAreShort() {
        let record = EpochRecord(
            epoch: 1, stepCount: 1,
            training: Figures([Figure("loss", 1e30), Figure("mae", -.nan), Figure("a", 999_999)]),
            validation: Figures([Figure("loss", 1.25e12), Figure("mae", .infinity), Figure("a", -1e6)]),
            learningRate: 1, seconds: 1)
        #expect(
            Progress.line(record)
                == "loss: 1.0000e+30 / 1.2500e+12  mae: nan / inf  a: 999999.0000 / -1.0000e+06  step 1  1.00 sec")
        #expect("\(Figures([Figure("loss", 1e12)]))" == "loss: 1.0000e+12")
    }

    @Test func aFailureLeavesACleanLine() throws {
        var parts: [String] = []
        let progress = Progress(isTerminal: true, width: { 80 }) { parts.append($0) }
        let training = try idleTraining()
        progress.trainingWillStart(training)
        progress.stepDidEnd(step(1, seconds: 1), training)
        progress.trainingDidFail(ApusError.usage(problem: "", cure: ""), training)
        #expect(parts.last == "\r\u{1B}[K")
    }

    @Test(arguments: [
        (0.2, "1 s"), (59, "59 s"), (61, "1 min 01 s"), (3599, "59 min 59 s"), (7620, "2 h 07 min"), (-1, "0 s"),
        (.nan, "0 s"),
        (.infinity, "1000000 h 00 min"),
    ])
    func durations(seconds: Double, text: String) { #expect(Progress.duration(seconds) == text) }

    @Test func stepLosses() throws {
        var text = ""
        let training = try idleTraining()
        let callback = StepLosses(every: 2) { text += $0 }
        try callback.trainingWillStart(training)
        for number in 1...4 { callback.stepDidEnd(step(number, seconds: 0), training) }
        #expect(text == "step 2  loss 0.5\nstep 4  loss 0.5\n")
        #expect(
            errorText { try StepLosses(every: 0).trainingWillStart(training) }
                == "StepLosses: every is 0; it must be 1 or more.")
    }
}
