// One import for everything that a user needs.
@_exported import ApusCPU
@_exported import ApusCore
@_exported import ApusData
@_exported import ApusGraph
@_exported import ApusImages
@_exported import ApusNN
@_exported import ApusPictures
@_exported import ApusPlan
@_exported import ApusTrain

/// The version of this library and of the program `apus`.
public enum ApusVersion {
    public static let current = "0.1.0"
}
