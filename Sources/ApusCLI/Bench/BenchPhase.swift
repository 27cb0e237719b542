/// What `apus bench` times.
package enum BenchPhase: String, CaseIterable {
    /// A step: forward, backward, update, the loss read back.
    case training
    /// A call of `Model.predict` with one batch.
    case inference
    /// An epoch of `Trainer.fit`, beside as many steps whose batch is ready.
    case epoch
}
