/// A width and a height in points (1/72 inch).
public struct PictureSize: Hashable, Sendable {
    public var width: Double
    public var height: Double

    public init(width: Double, height: Double) {
        self.width = width
        self.height = height
    }
}

/// A pair of numbers: a place in a picture (points, y downwards) or in a chart (the data's units).
public struct Point: Hashable, Sendable {
    public var x: Double
    public var y: Double

    public init(x: Double, y: Double) {
        self.x = x
        self.y = y
    }

    /// Whether a chart can place it; magnitudes above 1e300 count as infinite, for their differences overflow.
    var isDrawable: Bool { abs(x) <= 1e300 && abs(y) <= 1e300 }
}

/// A part of a picture: its upper left corner and its size, in points, y downwards.
public struct Rectangle: Hashable, Sendable {
    public var x: Double
    public var y: Double
    public var width: Double
    public var height: Double

    public init(x: Double, y: Double, width: Double, height: Double) {
        self.x = x
        self.y = y
        self.width = width
        self.height = height
    }

    var maxX: Double { x + width }
    var maxY: Double { y + height }
    var midX: Double { x + width / 2 }
    var midY: Double { y + height / 2 }
}
