/// Figures of one system after one epoch, as published.
public struct PublishedFigures: Hashable, Sendable {
    public let system: String
    public let epoch: Int
    /// Over the epoch's batches while the weights change.
    public let loss: Double
    public let validationLoss: Double
    /// `nil` where there is nothing to count.
    public let accuracy: Double?
    public let validationAccuracy: Double?

    public init(
        _ system: String, epoch: Int, loss: Double, _ validationLoss: Double, accuracy: Double? = nil,
        _ validationAccuracy: Double? = nil
    ) {
        self.system = system
        self.epoch = epoch
        self.loss = loss
        self.validationLoss = validationLoss
        self.accuracy = accuracy
        self.validationAccuracy = validationAccuracy
    }
}
