import ApusCore

/// The functions inside a recurrent cell. They are those whose slope follows from their value, which is all that a
/// gradient keeps.
package enum RecurrenceActivation: Hashable, Sendable, Codable {
    case linear, relu, sigmoid, tanh
    /// `slope x + 0.5`, held within 0 and 1.
    case hardSigmoid(slope: Float)

    var description: String {
        switch self {
        case .linear: "linear"
        case .relu: "relu"
        case .sigmoid: "sigmoid"
        case .tanh: "tanh"
        case .hardSigmoid(let slope): "hardSigmoid \(slope)"
        }
    }
}

/// What a cell's formulas are written in: numbers where they are evaluated, tensors where they become a graph.
protocol CellNumber {
    static func + (a: Self, b: Self) -> Self
    static func * (a: Self, b: Self) -> Self
    /// `1 - self`.
    var complement: Self { get }
    func activated(by function: RecurrenceActivation) -> Self
    /// The slope of `function` where its value is `self`.
    func slope(of function: RecurrenceActivation) -> Self
    static prefix func - (a: Self) -> Self
}

/// What one step of a recurrence does to each unit.
///
/// With x the projected input, p the product of the hidden state h and the recurrent kernel (with its bias), one of
/// each for every gate, f the activation and s the gates' activation:
///
///     simple:  h' = f(x + p)                                            Elman, 1990
///     gru:     z = s(x0 + p0), r = s(x1 + p1), n = f(x2 + r p2)         Cho and others, 2014, with the reset gate
///              h' = z h + (1 - z) n                                     behind the product
///     lstm:    i = s(x0 + p0), j = s(x1 + p1), g = f(x2 + p2), o = s(x3 + p3)
///              c' = j c + i g, h' = o f(c')                             Hochreiter and Schmidhuber, 1997;
///                                                                       Gers, Schmidhuber and Cummins, 2000
package struct RecurrentCell: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable { case simple, gru, lstm }

    package var kind: Kind
    package var activation: RecurrenceActivation
    /// Not used by a simple cell.
    package var gateActivation: RecurrenceActivation

    package init(
        _ kind: Kind, activation: RecurrenceActivation = .tanh, gateActivation: RecurrenceActivation = .sigmoid
    ) {
        self.kind = kind
        self.activation = activation
        self.gateActivation = gateActivation
    }

    /// The blocks of a projected input.
    package var gateCount: Int {
        switch kind {
        case .simple: 1
        case .gru: 3
        case .lstm: 4
        }
    }

    /// The blocks of `gates`: the activated gates, and of a GRU `p2` as a fourth.
    package var storedCount: Int { kind == .gru ? 4 : gateCount }

    /// Which state the gradient needs besides the gates; `nil` for a simple cell.
    package var keptState: Recurrence.Result? {
        switch kind {
        case .simple: nil
        case .gru: .previousHidden
        case .lstm: .previousCells
        }
    }

    var description: String {
        kind == .simple
            ? "simple, \(activation.description)"
            : "\(kind.rawValue), \(activation.description), gates \(gateActivation.description)"
    }

    /// The gates to be kept, and the next states; `cells` is handed through where the cell has none.
    func forward<Number: CellNumber>(
        projected x: [Number], products p: [Number], hidden: Number, cells: Number
    ) -> (gates: [Number], hidden: Number, cells: Number) {
        func gate(_ index: Int) -> Number { (x[index] + p[index]).activated(by: gateActivation) }
        switch kind {
        case .simple:
            let next = (x[0] + p[0]).activated(by: activation)
            return ([next], next, cells)
        case .gru:
            let (update, reset) = (gate(0), gate(1))
            let candidate = (x[2] + reset * p[2]).activated(by: activation)
            return ([update, reset, candidate, p[2]], update * hidden + update.complement * candidate, cells)
        case .lstm:
            let (enter, keep, leave) = (gate(0), gate(1), gate(3))
            let candidate = (x[2] + p[2]).activated(by: activation)
            let next = keep * cells + enter * candidate
            return ([enter, keep, candidate, leave], leave * next.activated(by: activation), next)
        }
    }

    /// From the gradients with respect to a step's new states those with respect to what enters it.
    /// - Parameters:
    ///   - previous: the state of `keptState` before the step.
    /// - Returns: the gradients with respect to x and p; to h apart from p, `nil` where that is 0; and to c.
    func backward<Number: CellNumber>(
        gates: [Number], previous: Number, hidden: Number, cells: Number
    ) -> (projected: [Number], products: [Number], hidden: Number?, cells: Number) {
        func slope(_ index: Int) -> Number { gates[index].slope(of: gateActivation) }
        switch kind {
        case .simple:
            let sum = hidden * gates[0].slope(of: activation)
            return ([sum], [sum], nil, cells)
        case .gru:
            let (update, reset, candidate) = (gates[0], gates[1], gates[2])
            let atUpdate = hidden * (previous + -candidate) * slope(0)
            let atCandidate = hidden * update.complement * candidate.slope(of: activation)
            let atReset = atCandidate * gates[3] * slope(1)
            return (
                [atUpdate, atReset, atCandidate], [atUpdate, atReset, atCandidate * reset], hidden * update, cells
            )
        case .lstm:
            let (enter, keep, candidate, leave) = (gates[0], gates[1], gates[2], gates[3])
            let value = (keep * previous + enter * candidate).activated(by: activation)
            let atCells = cells + hidden * leave * value.slope(of: activation)
            let sums = [
                atCells * candidate * slope(0), atCells * previous * slope(1),
                atCells * enter * candidate.slope(of: activation), hidden * value * slope(3),
            ]
            return (sums, sums, nil, atCells * keep)
        }
    }
}

extension Tensor: CellNumber {
    var complement: Tensor { 1 - self }

    func activated(by function: RecurrenceActivation) -> Tensor {
        switch function {
        case .linear: self
        case .relu: ApusGraph.relu(self)
        case .sigmoid: ApusGraph.sigmoid(self)
        case .tanh: ApusGraph.tanh(self)
        case .hardSigmoid(let slope): saturate(slope * self + 0.5, 0...1)
        }
    }

    func slope(of function: RecurrenceActivation) -> Tensor {
        switch function {
        case .linear: Tensor.constant(1).broadcast(to: shape)
        case .relu: self .> 0
        case .sigmoid: self * (1 - self)
        case .tanh: 1 - square(self)
        case .hardSigmoid(let slope): slope * ((self .> 0) * (self .< 1))
        }
    }
}

/// A number of the reference executor in a cell's formulas.
struct ReferenceNumber<Scalar: RealScalar>: CellNumber {
    var value: Scalar

    init(_ value: Scalar) { self.value = value }

    static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }
    static func * (a: Self, b: Self) -> Self { Self(a.value * b.value) }
    static prefix func - (a: Self) -> Self { Self(-a.value) }
    var complement: Self { Self(1 - value) }

    func activated(by function: RecurrenceActivation) -> Self {
        switch function {
        case .linear: self
        case .relu: Self(Unary(.relu).value(value))
        case .sigmoid: Self(Unary(.sigmoid).value(value))
        case .tanh: Self(Scalar.tanh(value))
        case .hardSigmoid(let slope): Self(Swift.min(Swift.max(Scalar(slope) * value + 0.5, 0), 1))
        }
    }

    func slope(of function: RecurrenceActivation) -> Self {
        switch function {
        case .linear: Self(1)
        case .relu: Self(value > 0 ? 1 : 0)
        case .sigmoid: Self(value * (1 - value))
        case .tanh: Self(1 - value * value)
        case .hardSigmoid(let slope): Self(value > 0 && value < 1 ? Scalar(slope) : 0)
        }
    }
}
