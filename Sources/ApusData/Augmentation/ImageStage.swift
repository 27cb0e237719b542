/// One pass over an image, with all that is random in it settled.
enum ImageStage: Equatable {
    case sample(AffineMap)
    case crop(row: Int, column: Int)
    case add(Float)
    case stretch(Float)
    case erase(row: Int, column: Int, side: Int)

    /// Whether the result stands in other memory than the image.
    var moves: Bool {
        switch self {
        case .sample, .crop: true
        case .add, .stretch, .erase: false
        }
    }
}

extension [Augmentation] {
    /// Settles what the list does with an image of `size`: writes the passes to `stages`, which has room for one each,
    /// and returns how many there are. What would change nothing makes no pass.
    func settle(_ draw: AugmentationDraw, _ size: ImageSize, into stages: UnsafeMutablePointer<ImageStage>) -> Int {
        var count = 0
        var map = AffineMap.identity
        func put(_ stage: ImageStage) {
            stages[count] = stage
            count += 1
        }
        func putMap() {
            if map != .identity { put(.sample(map)) }
            map = .identity
        }
        func number(_ range: ClosedRange<Double>, _ uniform: Double) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * uniform
        }
        for place in indices {
            let u = draw.uniforms(place)
            switch self[place] {
            case .horizontalFlip(let probability):
                if u[0] < probability { map = map.followed(by: AffineMap(columnFromColumn: -1)) }
            case .verticalFlip(let probability):
                if u[0] < probability { map = map.followed(by: AffineMap(rowFromRow: -1)) }
            case .zoom(let height, let width):
                map = map.followed(
                    by: AffineMap(rowFromRow: number(height, u[0]), columnFromColumn: number(width, u[1])))
            case .shift(let height, let width):
                map = map.followed(
                    by: AffineMap(
                        rowOffset: -number(height, u[0]) * Double(size.height),
                        columnOffset: -number(width, u[1]) * Double(size.width)))
            case .rotation(let degrees): map = map.followed(by: .rotation(degrees: number(degrees, u[0])))
            case .crop(let padding):
                let places = Double(2 * padding + 1)
                let (row, column) = (Int(u[0] * places) - padding, Int(u[1] * places) - padding)
                guard row != 0 || column != 0 else { continue }
                putMap()
                put(.crop(row: row, column: column))
            case .brightness(let range):
                let amount = number(range, u[0])
                guard amount != 0 else { continue }
                putMap()
                put(.add(Float(amount)))
            case .contrast(let range):
                let factor = number(range, u[0])
                guard factor != 1 else { continue }
                putMap()
                put(.stretch(Float(factor)))
            case .cutout(let side):
                guard side > 0 else { continue }
                putMap()
                let (row, column) = (Int(u[0] * Double(size.height)), Int(u[1] * Double(size.width)))
                // More than twice the image reaches beyond it from everywhere.
                let held = Swift.min(side, 2 * Swift.max(size.height, size.width) + 1)
                put(.erase(row: row - held / 2, column: column - held / 2, side: held))
            case .mixup: continue
            }
        }
        putMap()
        return count
    }
}
