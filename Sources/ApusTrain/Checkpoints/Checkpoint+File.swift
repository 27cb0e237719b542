import ApusCore
import ApusData
import ApusNN
import Foundation

// The file: safetensors, which any reader of that format opens. Its last tensor is the SHA-256 of all bytes before it.

extension Checkpoint {
    static let format = "apus-checkpoint"
    static let version = "1"
    private static let checksumName = "checksum"
    private static let checksumByteCount = 32

    /// Writes the checkpoint as one file, which appears only when it is complete and on the disk.
    /// - Throws: `ApusError.file` with `.unwritable`; what was there before is then unharmed.
    public func write(to url: URL) throws {
        let empty = NDArray(zeros: [Self.checksumByteCount], .uint8)
        let start = try Safetensors.start(of: tensors + [(Self.checksumName, empty)], metadata: metadata)
        try AtomicFile.write(to: url) { file in
            let digest = try SHA256.digest { update in
                try start.withUnsafeBytes { bytes in
                    try update(bytes)
                    try file.append(bytes)
                }
                for (_, value) in tensors {
                    try value.withUnsafeBytes { bytes in
                        try update(bytes)
                        try file.append(bytes)
                    }
                }
            }
            try digest.withUnsafeBytes { try file.append($0) }
        }
    }

    /// The checkpoint in the file at `url`.
    /// - Throws: `ApusError.file`: `.missing`; `.checkpoint` for one that is damaged, cut short or something else;
    ///   `.unreadable` where the system refuses, and for one with a checksum that fits which this version of Apus does
    ///   not understand.
    public init(contentsOf url: URL) throws {
        try self.init(ApusCore.contents(of: url), path: url.path)
    }

    /// The checkpoint in `data`, which errors name by `path`.
    package init(_ data: Data, path: String) throws {
        let isWhole = try Self.endsWithItsChecksum(data)
        func problem(_ reason: String) -> ApusError {
            // Nothing has happened to a file whose checksum fits: it is for others to read.
            isWhole
                ? Self.beyondThisVersion("its checksum fits, but \(reason)", path)
                : .file(path: path, .checkpoint(reason: reason))
        }
        let tensors: [(name: String, value: NDArray)]
        let metadata: [String: String]
        do {
            (tensors, metadata) = try Safetensors.read(data, path: path)
        } catch ApusError.file(_, let fault) {
            throw problem(fault.words)
        }
        guard metadata["format"] == Self.format else { throw problem("it is another safetensors file") }
        let last = tensors.last
        let hasChecksum =
            last?.name == Self.checksumName && last?.value.shape == [Self.checksumByteCount]
            && last?.value.elementType == .uint8
        // A later version may do without.
        guard isWhole || !hasChecksum else { throw problem("its checksum is another") }
        guard metadata["version"] == Self.version else {
            throw Self.beyondThisVersion(
                "its form has version \(excerpt(metadata["version"] ?? "nil")), and this Apus knows \(Self.version)",
                path)
        }
        guard hasChecksum else { throw problem("it has no checksum") }
        guard let content = Checkpoint(tensors.dropLast(), metadata) else { throw problem("something is missing") }
        self = content
    }

    private static func beyondThisVersion(_ reason: String, _ path: String) -> ApusError {
        .file(path: path, .unreadable(reason: "\(reason); a later version of Apus may have written it"))
    }

    /// Whether the last bytes are the SHA-256 of all before.
    /// - Throws: `ApusError.library` where libcrypto fails.
    private static func endsWithItsChecksum(_ data: Data) throws -> Bool {
        guard data.count >= checksumByteCount else { return false }
        let digest = try data.withUnsafeBytes { bytes in
            try SHA256.digest {
                try $0(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - checksumByteCount)]))
            }
        }
        return data.suffix(checksumByteCount).elementsEqual(digest)
    }
}

// MARK: Arrays and texts

extension Checkpoint {
    private static let (modelPrefix, optimizerPrefix, callbackPrefix) = ("model/", "optimizer/", "callbacks/")
    private static let settingPrefix = "setting "

    private var tensors: [(name: String, value: NDArray)] {
        var all = model.map { (name: Self.modelPrefix + $0.name, value: $0.value) }
        all += optimizer.map { (name: Self.optimizerPrefix + $0.name, value: $0.value) }
        for (name, state) in callbacks.sorted(by: { $0.key < $1.key }) {
            all += state.arrays.sorted { $0.key < $1.key }
                .map { (name: "\(Self.callbackPrefix)\(name)/\($0.key)", value: $0.value) }
        }
        return all + [("sums", NDArray(sums)), ("history", history.table)]
    }

    private var metadata: [String: String] {
        var texts = [
            "format": Self.format, "version": Self.version, "step": "\(step)",
            "initialEpoch": "\(progress.initialEpoch)", "initialStep": "\(progress.initialStep)",
            "epoch": "\(progress.epoch)", "stepInEpoch": "\(progress.stepInEpoch)",
            "epochIsDone": "\(progress.epochIsDone)", "isStopped": "\(progress.isStopped)",
            "seconds": "\(progress.seconds)", "historyColumns": history.columnNames.joined(separator: "\n"),
        ]
        for (name, value) in settings { texts[Self.settingPrefix + name] = value }
        // Such a state has no array that could tell its name.
        texts["emptyCallbacks"] = callbacks.filter(\.value.arrays.isEmpty).keys.sorted().joined(separator: "\n")
        return texts
    }

    /// `nil` where they do not belong together, which a whole file of this version never says.
    private init?(_ tensors: ArraySlice<(name: String, value: NDArray)>, _ texts: [String: String]) {
        self.init()
        func count(_ name: String) -> Int? { texts[name].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }
        guard let step = count("step"), let initialEpoch = count("initialEpoch"),
            let initialStep = count("initialStep"), let epoch = count("epoch"),
            let stepInEpoch = count("stepInEpoch"), let epochIsDone = texts["epochIsDone"].flatMap({ Bool($0) }),
            let isStopped = texts["isStopped"].flatMap({ Bool($0) }),
            let seconds = texts["seconds"].flatMap({ Double($0) }), let columns = texts["historyColumns"],
            let emptyCallbacks = texts["emptyCallbacks"], epoch >= initialEpoch, step >= initialStep
        else { return nil }
        self.step = step
        (progress.initialEpoch, progress.initialStep) = (initialEpoch, initialStep)
        (progress.epoch, progress.stepInEpoch) = (epoch, stepInEpoch)
        (progress.epochIsDone, progress.isStopped, progress.seconds) = (epochIsDone, isStopped, seconds)
        for (name, value) in texts where name.hasPrefix(Self.settingPrefix) {
            settings[String(name.dropFirst(Self.settingPrefix.count))] = value
        }
        for name in emptyCallbacks.split(separator: "\n") { callbacks[String(name)] = CallbackState() }
        var table: NDArray?
        for (name, value) in tensors {
            if name.hasPrefix(Self.modelPrefix) {
                model.append(Entry(name: String(name.dropFirst(Self.modelPrefix.count)), value: value))
            } else if name.hasPrefix(Self.optimizerPrefix) {
                optimizer.append(Entry(name: String(name.dropFirst(Self.optimizerPrefix.count)), value: value))
            } else if name.hasPrefix(Self.callbackPrefix) {
                let parts = name.dropFirst(Self.callbackPrefix.count).split(separator: "/", maxSplits: 1)
                guard parts.count == 2 else { return nil }
                callbacks[String(parts[0]), default: CallbackState()].arrays[String(parts[1])] = value
            } else if name == "sums", value.elementType == .float64 {
                sums = value.values()
            } else if name == "history" {
                table = value
            } else {
                return nil
            }
        }
        let names = columns.isEmpty ? [] : columns.split(separator: "\n").map(String.init)
        guard let table, let history = History(table, columnNames: names), sums.count >= 2 else { return nil }
        self.history = history
    }
}

extension FileProblem {
    /// What is wrong with a checkpoint, in words.
    fileprivate var words: String {
        switch self {
        case .truncated(let expected, let count): "it is cut short: expected \(expected) bytes, found \(count)"
        case .damaged(let reason): reason
        case .foreign(_, let found), .otherKind(_, let found): "it is \(found)"
        default: "it cannot be read"
        }
    }
}

// MARK: The history as numbers

extension History {
    /// The names of the records' columns; all records of one training have the same.
    fileprivate var columnNames: [String] { epochs.first?.columns.map(\.name) ?? [] }

    /// A row for each epoch, a column for each name, with all bits.
    fileprivate var table: NDArray {
        let width = columnNames.count
        return NDArray(shape: [epochs.count, width]) { (values: UnsafeMutableBufferPointer<Double>) in
            for (row, record) in epochs.enumerated() {
                for (column, figure) in record.columns.prefix(width).enumerated() {
                    values[row * width + column] = figure.value
                }
            }
        }
    }

    fileprivate init?(_ table: NDArray, columnNames: [String]) {
        guard table.elementType == .float64, table.shape.rank == 2, table.shape[1] == columnNames.count else {
            return nil
        }
        self.init()
        let (width, values) = (columnNames.count, table.values(as: Double.self))
        for row in 0..<(width == 0 ? 0 : table.shape[0]) {
            let figures = zip(columnNames, values[row * width..<(row + 1) * width]).map { Figure($0, $1) }
            guard let record = EpochRecord(columns: figures) else { return nil }
            epochs.append(record)
        }
    }
}

extension EpochRecord {
    /// The record that has these `columns`; `nil` where they are none's.
    fileprivate init?(columns: [Figure]) {
        guard columns.count >= 4, columns[0].name == "epoch", columns[1].name == "steps",
            columns[columns.count - 2].name == "learning_rate", columns[columns.count - 1].name == "seconds",
            let epoch = Int(exactly: columns[0].value), let stepCount = Int(exactly: columns[1].value)
        else { return nil }
        let figures = columns[2..<columns.count - 2]
        let validation = figures.filter { $0.name.hasPrefix("val_") }
        self.init(
            epoch: epoch, stepCount: stepCount,
            training: Figures(figures.filter { !$0.name.hasPrefix("val_") }),
            validation: validation.isEmpty
                ? nil : Figures(validation.map { Figure(String($0.name.dropFirst(4)), $0.value) }),
            learningRate: columns[columns.count - 2].value, seconds: columns[columns.count - 1].value)
    }
}
