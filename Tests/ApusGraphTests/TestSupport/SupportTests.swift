import ApusCore
import ApusTestSupport
import Foundation
import Testing

@Suite("Seeded numbers and temporary folders")
struct SupportTests {
    @Test func seedsRepeatAndDiffer() {
        func draw(_ seed: UInt64, _ stream: UInt32 = 0) -> [Double] {
            var numbers = SeededNumbers(seed: seed, stream: stream)
            return numbers.uniform(-1...1, count: 20)
        }
        #expect(draw(1) == draw(1))
        #expect(draw(1) != draw(2))
        #expect(draw(1) != draw(1, 1))
        #expect(Set(draw(1)).count == 20)
    }

    @Test(arguments: [
        Domain.range(0.5...2), .signed(0.5...2), .betweenIntegers(-3...3), .spaced(offset: 0.25), .integers(-1...1),
        .just(3), .listed([1, 2], stride: 2),
    ])
    func domainsKeepTheirPromise(_ domain: Domain) {
        var numbers = SeededNumbers(seed: 3)
        let values = domain.values(count: 50, from: &numbers)
        #expect(values.count == 50)
        switch domain {
        case .range(let range): #expect(values.allSatisfy(range.contains))
        case .signed(let range):
            #expect(values.allSatisfy { range.contains($0.magnitude) })
            #expect(values.contains { $0 < 0 } && values.contains { $0 > 0 })
        case .betweenIntegers:
            #expect(values.allSatisfy { (0.19...0.81).contains($0 - $0.rounded(.down)) })
            #expect(values.allSatisfy { (-3.0...3.81).contains($0) })
        case .spaced:
            let sorted = values.sorted()
            #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 == 1.0 / 16 })
            #expect(values != sorted)
        case .integers: #expect(Set(values) == [-1, 0, 1])
        case .just: #expect(Set(values) == [3])
        case .listed: #expect(values.prefix(6) == [1, 1, 2, 2, 1, 1])
        }
    }

    @Test func folderIsRemovedWithItsContents() throws {
        var folder: TemporaryFolder? = try TemporaryFolder()
        let path = try #require(folder?.path)
        let file = try #require(try folder?.write([1, 2, 3], to: "numbers"))
        #expect(try Data(contentsOf: file) == Data([1, 2, 3]))
        #expect(file.path.hasPrefix(path))
        folder = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
