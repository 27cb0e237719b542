import ApusCore
import ApusData
import ApusGraph
import ApusPlan

/// What a training goes back to where a step has made something that is not finite although its loss was finite: a
/// gradient that overflows, say.
///
/// A look at all gradients of a step is a pass over memory that costs more than it is worth. In its place a copy of all
/// that steps change is kept, at most `interval` steps old, and made of finite numbers only. Where one turns up that is
/// not, the steps since are taken again from the copy, which gives the same bits, up to the first that breaks
/// something; the variables stay as they were before that one.
final class Safeguard {
    /// The steps from one copy to the next. A step reads every weight at least twice and writes it once, so that one
    /// copy in 100 steps takes less than 1 % of the time, whatever the network.
    static let interval = 100

    private let runner: BatchRunner
    private let seed: UInt64
    /// What steps change.
    private var changed: [Variable] = []
    /// Besides, single numbers that they only read, as a factor of the learning rate.
    private var variables: [Variable] = []
    private var copies: VariableCopies?
    private var assignmentCount = 0
    /// The steps taken when the copy was made.
    private var start = 0
    /// The steps since.
    private var taken: [Step] = []

    private struct Step {
        var epoch: Int
        var batch: Int
        var loss: Double
    }

    init(_ runner: BatchRunner, seed: UInt64) {
        self.runner = runner
        self.seed = seed
        taken.reserveCapacity(Self.interval)
    }

    /// Before a step: makes a copy where one is due.
    /// - Throws: as `check`.
    func stepWillStart(_ batch: Batch, trainer: Trainer) throws {
        if copies == nil {
            let known = try runner.variables(for: batch)
            (changed, variables) = (known.changed, known.changed + known.constant)
            copies = try VariableCopies(of: variables)
        } else if taken.count < Self.interval, assignmentCount == variables.assignmentCount {
            return
        }
        try check(trainer)
        copies?.save()
        assignmentCount = variables.assignmentCount
        start = trainer.step
        taken.removeAll(keepingCapacity: true)
    }

    /// After a step.
    func stepDidEnd(_ batch: Batch, epoch: Int, loss: Double) {
        taken.append(Step(epoch: epoch, batch: batch.index, loss: loss))
    }

    /// Looks at all that steps have changed. Where something is not finite, variables and count of steps go back to
    /// before the step that made it so.
    /// - Throws: `ApusError.notFinite`.
    func check(_ trainer: Trainer) throws {
        guard let wrong = changed.first(where: { !$0.isFinite }) else { return }
        throw ApusError.notFinite(try problem(with: wrong, trainer))
    }

    /// What is to be thrown where `batch` had a loss that is not finite: the step before may be to blame.
    func examined(_ problem: NotFiniteProblem, _ batch: Batch, _ trainer: Trainer) throws -> NotFiniteProblem {
        if let wrong = changed.first(where: { !$0.isFinite }) { return try self.problem(with: wrong, trainer) }
        return try runner.examined(problem, batch, context: RunContext(seed: seed, step: trainer.step))
    }

    private func problem(with variable: Variable, _ trainer: Trainer) throws -> NotFiniteProblem {
        let name = "variable '\(trainer.path(of: variable))'"
        let found = NotFiniteProblem(quantity: name, step: trainer.step + 1)
        // Nothing to go back to: it was so from the start.
        guard !taken.isEmpty, let copies else { return found }
        copies.restore()
        trainer.step = start
        // Where memory is short, the step is not looked for; the copy is good.
        guard let before = try? VariableCopies(of: variables) else { return found }
        for step in taken {
            guard let batch = runner.batch(step.batch, epoch: step.epoch) else { break }
            before.save()
            let context = RunContext(seed: seed, step: trainer.step)
            let loss = try runner.run(batch, context: context)
            guard loss.bitPattern == step.loss.bitPattern else { break }
            if changed.contains(where: { !$0.isFinite }) {
                before.restore()
                var problem = found
                (problem.step, problem.epoch) = (trainer.step + 1, step.epoch)
                return try runner.examined(problem, batch, context: context)
            }
            trainer.step += 1
        }
        // The steps differ from what they were, as where a callback has changed a constant. The copy is good.
        copies.restore()
        trainer.step = start
        return found
    }
}

extension [Variable] {
    fileprivate var assignmentCount: Int { reduce(0) { $0 + $1.assignmentCount } }
}

extension Trainer {
    /// The path of a variable of the model or of the optimizer.
    func path(of variable: Variable) -> String {
        (model.variables + state.variables).first { $0.variable === variable }?.path ?? variable.name
    }

    /// Looks at all that the training's steps have changed, which takes a pass over it: before a checkpoint, say.
    /// - Throws: `ApusError.notFinite` where something is not finite; variables and count of steps have gone back to
    ///   before the step that made it so then.
    package func checkState() throws { try safeguard?.check(self) }
}
