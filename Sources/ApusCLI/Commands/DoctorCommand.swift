import Apus
import Foundation

/// `apus doctor`: what the program found, and what cures what is missing.
struct DoctorCommand: Command {
    let syntax = CommandSyntax(
        "doctor", summary: "Show the libraries, the processor and the data sets that are used, and what is missing")

    func run(_ arguments: Arguments) throws {
        for finding in Finding.all() {
            try Console.line("\(finding.mark.padded(to: 7)) \(finding.subject.padded(to: 16)) \(finding.text)")
            if let cure = finding.cure { try Console.line("\(String(repeating: " ", count: 25))cure: \(cure)") }
        }
    }
}

/// Something that was looked for.
struct Finding {
    let subject: String
    let text: String
    /// What to do where it is missing.
    var cure: String?

    /// Whether anything would be different without it.
    var isUsed = true

    var mark: String { cure != nil ? "missing" : isUsed ? "ok" : "-" }

    static func all() -> [Finding] {
        [apus] + processor + [font] + datasets + graphics
    }

    private static var apus: Finding { Finding(subject: "Apus", text: ApusVersion.current) }

    private static var processor: [Finding] {
        let processor = CPUDescription.current
        return [
            Finding(
                subject: "oneDNN",
                text: "\(processor.oneDNNVersion), instructions up to \(processor.oneDNNInstructionSet)"),
            Finding(subject: "instructions", text: "\(processor.instructionSet) in Apus' own loops"),
            Finding(
                subject: "bfloat16",
                text: Device.cpu.hasFastBfloat16
                    ? "AMX multiplies it faster than float32"
                    : Device.cpu.roundsFactors
                        ? "AVX-512's dot products multiply it faster than float32"
                        : "no faster than float32 (AMX and oneDNN 2.7 make it so, or AMD's AVX-512 of Zen 4 and later)"
            ),
            Finding(
                subject: "threads",
                text: "\(processor.threadCount) of \(HostProcessors.usableCount) usable processors "
                    + "(--threads or OMP_NUM_THREADS change it)"),
        ]
    }

    private static var datasets: [Finding] {
        let locations = DataLocations()
        return PublishedDataset.all.map { dataset in
            let place = dataset.place(in: locations)
            let cure =
                locations.folder == nil
                ? "apus data fetch \(dataset.name)" : "put its files there, or set APUS_DATA to nothing"
            return Finding(subject: dataset.name, text: place.text, cure: place.isComplete ? nil : cure)
        }
    }

    /// Without a font, pictures have no letters.
    private static var font: Finding {
        let home = ProcessInfo.processInfo.environment["HOME"] ?? "/"
        let folders = [
            "/usr/share/fonts", "/usr/local/share/fonts", "\(home)/.fonts", "\(home)/.local/share/fonts",
            "/System/Library/Fonts",
        ]
        for folder in folders {
            let files = FileManager.default.enumerator(atPath: folder)
            while let file = files?.nextObject() as? String {
                if file.hasSuffix(".ttf") || file.hasSuffix(".otf") || file.hasSuffix(".ttc") {
                    return Finding(subject: "font", text: "\(folder)/\(file)")
                }
            }
        }
        return Finding(
            subject: "font", text: "no TrueType font; pictures have no text",
            cure: SystemPackages.installation(apt: "fonts-dejavu-core", dnf: "dejavu-sans-fonts"))
    }

    private static var graphics: [Finding] {
        GraphicsLibrary.all.map { library in
            let place = library.find().map { "\($0.file)\($0.version.map { ", version \($0)" } ?? "")" } ?? "not found"
            return Finding(
                subject: library.title, text: "\(place) (not used: this build runs on the CPU)", isUsed: false)
        }
    }
}

/// The package manager of this machine.
enum SystemPackages {
    /// The command that installs a package.
    static func installation(apt: String, dnf: String) -> String {
        let manager = FileManager.default
        if manager.isExecutableFile(atPath: "/usr/bin/apt-get") { return "sudo apt-get install \(apt)" }
        if manager.isExecutableFile(atPath: "/usr/bin/dnf") { return "sudo dnf install \(dnf)" }
        return "install the package \(apt) (the name that Debian gives it)"
    }
}
