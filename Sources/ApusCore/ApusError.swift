/// Everything that can go wrong for a reason outside Apus: a model that does not fit together, data, files, devices.
///
/// The cases carry data only. Their wording is in `ApusError+Wording.swift`.
public enum ApusError: Error, Hashable, Sendable {
    /// Shapes or element types that do not fit.
    case shape(ShapeProblem)
    /// A setting outside its range: of what, which one, its value, what is allowed.
    case setting(owner: String, name: String, value: String, expected: String)
    /// A file that cannot be used.
    case file(path: String, FileProblem)
    /// A label outside `0..<classCount`, first met at sample `index` of `source`.
    case label(Int, index: Int, classCount: Int, source: String)
    /// Number `place` of the indices of `layer` (empty where it is none) is outside `0..<count`.
    case index(Int, place: Int, count: Int, layer: String)
    /// A word that names none of `known` things of its kind.
    case unknownName(kind: String, name: String, known: [String])
    /// A call of a library that failed, by the library's own account.
    case library(name: String, call: String, status: String)
    /// Something that should be a finite number and is not.
    case notFinite(NotFiniteProblem)
    /// A variable that is read before it has been given its first values, by a layer (`nil` outside layers).
    case uninitialized(variable: String, layer: String?)
    /// Memory that there is not: what needs it, and how much.
    case memory(purpose: String, byteCount: Int)
    /// Something that could not be fetched.
    case download(url: String, reason: String, cure: String)
    /// A command line that cannot be carried out.
    case usage(problem: String, cure: String)
}

/// Two sides that do not fit, and where.
public struct ShapeProblem: Hashable, Sendable {
    /// The layers from the outermost model inwards, as in `encoder/dense2`; `nil` outside layers.
    public var layer: String?
    /// The operation or layer setting that found it.
    public var operation: String
    /// What would fit, in words.
    public var expected: String
    /// What came instead, in words.
    public var received: String
    /// What most likely mends it.
    public var cure: String
    /// The source line that applied the layer, as `File.swift:12`.
    public var location: String?

    public init(
        layer: String? = nil, operation: String, expected: String, received: String, cure: String,
        location: String? = nil
    ) {
        self.layer = layer
        self.operation = operation
        self.expected = expected
        self.received = received
        self.cure = cure
        self.location = location
    }
}

/// What is wrong with a file.
public enum FileProblem: Hashable, Sendable {
    case missing
    /// The system refused, for the reason it gives.
    case unreadable(reason: String)
    case unwritable(reason: String)
    /// It cannot be written, as there is no such folder.
    case missingFolder(String)
    /// Shorter than it says itself; both in bytes.
    case truncated(expectedByteCount: Int, byteCount: Int)
    /// Not of the kind that was expected.
    case foreign(expected: String, found: String)
    /// As `foreign`, where the file as a whole is known to be something else.
    case otherKind(expected: String, found: String)
    /// Of the right kind, but its contents contradict themselves or break the format's rules.
    case damaged(reason: String)
    /// A text file with something else at a line (from 1) and column (from 1; `nil` for the whole line) than what is
    /// needed there.
    case field(line: Int, column: Int?, name: String?, expected: String, found: String)
    /// Not the bytes that were published.
    case checksum(expected: String, found: String)
    /// A checkpoint that is not whole.
    case checkpoint(reason: String)
    /// Another process writes there; its number, where that is known.
    case locked(processID: Int?)
}

extension ApusError {
    /// Whether there was too little memory. Libraries say so in words of their own.
    package var isOfMemory: Bool {
        switch self {
        case .memory: true
        case .library(_, _, let status): ["out of memory", "cannot allocate memory"].contains(status.lowercased())
        default: false
        }
    }
}
