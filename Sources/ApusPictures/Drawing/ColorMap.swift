import ApusCore

/// A way from numbers in 0...1 to colours: colours at given places, and straight lines between them.
public struct ColorMap: Hashable, Sendable {
    public struct Stop: Hashable, Sendable {
        public var position: Double
        public var color: Color

        public init(_ position: Double, _ color: Color) {
            self.position = position
            self.color = color
        }
    }

    public let name: String
    /// At least one, by rising position.
    public let stops: [Stop]

    /// - Parameter stops: colours at positions from 0 to 1, strictly rising.
    /// - Throws: `ApusError.setting` where they are none, or do not rise within 0...1.
    public init(name: String, stops: [Stop]) throws {
        let positions = stops.map(\.position)
        guard !stops.isEmpty, positions.allSatisfy({ (0...1).contains($0) }),
            zip(positions, positions.dropFirst()).allSatisfy({ $0 < $1 })
        else {
            throw ApusError.setting(
                owner: "ColorMap \(name)", name: "stops", value: "\(positions)",
                expected: "positions rising within 0...1")
        }
        self.init(known: name, stops)
    }

    private init(known name: String, _ stops: [Stop]) {
        self.name = name
        self.stops = stops
    }

    private init(known name: String, evenly colors: [UInt32]) {
        let last = Double(colors.count - 1)
        self.init(known: name, colors.enumerated().map { Stop(Double($0.offset) / last, Color(hex: $0.element)) })
    }

    /// From black to white.
    public static let gray = ColorMap(known: "gray", evenly: [0x000000, 0xFFFFFF])

    /// From dark blue over cyan, yellow and red to dark red; the customary one for class activation maps.
    public static let jet = ColorMap(
        known: "jet",
        [
            Stop(0, Color(red: 0, green: 0, blue: 0.5)), Stop(0.125, Color(red: 0, green: 0, blue: 1)),
            Stop(0.375, Color(red: 0, green: 1, blue: 1)), Stop(0.625, Color(red: 1, green: 1, blue: 0)),
            Stop(0.875, Color(red: 1, green: 0, blue: 0)), Stop(1, Color(red: 0.5, green: 0, blue: 0)),
        ])

    /// From dark purple over green to yellow, evenly in lightness: eleven points of the published map.
    ///
    /// Source: Smith and van der Walt, A Better Default Colormap for Matplotlib, 2015.
    public static let viridis = ColorMap(
        known: "viridis",
        evenly: [
            0x440154, 0x482475, 0x414487, 0x355F8D, 0x2A788E, 0x21918C, 0x22A884, 0x44BF70, 0x7AD151, 0xBDDF26,
            0xFDE725,
        ])

    /// What stands for a number that is none; no map above contains it.
    public static let missing = Color(hex: 0xFF00FF)

    /// The colour of `value`; beyond 0...1 that of the nearer end, and `missing` for NaN.
    public func color(at value: Double) -> Color {
        guard !value.isNaN else { return Self.missing }
        guard let upper = stops.firstIndex(where: { $0.position >= value }) else { return stops[stops.count - 1].color }
        guard upper > 0 else { return stops[0].color }
        let (left, right) = (stops[upper - 1], stops[upper])
        let part = (value - left.position) / (right.position - left.position)
        return Color(
            red: left.color.red + part * (right.color.red - left.color.red),
            green: left.color.green + part * (right.color.green - left.color.green),
            blue: left.color.blue + part * (right.color.blue - left.color.blue))
    }
}
