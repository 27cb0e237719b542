import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct InitializerTests {
    private static let shape: Shape = [200, 300]

    private func numbers(_ initializer: Initializer, _ shape: Shape = shape, seed: UInt64 = 1, stream: UInt32 = 2)
        -> [Double]
    {
        initializer.values(shape: shape, seed: seed, stream: stream).doubles
    }

    private func deviation(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    }

    /// Fan in 200, fan out 300; deviations by each initializer's definition. 60,000 numbers give a deviation to
    /// about 0.3 %, so 1.5 % is far enough.
    @Test func deviations() {
        let expected: [(Initializer, Double)] = [
            (.uniform(-0.3, 0.3), 0.6 / 12.0.squareRoot()),
            (.normal(mean: 0, deviation: 0.1), 0.1),
            (.truncatedNormal(mean: 0, deviation: 0.1), 0.1 * 0.87962566),
            (.glorotUniform, (2.0 / 500).squareRoot()),
            (.glorotNormal, (2.0 / 500).squareRoot()),
            (.heUniform, (2.0 / 200).squareRoot()),
            (.heNormal, (2.0 / 200).squareRoot()),
            (.lecunUniform, (1.0 / 200).squareRoot()),
            (.lecunNormal, (1.0 / 200).squareRoot()),
        ]
        for (initializer, expected) in expected {
            let values = numbers(initializer)
            let mean = values.reduce(0, +) / Double(values.count)
            #expect((deviation(values) / expected - 1).magnitude < 0.015, "\(initializer)")
            #expect(mean.magnitude < 0.02 * expected, "\(initializer)")
        }
        let shifted = numbers(.normal(mean: 5, deviation: 0.1))
        #expect((shifted.reduce(0, +) / 60_000 - 5).magnitude < 0.003)
    }

    /// Uniform ones stay within their limit and come close to it; truncated ones within two deviations.
    @Test func bounds() {
        let bounds: [(Initializer, Double)] = [
            (.uniform(-0.01, 0.01), 0.01), (.glorotUniform, (6.0 / 500).squareRoot()),
            (.heUniform, (6.0 / 200).squareRoot()), (.lecunUniform, (3.0 / 200).squareRoot()),
            (.truncatedNormal(mean: 0, deviation: 0.5), 1),
            (.heNormal, 2 * (2.0 / 200).squareRoot() / 0.87962566),
        ]
        for (initializer, bound) in bounds {
            let largest = numbers(initializer).map(\.magnitude).max() ?? 0
            #expect(largest <= bound * (1 + 1e-6) && largest > 0.99 * bound, "\(initializer): \(largest), \(bound)")
        }
    }

    /// The quartiles of a normal distribution cut at two deviations: x with P(x) = 0.0228 + 0.25 * 0.9545 = 0.26137,
    /// which is -0.639 by the table of the normal distribution.
    @Test func truncatedNormalQuartiles() {
        let values = numbers(.truncatedNormal(mean: 0, deviation: 1)).sorted()
        #expect((values[15_000] + 0.639).magnitude < 0.02)
        #expect((values[45_000] - 0.639).magnitude < 0.02)
    }

    /// Kernels of convolutions count the window: [5, 5, 3, 8] has fan in 75 and fan out 200.
    @Test func fansOfWindows() {
        let limit = (6.0 / 275).squareRoot()
        let largest = numbers(.glorotUniform, [5, 5, 3, 8]).map(\.magnitude).max() ?? 0
        #expect(largest <= limit && largest > 0.95 * limit)
        let narrow = numbers(.heUniform, [5, 5, 3, 8]).map(\.magnitude).max() ?? 0
        #expect(narrow <= (6.0 / 75).squareRoot() && narrow > 0.95 * (6.0 / 75).squareRoot())
    }

    @Test(arguments: [[4, 9], [9, 4], [6, 6], [2, 3, 4], [1, 5], [3, 1]])
    func orthogonal(_ sizes: [Int]) {
        let (rows, columns) = (sizes.dropLast().reduce(1, *), sizes[sizes.count - 1])
        let values = numbers(.orthogonal(gain: 2), Shape(sizes))
        let isWide = columns > rows
        let (count, length) = isWide ? (rows, columns) : (columns, rows)
        func element(_ vector: Int, _ place: Int) -> Double {
            isWide ? values[vector * columns + place] : values[place * columns + vector]
        }
        for first in 0..<count {
            for second in 0..<count {
                let product = (0..<length).reduce(0) { $0 + element(first, $1) * element(second, $1) }
                #expect((product - (first == second ? 4 : 0)).magnitude < 1e-5)
            }
        }
    }

    /// A matrix of two rows by Gram and Schmidt's process in Double, worked out in another program from the same normal
    /// numbers: seeds mean what they meant.
    @Test func orthogonalNumbers() {
        let values = numbers(.orthogonal, [2, 3]).map { Float($0) }
        #expect(values == [0.8567581, 0.5155573, -0.012894589, 0.51560205, -0.85682815, 0.00017574317])
    }

    /// Several groups of vectors, the last one of them incomplete.
    @Test(arguments: [[30, 45], [45, 30], [33, 33]]) func orthogonalOfManyVectors(_ sizes: [Int]) {
        let values = numbers(.orthogonal, Shape(sizes))
        let isWide = sizes[1] > sizes[0]
        let (count, length) = isWide ? (sizes[0], sizes[1]) : (sizes[1], sizes[0])
        let vectors = (0..<count).map { vector in
            (0..<length).map { values[isWide ? vector * length + $0 : $0 * count + vector] }
        }
        for (first, left) in vectors.enumerated() {
            for (second, right) in vectors.enumerated() {
                let product = zip(left, right).reduce(0) { $0 + $1.0 * $1.1 }
                #expect((product - (first == second ? 1 : 0)).magnitude < 1e-6)
            }
        }
    }

    /// All orthogonal matrices are equally likely: the diagonal has no preferred sign.
    @Test func orthogonalSigns() {
        let positive = (0..<200).filter { numbers(.orthogonal, [1, 1], stream: UInt32($0))[0] > 0 }.count
        #expect((60...140).contains(positive))
    }

    @Test func plainOnes() {
        #expect(numbers(.zeros, [2]) == [0, 0])
        #expect(numbers(.ones, [2]) == [1, 1])
        #expect(numbers(.constant(-3), [2]) == [-3, -3])
        #expect(numbers(.identity(gain: 2), [2, 3]) == [2, 0, 0, 0, 2, 0])
        #expect(numbers(.heNormal, [0, 3]).isEmpty)
        #expect(numbers(.heNormal, []).count == 1)
    }

    @Test func valuesAreAFunctionOfSeedAndStream() {
        for initializer in [Initializer.uniform(0, 1), .normal(), .heNormal, .orthogonal] {
            #expect(numbers(initializer, [4, 4]) == numbers(initializer, [4, 4]))
            #expect(numbers(initializer, [4, 4]) != numbers(initializer, [4, 4], seed: 2))
            #expect(numbers(initializer, [4, 4]) != numbers(initializer, [4, 4], stream: 3))
        }
        // A longer array starts with the shorter one.
        #expect(Array(numbers(.heNormal, [1, 8]).prefix(5)) == numbers(.heNormal, [1, 5]))
    }
}
