import ApusCLI
import Foundation
import FuzzTargets

extension FuzzTarget {
    static let runCard = FuzzTarget("run-card", longestInput: 4_096) { bytes in
        let card = try RunCard(Data(bytes), path: "FILE")
        _ = card.shortcoming(nil)
    }
}
