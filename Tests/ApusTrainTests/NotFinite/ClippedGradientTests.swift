import ApusCPU
import ApusCore
import ApusGraph
import ApusNN
import ApusTrain
import Testing

/// Clipping hides no gradient that is not finite, nor one whose norm is not: the training stops, and nothing has
/// changed.
@Suite struct ClippedGradientTests {
    enum Fault: Sendable { case infinite, noNumber, overflowingSquares }

    /// Two samples x = 1e30 under y = w x + b, where w = b = 0: so y, and each loss here, is 0.
    private func trainer(_ fault: Fault, _ clipping: GradientClipping) throws -> Trainer {
        let model = try Sequential(input: [1]) { Dense(1, kernelInitializer: .zeros) }
        let y = model.outputs[0]
        switch fault {
        // For w 2e30 * 1e9, beyond the largest float32 of 3.4e38; for b 2e9.
        case .infinite: try model.addLoss(y.sum() * 1e9)
        // The slope of the root at 0 is infinite, that of the square is 0.
        case .noNumber: try model.addLoss(sqrt(square(y)).sum())
        // For w 2e30, for b 2.
        case .overflowingSquares: try model.addLoss(y.sum())
        }
        let optimizer = SGD(learningRate: 0.5, momentum: 0.75, clipping: clipping)
        return try Trainer(model, loss: nil, optimizer: optimizer, device: .cpu)
    }

    private func fit(_ trainer: Trainer) throws { try trainer.fit(pairs([(1e30, 0), (1e30, 0)]), epochs: 1) }

    private static let rows: [(GradientClipping, Fault)] = [
        (.value(1), .infinite), (.value(1), .noNumber),
        (.norm(1), .infinite), (.norm(1), .noNumber), (.norm(1), .overflowingSquares),
        (.globalNorm(1), .infinite), (.globalNorm(1), .noNumber), (.globalNorm(1), .overflowingSquares),
    ]

    @Test(arguments: rows) func theTrainingStops(_ clipping: GradientClipping, _ fault: Fault) throws {
        let broken = try trainer(fault, clipping)
        func everything() -> [NDArray] { (broken.model.variables + broken.state.variables).map(\.variable.value) }
        let before = everything()
        let problem = try notFiniteProblem { try fit(broken) }
        // Squares are the clipping's, all else is the gradient's own.
        let quantity = fault == .overflowingSquares ? "update of 'dense/" : "gradient of 'dense/"
        #expect(problem.quantity.hasPrefix(quantity), "\(problem)")
        #expect(problem.step == 1 && problem.epoch == 1)
        #expect(everything() == before && broken.step == 0)
    }

    /// By value, what is finite is held, however large: by hand, w and b both become 0 - 0.5 * 1.
    @Test func largeElementsAreHeld() throws {
        let whole = try trainer(.overflowingSquares, .value(1))
        try fit(whole)
        #expect(flatWeights(whole.model) == [-0.5, -0.5])
    }
}
