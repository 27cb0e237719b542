/// Orders steps so that each comes after those that it needs; among those that are ready, the one with the lowest
/// `rank` goes first.
package struct Ordering {
    package private(set) var prerequisites: [Set<Int>]
    private let ranks: [Int]

    package init(prerequisites: [Set<Int>], ranks: [Int]) {
        self.prerequisites = prerequisites
        self.ranks = ranks
    }

    /// Asks that `first` come before `second`; `false`, and nothing changed, where `second` is needed by `first`.
    package mutating func require(_ first: Int, before second: Int) -> Bool {
        if first == second || prerequisites[second].contains(first) { return first != second }
        guard !isNeeded(second, by: first) else { return false }
        prerequisites[second].insert(first)
        return true
    }

    private func isNeeded(_ step: Int, by user: Int) -> Bool {
        var stack = [user]
        var seen: Set<Int> = [user]
        while let current = stack.popLast() {
            if current == step { return true }
            for next in prerequisites[current] where seen.insert(next).inserted { stack.append(next) }
        }
        return false
    }

    /// All steps in order.
    package func sorted() -> [Int] {
        var missing = prerequisites.map(\.count)
        var users = [[Int]](repeating: [], count: prerequisites.count)
        for (step, needed) in prerequisites.enumerated() { for other in needed { users[other].append(step) } }
        var ready = missing.indices.filter { missing[$0] == 0 }
        var order: [Int] = []
        while let place = ready.indices.min(by: { ranks[ready[$0]] < ranks[ready[$1]] }) {
            let step = ready.remove(at: place)
            order.append(step)
            for user in users[step] {
                missing[user] -= 1
                if missing[user] == 0 { ready.append(user) }
            }
        }
        precondition(order.count == prerequisites.count, "the steps need each other in a circle")
        return order
    }
}
