import ApusCore
import ApusGraph

/// Copies of variables' values, in memory that is used again.
package final class VariableCopies {
    private let variables: [Variable]
    private var copies: [UnsafeMutableRawPointer] = []

    /// Takes the memory; it holds nothing before `save()`.
    /// - Parameter allocate: gives memory of so many bytes.
    /// - Throws: what `allocate` throws, `ApusError.memory` by default; what it gave before is given back then.
    package init(
        of variables: [Variable],
        allocate: (Int) throws -> UnsafeMutableRawPointer = {
            try HostMemory.allocate(byteCount: $0, for: "The copy of the variables")
        }
    ) throws {
        self.variables = variables
        for variable in variables { copies.append(try allocate(variable.type.byteCount)) }
    }

    deinit { for copy in copies { copy.deallocate() } }

    package func save() {
        for (variable, copy) in zip(variables, copies) {
            copy.copyMemory(from: variable.storage, byteCount: variable.type.byteCount)
        }
    }

    package func restore() {
        for (variable, copy) in zip(variables, copies) {
            variable.storage.copyMemory(from: copy, byteCount: variable.type.byteCount)
        }
    }
}
