import ApusCPU
import ApusCore
import ApusGraph
import ApusNN
import ApusPlan
import ApusTrain
import Testing

/// Optimizers on the processor: against the reference in Double, and interrupted against uninterrupted.
@Suite struct OptimizerResumeTests {
    @Test(arguments: OptimizerUpdatesTests.all.indices) func theProcessorAgreesWithTheReference(index: Int) throws {
        let optimizer = OptimizerUpdatesTests.all[index]
        let problem = OptimizerRun.problem
        let variable = Variable("w", value: NDArray(problem.start.map { Float($0) }))
        let a = Tensor.constant(NDArray(problem.curvature.map { Float($0) }))
        let b = Tensor.constant(NDArray(problem.goal.map { Float($0) }))
        let loss = (0.5 * a * square(variable.tensor - b)).sum()
        let step = try Function(
            inputs: [], outputs: [loss], updates: optimizer.updates(minimizing: loss, over: [variable]), device: .cpu)
        for expected in try OptimizerRun.series(optimizer, count: 12) {
            _ = try step()
            #expect(isClose(variable.value.doubles, expected[0], tolerance: 2e-5))
        }
    }

    @Test(arguments: OptimizerUpdatesTests.all.indices) func resumedEqualsUninterrupted(index: Int) throws {
        let data = try quadrants(40)
        func trainer() throws -> Trainer {
            try Trainer(
                quadrantModel(dropout: 0.25), loss: .sparseCategoricalCrossentropy,
                optimizer: OptimizerUpdatesTests.all[index], device: .cpu, seed: 8)
        }
        let whole = try trainer()
        try whole.fit(data, batchSize: 16, epochs: 4)

        let (first, second) = (try trainer(), try trainer())
        try first.fit(data, batchSize: 16, epochs: 2)
        for (old, new) in zip(
            first.model.variables + first.state.variables, second.model.variables + second.state.variables)
        {
            try new.variable.assign(old.variable.value)
        }
        second.step = first.step
        try second.fit(data, batchSize: 16, epochs: 4, initialEpoch: 2)
        #expect(flatWeights(second.model).map(\.bitPattern) == flatWeights(whole.model).map(\.bitPattern))
        #expect(flatWeights(second.model) != flatWeights(first.model))
    }
}
