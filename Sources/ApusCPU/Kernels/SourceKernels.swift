import ApusCore
import ApusGraph
import ApusPlan
import CApusKernels

/// Random numbers of one stream.
final class RandomKernel: CPUKernel {
    private let random: Random
    private let count: Int64
    private let output: Int

    init(_ random: Random, _ step: Plan.Step) {
        self.random = random
        count = Int64(random.shape.elementCount)
        output = step.outputs[0]
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        var philox = apus_philox(
            seed: context.seed, step: UInt64(truncatingIfNeeded: context.step), stream: random.stream)
        let target = memory.floats(output)
        switch random.distribution {
        case .uniform: apus_random_uniform(&philox, 0, count, target)
        case .normal: apus_random_normal(&philox, 0, count, target)
        case .bernoulli(let probability): apus_random_bernoulli(&philox, 0, count, probability, target)
        }
    }
}

/// A number that depends on the step alone.
final class StepValueKernel: CPUKernel {
    private let schedule: Schedule
    private let output: Int

    init(_ schedule: Schedule, _ step: Plan.Step) {
        self.schedule = schedule
        output = step.outputs[0]
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        memory.floats(output)[0] = Float(schedule.value(at: context.step))
    }
}

/// Labels as rows of zeros with a one.
final class OneHotKernel: CPUKernel {
    private let depth: Int64
    private let count: Int64
    private let input: Int
    private let output: Int

    init(depth: Int, count: Int, _ step: Plan.Step) {
        (self.depth, self.count) = (Int64(depth), Int64(count))
        (input, output) = (step.inputs[0], step.outputs[0])
    }

    func run(_ memory: CPUMemory, _ context: RunContext) throws {
        apus_one_hot(memory.integers(input), memory.floats(output), count, depth)
    }
}
