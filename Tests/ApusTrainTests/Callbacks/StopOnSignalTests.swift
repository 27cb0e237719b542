import ApusCore
import ApusGraph
import ApusTestSupport
import ApusTrain
import Foundation
import Testing

@Suite struct StopOnSignalTests {
    /// This process is sent a signal in the fifth step of twelve; it goes on to the bits of a training without one.
    @Test func theTrainingEndsAfterTheStepAndGoesOn() throws {
        final class Sender: Callback {
            func stepDidEnd(_ step: StepRecord, _ training: Training) { if step.step == 5 { raise(SIGTERM) } }
        }
        let temporary = try TemporaryFolder()
        let whole = try CheckpointRun().trainer()
        try CheckpointRun().fit(whole, with: [])

        let checkpoints = Checkpoints(in: temporary.url)
        let stopped = try CheckpointRun().trainer()
        let received = #expect(throws: SignalReceived.self) {
            try CheckpointRun().fit(stopped, with: [Sender(), checkpoints, StopOnSignal()])
        }
        #expect(received?.signal == SIGTERM && received?.exitCode == 143)
        #expect(received?.description == "Stopped by SIGTERM.")
        #expect(stopped.step == 5)
        let newest = try #require(try checkpoints.folder.newest())
        #expect(newest.step == 5)

        let resumed = try CheckpointRun().trainer()
        // The signal of before is forgotten.
        try CheckpointRun().fit(
            resumed, with: [Checkpoints(in: temporary.url), StopOnSignal()], resumingFrom: newest)
        #expect(resumed.step == 12)
        for (first, second) in zip(whole.model.variables, resumed.model.variables) {
            #expect(first.variable.value == second.variable.value)
        }
        // Signals end the program again.
        let handler = signal(SIGTERM, SIG_DFL)
        #expect(handler == nil)
    }
}
