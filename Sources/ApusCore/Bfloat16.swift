extension BinaryFloatingPoint {
    /// The nearest bfloat16 number: 8 significant bits, and the exponents of Float. Of two equally near ones it is that
    /// whose last bit is 0. From 2^128 - 2^119 on it is infinity; NaN stays NaN, and a zero keeps its sign.
    package var roundedToBfloat16: Self {
        guard isFinite, self != 0 else { return self }
        // The distance between neighbours; the subnormal ones are 2^-133 apart.
        let unit = Self(sign: .plus, exponent: Swift.max(exponent, -126) - 7, significand: 1)
        let result = (self / unit).rounded(.toNearestOrEven) * unit
        return result.magnitude >= Self(sign: .plus, exponent: 127, significand: 1) * 2
            ? Self(signOf: self, magnitudeOf: .infinity) : result
    }
}
