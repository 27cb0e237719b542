import ApusCore
import ApusGraph
import ApusPlan

/// Where every value of a plan is in memory. The places of the caller's inputs change from run to run; all others
/// are fixed.
final class CPUMemory {
    /// The address of each value.
    let addresses: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// What is read in the place of a value that the caller gives.
    let byteRows: UnsafeMutablePointer<ByteRows?>
    private let count: Int
    private let arena: UnsafeMutableRawPointer
    private let constants: [UnsafeMutableRawPointer]
    /// Keeps the variables' storage alive.
    private let variables: [Variable]
    /// The values that the caller gives, with the number of the input.
    private let inputs: [(value: Int, input: Int)]

    /// - Throws: `ApusError.memory`.
    init(_ plan: Plan, variables: [Variable]) throws {
        self.variables = variables
        count = plan.values.count
        arena = try HostMemory.allocate(byteCount: max(plan.arenaByteCount, 64), for: "A step")
        arena.initializeMemory(as: UInt8.self, repeating: 0, count: max(plan.arenaByteCount, 64))
        constants = plan.constants.map { constant in
            let copy = UnsafeMutableRawPointer.allocate(byteCount: max(constant.byteCount, 64), alignment: 64)
            constant.withUnsafeBytes {
                if let base = $0.baseAddress { copy.copyMemory(from: base, byteCount: $0.count) }
            }
            return copy
        }
        addresses = .allocate(capacity: max(count, 1))
        byteRows = .allocate(capacity: max(count, 1))
        byteRows.initialize(repeating: nil, count: count)
        var inputs: [(value: Int, input: Int)] = []
        for (index, value) in plan.values.enumerated() {
            var address = arena
            switch value.location {
            case .arena(let offset): address = arena + offset
            case .variable(let variable): address = variables[variable].storage
            case .constant(let constant): address = constants[constant]
            case .input(let input): inputs.append((index, input))
            }
            (addresses + index).initialize(to: address)
        }
        self.inputs = inputs
    }

    deinit {
        addresses.deallocate()
        byteRows.deallocate()
        arena.deallocate()
        for constant in constants { constant.deallocate() }
    }

    func bind(_ pointers: UnsafeBufferPointer<UnsafeRawPointer>, _ rows: UnsafeBufferPointer<ByteRows?>) {
        for (value, input) in inputs {
            addresses[value] = UnsafeMutableRawPointer(mutating: pointers[input])
            byteRows[value] = input < rows.count ? rows[input] : nil
        }
    }

    func floats(_ value: Int) -> UnsafeMutablePointer<Float> { addresses[value].assumingMemoryBound(to: Float.self) }
    func integers(_ value: Int) -> UnsafeMutablePointer<Int32> { addresses[value].assumingMemoryBound(to: Int32.self) }
}
