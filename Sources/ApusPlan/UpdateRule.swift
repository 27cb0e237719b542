import ApusGraph

/// An optimizer's step for a parameter whose gradient is a product: done tile by tile, as the product goes.
package enum UpdateRule: Hashable, Sendable {
    /// m' = decay m - rate g; w' = w - (rate g - decay m')
    case nesterov(decay: Float)
    /// m' = m + (g - m) momentumShare; v' = v + (g^2 - v) velocityShare; w' = w - rate m' / (sqrt(v') + epsilon)
    case adam(momentumShare: Float, velocityShare: Float, epsilon: Float)

    /// The most terms that each number of the gradient may be a sum of. They are added one after the other: of more, as
    /// a large batch or many steps of sequences make them, digits would be lost, and what is packed of them would not
    /// fit the second cache.
    package static let mostTerms = 2048
    /// The least epsilon of Adam: velocities below the smallest normal number, whose roots are 1.1e-19 at most, count as
    /// 0 beside it.
    package static let leastEpsilon: Float = 1e-12
}

extension UpdateRule: CustomStringConvertible {
    package var description: String {
        switch self {
        case .nesterov: "nesterov"
        case .adam: "adam"
        }
    }
}

/// An element-wise program that is an optimizer's step, and what its inputs and outputs are.
struct UpdateProgram: Hashable {
    var rule: UpdateRule
    /// Numbers of inputs.
    var gradient: Int
    var parameter: Int
    var rate: Int
    var slots: [Int]
    /// Numbers of outputs: the parameter's, then the slots'.
    var outputs: [Int]

    /// `nil` where the program is something else.
    init?(_ program: ElementwiseProgram) {
        let formula = Formula(program: program)
        guard program.sums.isEmpty, program.domain.rank == 2,
            let found = formula.nesterov() ?? formula.adam(), found.isComplete(in: program)
        else { return nil }
        self = found
    }

    private init(
        _ rule: UpdateRule, gradient: Int, parameter: Int, rate: Int, slots: [Int], results: [Int],
        _ program: ElementwiseProgram
    ) {
        self.rule = rule
        (self.gradient, self.parameter, self.rate, self.slots) = (gradient, parameter, rate, slots)
        outputs = results.compactMap { result in program.outputs.firstIndex { $0.value == result } }
    }

    /// Every input has one part to play, every result is an output, and arrays are walked as they lie.
    private func isComplete(in program: ElementwiseProgram) -> Bool {
        let arrays = [gradient, parameter] + slots
        return Set(arrays + [rate]) == Set(program.inputs.indices) && arrays.count + 1 == program.inputs.count
            && outputs.count == slots.count + 1 && outputs.count == program.outputs.count
            && program.inputs.allSatisfy { $0.elementType == .float32 }
            && arrays.allSatisfy { program.inputs[$0].strides == program.domain.strides }
            && program.inputs[rate].strides.allSatisfy { $0 == 0 }
    }

    /// A program's values, taken apart.
    private struct Formula {
        let program: ElementwiseProgram

        private var last: Int {
            program.inputs.count + program.constants.count + program.instructions.count - 1
        }

        private func instruction(_ value: Int) -> ElementwiseProgram.Instruction? {
            let place = value - program.inputs.count - program.constants.count
            return program.instructions.indices.contains(place) ? program.instructions[place] : nil
        }

        private func input(_ value: Int) -> Int? { program.inputs.indices.contains(value) ? value : nil }

        private func constant(_ value: Int) -> Float? {
            let place = value - program.inputs.count
            return program.constants.indices.contains(place) ? program.constants[place] : nil
        }

        private func operands(_ value: Int, _ function: Binary.Function) -> (Int, Int)? {
            guard case .binary(function, let left, let right) = instruction(value) else { return nil }
            return (left, right)
        }

        private func operand(_ value: Int, _ function: Unary.Function) -> Int? {
            guard case .unary(function, let operand) = instruction(value) else { return nil }
            return operand
        }

        /// What `first` and `second` make of the operands, whichever of the two is which.
        private func either<First, Second>(
            _ value: Int, _ function: Binary.Function, _ first: (Int) -> First?, _ second: (Int) -> Second?
        ) -> (First, Second)? {
            guard let (left, right) = operands(value, function) else { return nil }
            if let one = first(left), let other = second(right) { return (one, other) }
            if let one = first(right), let other = second(left) { return (one, other) }
            return nil
        }

        /// w - ((g rate) - (m' decay)) with m' = m decay - g rate
        func nesterov() -> UpdateProgram? {
            guard program.instructions.count == 6, let (parameter, decrease) = operands(last, .subtract),
                let (step, ahead) = operands(decrease, .subtract),
                let (momentum, decay) = either(
                    ahead, .multiply, { operands($0, .subtract) == nil ? nil : $0 }, constant),
                let (kept, same) = operands(momentum, .subtract), same == step,
                let (slot, decayAgain) = either(kept, .multiply, input, constant), decayAgain == decay,
                let (first, second) = operands(step, .multiply), let w = input(parameter),
                let (gradient, rate) = gradientAndRate(first, second)
            else { return nil }
            return UpdateProgram(
                .nesterov(decay: decay), gradient: gradient, parameter: w, rate: rate, slots: [slot],
                results: [last, momentum], program)
        }

        private func gradientAndRate(_ first: Int, _ second: Int) -> (Int, Int)? {
            guard let first = input(first), let second = input(second) else { return nil }
            return program.inputs[second].strides.allSatisfy { $0 == 0 } ? (first, second) : (second, first)
        }

        /// old + (new - old) share, with what `new` finds in the newer value.
        private func average<New>(_ value: Int, _ new: (Int) -> New?) -> (old: Int, new: New, share: Float)? {
            func change(_ value: Int) -> (New, old: Int, share: Float)? {
                guard let (difference, share) = either(value, .multiply, { operands($0, .subtract) }, constant),
                    let newer = new(difference.0), let old = input(difference.1)
                else { return nil }
                return (newer, old, share)
            }
            guard let (old, changed) = either(value, .add, input, change), changed.old == old else { return nil }
            return (old, changed.0, changed.share)
        }

        func adam() -> UpdateProgram? {
            guard program.instructions.count == 12, let (parameter, decrease) = operands(last, .subtract),
                let w = input(parameter), let (step, divisor) = operands(decrease, .divide),
                let (momentum, rate) = either(step, .multiply, { average($0, input) == nil ? nil : $0 }, input),
                let (velocity, epsilon) = either(divisor, .add, { operand($0, .squareRoot) }, constant),
                let first = average(momentum, input),
                let second = average(velocity, { operand($0, .square).flatMap(input) }), first.new == second.new,
                epsilon >= UpdateRule.leastEpsilon
            else { return nil }
            return UpdateProgram(
                .adam(momentumShare: first.share, velocityShare: second.share, epsilon: epsilon), gradient: first.new,
                parameter: w, rate: rate, slots: [first.old, second.old], results: [last, momentum, velocity], program)
        }
    }
}
