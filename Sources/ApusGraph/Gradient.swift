import ApusCore

/// The gradient of a scalar with respect to each of `targets`, as new tensors built from operations.
///
/// Reverse accumulation: the users of a value come before it, each giving its share by its operation's rule; shares
/// add up. A target that the loss does not depend on has a gradient of zeros.
/// - Throws: `ApusError.shape` where `loss` is no scalar or a target is not of float32, and whatever error a tensor
///   holds.
public func gradient(of loss: Tensor, withRespectTo targets: [Tensor]) throws -> [Tensor] {
    guard try loss.checked().shape.isScalar else {
        throw ApusError.shape(
            ShapeProblem(
                operation: "gradient", expected: "a scalar loss", received: "\(loss.shape)",
                cure: "take the sum or the mean first"))
    }
    for target in targets where try target.checked().elementType != .float32 {
        throw ApusError.shape(
            ShapeProblem(
                operation: "gradient", expected: "targets of float32 elements", received: "\(target.type)",
                cure: "leave out integer targets: nothing has a gradient with respect to them"))
    }
    let order = topologicalOrder(of: [loss])
    var isActive: Set<ObjectIdentifier> = []
    let targetNodes = Set(targets.map { ObjectIdentifier($0.node) })
    for node in order
    where targetNodes.contains(ObjectIdentifier(node))
        || node.inputs.contains(where: { isActive.contains(ObjectIdentifier($0.node)) })
    {
        isActive.insert(ObjectIdentifier(node))
    }

    var gradients: [ObjectIdentifier: Tensor] = [ObjectIdentifier(loss.node): .constant(1)]
    for node in order.reversed() where isActive.contains(ObjectIdentifier(node)) && !node.inputs.isEmpty {
        guard let upstream = gradients[ObjectIdentifier(node)] else { continue }
        let isNeeded = node.inputs.map { isActive.contains(ObjectIdentifier($0.node)) }
        let shares = node.operation.rule.gradients(
            GradientContext(inputs: node.inputs, output: Tensor(node: node), upstream: upstream, isNeeded: isNeeded))
        precondition(
            shares.count == node.inputs.count,
            "the gradient rule of \(node.operation) gave \(shares.count) shares for \(node.inputs.count) inputs")
        for (index, input) in node.inputs.enumerated() where isNeeded[index] {
            guard let share = try shares[index]?.checked() else { continue }
            precondition(
                share.type == input.type,
                "the gradient rule of \(node.operation) gave \(share.type) for an input of \(input.type)")
            mark(share, upTo: [upstream, Tensor(node: node)] + node.inputs, as: node.layerCall)
            let key = ObjectIdentifier(input.node)
            gradients[key] = gradients[key].map { $0 + share } ?? share
        }
    }
    return targets.map { gradients[ObjectIdentifier($0.node)] ?? Tensor.constant(0).broadcast(to: $0.shape) }
}

extension GradientContext {
    /// The gradients of an operation that `expression` writes out in other operations.
    func gradients(writtenOutAs expression: ([Tensor]) -> Tensor) -> [Tensor?] {
        // Stand-ins: where one input depends on another, that is not this operation's business.
        let copies = inputs.map { Tensor(.reshape(Reshape(shape: $0.shape)), [$0]) }
        let wanted = inputs.indices.filter { isNeeded[$0] }
        var shares = [Tensor?](repeating: nil, count: inputs.count)
        do {
            let loss = (expression(copies) * upstream).sum()
            let found = try gradient(of: loss, withRespectTo: wanted.map { copies[$0] })
            for (index, share) in zip(wanted, found) { shares[index] = share }
        } catch {
            for index in wanted { shares[index] = Tensor(node: Node(failure: error)) }
        }
        return shares
    }
}

/// Says of the new nodes between `boundary` and `tensor` that they come from `layerCall`.
package func mark(_ tensor: Tensor, upTo boundary: [Tensor], as layerCall: LayerCall?) {
    guard let layerCall else { return }
    var stack = [tensor.node]
    let stop = Set(boundary.map { ObjectIdentifier($0.node) })
    while let node = stack.popLast() {
        guard !stop.contains(ObjectIdentifier(node)), node.layerCall == nil, node.variable == nil else { continue }
        node.layerCall = layerCall
        stack.append(contentsOf: node.inputs.map(\.node))
    }
}
