import ApusCore
import ApusGraph

// How targets are matched with predictions, for losses and metrics alike.

/// Targets to be compared with the predictions element by element: float32 and of the predictions' shape. `[batch]`
/// and `[batch, 1]` stand for each other.
/// - Parameters:
///   - name: The loss or metric, for messages.
///   - sparseAlternative: What to use in its place where the targets are labels.
/// - Throws: `ApusError.shape` where they do not fit.
func elementwiseTargets(
    _ targets: Tensor, for predictions: Tensor, in name: String, sparseAlternative: String
) throws -> Tensor {
    let (targets, predictions) = (try targets.checked(), try predictions.checked())
    try requirePredictions(predictions, in: name)
    let (given, wanted) = (targets.shape, predictions.shape)
    if given == wanted || droppingLastOne(given) == wanted || droppingLastOne(wanted) == given {
        return targets.cast(to: .float32).reshaped(to: wanted)
    }
    let areLabels = given == droppingLast(wanted) || (targets.elementType == .int32 && droppingLastOne(given) != nil)
    let cure =
        if areLabels {
            "these look like labels: use \(sparseAlternative), or make the targets one-hot (oneHotTargets(classCount:) of "
                + "a data set, oneHot(_:depth:) of a tensor)"
        } else if given.rank == wanted.rank, given.sizes.dropLast() == wanted.sizes.dropLast() {
            "give the last layer \(given[-1]) units, or the targets \(wanted[-1]) numbers a sample"
        } else if given.rank < wanted.rank, given.rank <= 2 {
            "put a Flatten layer in front of the Dense layers, so that a sample gives one vector; or make the targets' "
                + "shape that of the model's output"
        } else {
            "make the targets' shape that of the model's output"
        }
    throw ApusError.shape(
        ShapeProblem(
            operation: name, expected: "targets of the predictions' shape \(wanted)", received: "\(targets.type)",
            cure: cure))
}

/// Labels of the classes along the predictions' last axis: int32, of the predictions' shape without that axis.
/// - Parameters:
///   - name: The loss or metric, for messages.
///   - denseAlternative: What to use in its place where the targets are one-hot.
/// - Throws: `ApusError.shape` where they do not fit.
func sparseTargets(
    _ targets: Tensor, for predictions: Tensor, in name: String, denseAlternative: String
) throws -> Tensor {
    let (targets, predictions) = (try targets.checked(), try predictions.checked())
    try requirePredictions(predictions, in: name)
    let (given, wanted) = (targets.shape, droppingLast(predictions.shape))
    if given == wanted || (given.rank == predictions.shape.rank && droppingLastOne(given) == wanted) {
        return targets.reshaped(to: wanted).cast(to: .int32)
    }
    throw ApusError.shape(
        ShapeProblem(
            operation: name, expected: "labels of shape \(wanted) for predictions \(predictions.shape)",
            received: "\(targets.type)",
            cure: given == predictions.shape
                ? "these look one-hot: use \(denseAlternative), or give one label a sample"
                : given.rank < wanted.rank
                    ? "put a Flatten layer in front of the Dense layers, so that a sample gives one vector of scores; or "
                        + "give one label for each"
                    : "give one label for each vector of scores"))
}

/// - Throws: `ApusError.shape` unless `weights` has one number for each of the `values` `[batch]`.
func requireWeights(_ weights: Tensor, for values: Tensor, in name: String) throws {
    guard try weights.checked().type == values.checked().type else {
        throw ApusError.shape(
            ShapeProblem(
                operation: name, expected: "one weight a sample, \(values.type)", received: "\(weights.type)",
                cure: "give each sample one number"))
    }
}

private func requirePredictions(_ predictions: Tensor, in name: String) throws {
    guard predictions.elementType == .float32, predictions.shape.rank >= 1 else {
        throw ApusError.shape(
            ShapeProblem(
                operation: name, expected: "float32 predictions [batch, ...]", received: "\(predictions.type)",
                cure: "give the output of the model"))
    }
}

private func droppingLast(_ shape: Shape) -> Shape { Shape(Array(shape.sizes.dropLast())) }

/// The shape without its last axis where that has size 1.
private func droppingLastOne(_ shape: Shape) -> Shape? {
    shape.rank >= 2 && shape[-1] == 1 ? droppingLast(shape) : nil
}

extension Tensor {
    /// The mean over all axes but the first: `[batch, ...] -> [batch]`.
    var meanPerSample: Tensor {
        if node.failure != nil || shape.rank == 1 { return self }
        return reshaped(to: [shape[0], shape.sizes.dropFirst().reduce(1, *)]).mean(1)
    }
}
