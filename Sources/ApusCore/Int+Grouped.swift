extension Int {
    /// With commas, as in `669,706`.
    package var grouped: String {
        let digits = Array(String(magnitude))
        let grouped = digits.enumerated().map { index, digit in
            index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : "\(digit)"
        }
        return (self < 0 ? "-" : "") + grouped.joined()
    }
}
