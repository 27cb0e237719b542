import Testing

import ApusPictures

/// Expected ticks are worked out by hand: the smallest step of 1, 2 or 5 times a power of ten with few enough of them.
@Suite struct TicksTests {
    struct Case: Sendable {
        var range: ClosedRange<Double>
        var limit: Int
        var wholeNumbers = false
        var labels: [String]
    }

    @Test(arguments: [
        // Step 0.1 has 11 multiples, 0.2 has 6.
        Case(range: 0...1, limit: 6, labels: ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        Case(range: 0...1, limit: 11, labels: (0...9).map { "0.\($0)" } + ["1.0"]),
        // 0.02 has 17 multiples, 0.05 has 6.
        Case(range: 0.017...0.34, limit: 8, labels: ["0.05", "0.10", "0.15", "0.20", "0.25", "0.30"]),
        Case(range: -4.1...4.1, limit: 9, labels: ["−4", "−3", "−2", "−1", "0", "1", "2", "3", "4"]),
        // 2 has 15 multiples, 5 has 6.
        Case(range: 0.42...30.58, limit: 8, wholeNumbers: true, labels: ["5", "10", "15", "20", "25", "30"]),
        Case(range: 0.5...1.5, limit: 8, wholeNumbers: true, labels: ["1"]),
        Case(range: 0.9...3.1, limit: 8, wholeNumbers: true, labels: ["1", "2", "3"]),
        Case(range: 0.9...2.1, limit: 7, labels: ["1.0", "1.2", "1.4", "1.6", "1.8", "2.0"]),
        Case(range: 0...25_000_000, limit: 3, labels: ["0", "1e7", "2e7"]),
        Case(range: 1e-7...2.5e-7, limit: 4, labels: ["1.0e−7", "1.5e−7", "2.0e−7", "2.5e−7"]),
        Case(range: 0...100_000, limit: 3, labels: ["0", "50000", "100000"]),
        // Less than the least step there can be, and more than the greatest number.
        Case(range: 0...Double.leastNonzeroMagnitude, limit: 8, labels: []),
        Case(range: 0...1e-303, limit: 8, labels: []),
        Case(range: -1e308...1e308, limit: 8, labels: []),
    ])
    func linear(_ item: Case) {
        let ticks = Ticks.linear(in: item.range, atMost: item.limit, wholeNumbers: item.wholeNumbers)
        #expect(ticks.map(\.label) == item.labels)
    }

    @Test func linearValuesAreTheDecimalsThemselves() {
        let ticks = Ticks.linear(in: 0...1, atMost: 11)
        #expect(ticks.map(\.value) == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
    }

    @Test func noRangeHasNoTicks() {
        #expect(Ticks.linear(in: 2...2, atMost: 5).isEmpty)
        #expect(Ticks.linear(in: -1.7e308...1.7e308, atMost: 5).isEmpty)
        #expect(Ticks.linear(in: 0...1, atMost: 0).isEmpty)
    }

    @Test(arguments: [
        Case(range: 1e-6...2, limit: 10, labels: ["1e−6", "1e−5", "0.0001", "0.001", "0.01", "0.1", "1"]),
        // Seven decades for four marks: every second.
        Case(range: 1e-6...2, limit: 4, labels: ["1e−6", "0.0001", "0.01", "1"]),
        Case(range: 0.3...8, limit: 10, labels: ["0.5", "1", "2", "5"]),
        // No 1, 2 or 5 within: linear.
        Case(range: 2.1...4.9, limit: 6, labels: ["2.5", "3.0", "3.5", "4.0", "4.5"]),
    ])
    func logarithmic(_ item: Case) {
        #expect(Ticks.logarithmic(in: item.range, atMost: item.limit).map(\.label) == item.labels)
    }
}

@Suite struct AxisTests {
    private func expectRange(_ range: ClosedRange<Double>, _ low: Double, _ high: Double) {
        #expect(abs(range.lowerBound - low) < 1e-12 && abs(range.upperBound - high) < 1e-12, "\(range)")
    }

    @Test func rangeHasAMargin() {
        // The span is 2, and 5 % of it 0.1.
        expectRange(Axis.range(of: [3, 1, 2], margin: 0.05), 0.9, 3.1)
        expectRange(Axis.range(of: [-1, 1], margin: 0.05), -1.1, 1.1)
    }

    @Test func constantsHaveRoom() {
        expectRange(Axis.range(of: [2, 2], margin: 0.05), 1.8, 2.2)
        expectRange(Axis.range(of: [-1], margin: 0.05), -1.1, -0.9)
        expectRange(Axis.range(of: [0], margin: 0.05), -0.5, 0.5)
        expectRange(Axis.range(of: [], margin: 0.05), 0, 1)
    }

    @Test func placesPoints() {
        // A quarter up from the bottom of 50 points: 20 + 50 * 3/4.
        let plot = PlotFrame(
            x: Axis(label: "", range: 0...10), y: Axis(label: "", range: 0...1),
            area: Rectangle(x: 10, y: 20, width: 100, height: 50))
        #expect(plot.place(Point(x: 5, y: 0.25)) == Point(x: 60, y: 57.5))
    }

    @Test func logarithmicFraction() {
        let axis = Axis(label: "", range: 0.01...100, scale: .logarithmic)
        #expect(abs(axis.fraction(of: 1) - 0.5) < 1e-12)
        #expect(abs(axis.fraction(of: 0.1) - 0.25) < 1e-12)
    }
}
