import Apus

/// Where the time of a training step goes, kernel by kernel, and what bounds each.
package struct StepProfile: Sendable {
    /// What a kernel can at best be limited by.
    package enum Bound: String, Hashable, Sendable, Codable {
        /// It takes more operations than memory can keep waiting.
        case arithmetic
        /// Its bytes take longer than its operations.
        case memory
    }

    /// A step of the plan.
    package struct Row: Hashable, Sendable, Codable {
        /// The step's number in the plan.
        package let number: Int
        /// Empty where it belongs to no layer.
        package let layer: String
        package let part: Plan.Part
        /// As printed plans have it, such as `matMul+bias+sigmoid`.
        package let operation: String
        /// Of a product its factors', of all else the largest array's.
        package let shapes: String
        /// As in `MatMul`.
        package let kernel: String
        /// What computes it: in oneDNN's words, or of our own loops those that were chosen among several.
        package let implementation: String?
        package let seconds: Double
        /// Additions, multiplications and function values; of a convolution those of the plain sum, however it is
        /// computed.
        package let flopCount: Int
        /// What it reads and writes, each array once.
        package let byteCount: Int
        package let bound: Bound
        /// The shortest time that the bound allows.
        package let boundSeconds: Double

        package init(
            number: Int, layer: String, part: Plan.Part, operation: String, shapes: String, kernel: String,
            implementation: String?, seconds: Double, flopCount: Int, byteCount: Int, bound: Bound, boundSeconds: Double
        ) {
            (self.number, self.layer, self.part, self.operation) = (number, layer, part, operation)
            (self.shapes, self.kernel, self.implementation) = (shapes, kernel, implementation)
            (self.seconds, self.flopCount, self.byteCount) = (seconds, flopCount, byteCount)
            (self.bound, self.boundSeconds) = (bound, boundSeconds)
        }
    }

    package let workload: String
    /// How products are computed in this plan, which is float32 where float32-fast would be slower.
    package let precision: Precision
    package let batchSize: Int
    package let threadCount: Int
    package let peaks: MachinePeaks
    /// A step with no clock inside.
    package let stepSeconds: Double
    /// In the plan's order.
    package let rows: [Row]

    package var kernelSeconds: Double { rows.reduce(0) { $0 + $1.seconds } }
    /// What the kernels would take if each were as fast as its bound allows.
    package var boundSeconds: Double { rows.reduce(0) { $0 + $1.boundSeconds } }
    /// What no kernel accounts for; noise can make it negative.
    package var remainingSeconds: Double { stepSeconds - kernelSeconds }

    /// - Parameters:
    ///   - stepSeconds: a step's time.
    ///   - kernelSeconds: each kernel's, in the plan's order.
    package init(
        _ executable: any Executable, workload: String, batchSize: Int, threadCount: Int, peaks: MachinePeaks,
        stepSeconds: Double, kernelSeconds: [Double]
    ) {
        let plan = executable.plan
        let (parts, layers) = (plan.parts, plan.layers)
        let rows = plan.steps.enumerated().map { index, step in
            let byteCount = plan.byteCount(of: step)
            let rate = peaks.products(ofRoundedFactors: step.kernel.multipliesRoundedFactors(in: plan.precision))
            let arithmetic = Double(step.flopCount) / rate
            let memory = Double(byteCount) / peaks.memoryRate(byteCount: byteCount)
            return Row(
                number: index, layer: layers[index], part: parts[index], operation: "\(step.kernel)",
                shapes: plan.shapes(of: step), kernel: executable.kernelName(ofStep: index),
                implementation: executable.implementation(ofStep: index), seconds: kernelSeconds[index],
                flopCount: step.flopCount, byteCount: byteCount,
                bound: arithmetic >= memory ? .arithmetic : .memory, boundSeconds: max(arithmetic, memory))
        }
        self.init(
            workload: workload, precision: plan.precision, batchSize: batchSize, threadCount: threadCount, peaks: peaks,
            stepSeconds: stepSeconds, rows: rows)
    }

    package init(
        workload: String, precision: Precision, batchSize: Int, threadCount: Int, peaks: MachinePeaks,
        stepSeconds: Double, rows: [Row]
    ) {
        (self.workload, self.precision) = (workload, precision)
        (self.batchSize, self.threadCount) = (batchSize, threadCount)
        (self.peaks, self.stepSeconds, self.rows) = (peaks, stepSeconds, rows)
    }
}

extension Plan.Kernel {
    /// Whether what it multiplies are bfloat16 numbers. In float32-fast, each of a product's three is a step of its own,
    /// and recurrences are float32.
    fileprivate func multipliesRoundedFactors(in precision: Precision) -> Bool {
        switch self {
        case .matMul, .convolution, .matMulUpdate, .matMulOptimizer: precision != .float32
        case .projectedRecurrence(let rules, _, _, _): rules.contains { $0.roundsFactors }
        case .recurrenceGradient(let rule, _, _, _): rule.roundsFactors
        case .operation(let operation): operation.multipliesRoundedFactors(in: precision)
        case .shared(let operations): operations.contains { $0.multipliesRoundedFactors(in: precision) }
        case .elementwise, .copy: false
        }
    }
}

extension Operation {
    fileprivate func multipliesRoundedFactors(in precision: Precision) -> Bool {
        switch self {
        case .matMul, .convolution, .convolutionInputGradient, .convolutionKernelGradient: precision != .float32
        case .recurrence(let rule): rule.roundsFactors
        case .recurrenceGradient(let rule): rule.roundsFactors
        default: false
        }
    }
}

extension Plan {
    /// The shapes that tell how large a step is: a product's factors, else its largest array.
    fileprivate func shapes(of step: Step) -> String {
        switch step.kernel {
        case .matMul, .matMulUpdate, .matMulOptimizer, .convolution, .projectedRecurrence: factors(of: step)
        case .operation(let operation):
            switch operation {
            case .matMul, .convolution, .convolutionInputGradient, .convolutionKernelGradient: factors(of: step)
            default: largest(of: step)
            }
        case .elementwise(let program): "\(program.domain)"
        case .shared, .recurrenceGradient, .copy: largest(of: step)
        }
    }

    private func factors(of step: Step) -> String {
        step.inputTypes.prefix(2).map { "\($0.shape)" }.joined(separator: " x ")
    }

    private func largest(of step: Step) -> String {
        let shapes = step.inputTypes.map(\.shape) + step.outputs.map { values[$0].type.shape }
        return shapes.max { $0.elementCount < $1.elementCount }.map { "\($0)" } ?? ""
    }
}
