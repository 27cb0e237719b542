/// Vectors of one length in one piece of memory, and how they are made orthonormal.
struct VectorRows {
    let count: Int
    let length: Int
    /// The words of one vector; what is behind its numbers is 0.
    private let width: Int
    private var words: [SIMD2<Double>]

    /// - Parameter number: what stands at a place of a vector.
    init(count: Int, length: Int, number: (_ vector: Int, _ place: Int) -> Double) {
        (self.count, self.length) = (count, length)
        width = (length + 1) / 2
        words = [SIMD2<Double>](repeating: .zero, count: count * width)
        for vector in 0..<count {
            for place in 0..<length { words[vector * width + place / 2][place % 2] = number(vector, place) }
        }
    }

    subscript(vector: Int, place: Int) -> Double { words[vector * width + place / 2][place % 2] }

    /// Gram and Schmidt's process: from each vector its parts along those before it are taken, and it is divided by its
    /// length; and once more where little was left of it, since then rounding leaves some of those parts.
    ///
    /// Four vectors go together, and meet two of those before them at a time, so that memory is read less often.
    /// Source: Giraud, Langou and Rozložník, The loss of orthogonality in the Gram-Schmidt orthogonalization process,
    /// 2005.
    mutating func orthonormalize() {
        let (count, width) = (count, width)
        words.withUnsafeMutableBufferPointer { words in
            guard let start = words.baseAddress else { return }
            let rows = OpenRows(start: start, width: width)
            for first in stride(from: 0, to: count, by: 4) {
                let group = first..<min(first + 4, count)
                if !rows.orthonormalize(group) { _ = rows.orthonormalize(group) }
            }
        }
    }
}

/// The words of vectors while they change.
private struct OpenRows {
    let start: UnsafeMutablePointer<SIMD2<Double>>
    let width: Int

    private func row(_ vector: Int) -> UnsafeMutablePointer<SIMD2<Double>> { start + vector * width }

    /// One round for the vectors of `group`.
    /// - Returns: whether at least half of each square was left.
    func orthonormalize(_ group: Range<Int>) -> Bool {
        let squares = group.map { square($0) }
        if group.count == 4 {
            for other in stride(from: 0, to: group.lowerBound, by: 2) { removeTwo(other, fromFourAt: group.lowerBound) }
        } else {
            for vector in group { for other in 0..<group.lowerBound { remove(other, from: vector) } }
        }
        var isEnough = true
        for (vector, before) in zip(group, squares) {
            for other in group.lowerBound..<vector { remove(other, from: vector) }
            let left = square(vector)
            isEnough = isEnough && left >= 0.5 * before
            let own = row(vector)
            for word in 0..<width { own[word] /= left.squareRoot() }
        }
        return isEnough
    }

    private func square(_ vector: Int) -> Double {
        let own = row(vector)
        var sum = SIMD2<Double>.zero
        for word in 0..<width { sum += own[word] * own[word] }
        return sum.sum()
    }

    /// Takes from `vector` its part along `other`, of length 1.
    private func remove(_ other: Int, from vector: Int) {
        let (own, unit) = (row(vector), row(other))
        var sum = SIMD2<Double>.zero
        for word in 0..<width { sum += own[word] * unit[word] }
        let part = sum.sum()
        for word in 0..<width { own[word] -= part * unit[word] }
    }

    /// As `remove`, of `other` and the one behind it, from four vectors from `first` on.
    private func removeTwo(_ other: Int, fromFourAt first: Int) {
        let (u, v) = (row(other), row(other + 1))
        let (a, b, c, d) = (row(first), row(first + 1), row(first + 2), row(first + 3))
        var (au, bu, cu, du) = (SIMD2<Double>.zero, SIMD2<Double>.zero, SIMD2<Double>.zero, SIMD2<Double>.zero)
        var (av, bv, cv, dv) = (au, bu, cu, du)
        for word in 0..<width {
            let (x, y) = (u[word], v[word])
            let (p, q, r, s) = (a[word], b[word], c[word], d[word])
            au += p * x
            av += p * y
            bu += q * x
            bv += q * y
            cu += r * x
            cv += r * y
            du += s * x
            dv += s * y
        }
        let (alongU, alongV) = (
            SIMD4(au.sum(), bu.sum(), cu.sum(), du.sum()), SIMD4(av.sum(), bv.sum(), cv.sum(), dv.sum())
        )
        for word in 0..<width {
            let (x, y) = (u[word], v[word])
            a[word] -= alongU[0] * x + alongV[0] * y
            b[word] -= alongU[1] * x + alongV[1] * y
            c[word] -= alongU[2] * x + alongV[2] * y
            d[word] -= alongU[3] * x + alongV[3] * y
        }
    }
}
