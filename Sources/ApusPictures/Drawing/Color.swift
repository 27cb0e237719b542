/// A colour by its red, green and blue parts, each from 0 to 1 (sRGB).
public struct Color: Hashable, Sendable {
    public var red: Double
    public var green: Double
    public var blue: Double

    public init(red: Double, green: Double, blue: Double) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// A colour written as in `0xD55E00`.
    public init(hex: UInt32) {
        let parts = [16, 8, 0].map { Double((hex >> UInt32($0)) & 0xFF) / 255 }
        self.init(red: parts[0], green: parts[1], blue: parts[2])
    }

    public static let black = Color(hex: 0x000000)
    public static let white = Color(hex: 0xFFFFFF)
    static let text = Color(hex: 0x1A1A1A)
    static let note = Color(hex: 0x767676)
    static let gridLine = Color(hex: 0xE3E3E3)
    static let frameLine = Color(hex: 0x555555)
}

/// Colours to tell lines or classes apart, also for readers who see fewer of them.
package enum Palette {
    /// Source: Okabe and Ito, Color Universal Design, 2008; yellow, too pale for a line, comes last.
    static let lines: [Color] =
        [0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xE69F00, 0x56B4E9, 0x000000, 0xF0E442].map { Color(hex: $0) }

    /// Source: Petroff, Accessible Color Sequences for Data Visualization, 2021 (the sequence of ten).
    package static let classes: [Color] = [
        0x3F90DA, 0xFFA90E, 0xBD1F01, 0x94A4A2, 0x832DB6, 0xA96B59, 0xE76300, 0xB9AC70, 0x717581, 0x92DADD,
    ].map { Color(hex: $0) }

    /// `count` colours, as different as they can be: the sequence of ten, or steps through viridis for more.
    static func classes(_ count: Int) -> [Color] {
        if count <= classes.count { return Array(classes.prefix(count)) }
        return (0..<count).map { ColorMap.viridis.color(at: Double($0) / Double(count - 1)) }
    }
}
