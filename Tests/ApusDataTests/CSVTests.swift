import ApusCore
import ApusData
import Foundation
import Testing

@Suite struct CSVTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func file(_ text: String) throws -> URL { try folder.write(Array(text.utf8), to: "a.csv") }
    private var path: String { folder.url.appendingPathComponent("a.csv").path }

    @Test func columnsByNameAndPlace() throws {
        let url = try file("rooms,price,age\n3,100.5,10\n4, -2e2 ,0\n")
        let all = try Dataset(csvAt: url)
        #expect(all.inputs[0].values == (try NDArray([3, 100.5, 10, 4, -200, 0] as [Float], shape: [2, 3])))
        #expect(all.targets.isEmpty)
        let houses = try Dataset(csvAt: url, targets: ["price"])
        #expect(houses.inputs[0].values == (try NDArray([3, 10, 4, 0] as [Float], shape: [2, 2])))
        #expect(houses.targets[0].values == (try NDArray([100.5, -200] as [Float], shape: [2, 1])))
        let chosen = try Dataset(csvAt: url, inputs: [2, "rooms"], targets: [1, "age"])
        #expect(chosen.inputs[0].values.floats == [10, 3, 0, 4])
        #expect(chosen.targets[0].values.floats == [100.5, 10, -200, 0])
        #expect(chosen.name == "a.csv" && chosen.checksums["a.csv"]?.count == 64)
    }

    @Test func quotesLineEndsAndSeparators() throws {
        // A byte-order mark, CR LF, a header over two lines with quotes in it, a last line without an end.
        let url = try file("\u{FEFF}\"first; one\",\"a \"\"b\"\"\r\nc\",plain\r\n\"1\",2,\"3\"\r\n\r\n4,\"5\",6")
        let data = try Dataset(csvAt: url, inputs: ["a \"b\"\r\nc"], targets: ["first; one", "plain"])
        #expect(data.inputs[0].values.floats == [2, 5])
        #expect(data.targets[0].values.floats == [1, 3, 4, 6])
        let semicolons = try Dataset(csvAt: file("1;2\n3;4\n"), separator: ";", hasHeader: false)
        #expect(semicolons.inputs[0].values.floats == [1, 2, 3, 4])
        let tabs = try Dataset(csvAt: file("a\tb\n1\t2\n"), targets: ["b"], separator: "\t")
        #expect(tabs.inputs[0].values.floats == [1] && tabs.targets[0].values.floats == [2])
    }

    @Test func classes() throws {
        let named = try file("kind,width\nfir,1\n\"oak\",2\nfir,3\n")
        let trees = try Dataset(csvAt: named, labels: "kind", classNames: ["oak", "fir"])
        #expect(trees.labels == [1, 0, 1] && trees.inputs[0].values.floats == [1, 2, 3])
        #expect(
            message { _ = try Dataset(csvAt: named, labels: "kind", classNames: ["fir", "elm"]) }
                == "\(path): line 3, column 1 (kind): expected one of fir, elm, found \"oak\".")
        #expect(
            message { _ = try Dataset(csvAt: named, labels: 0) }
                == "\(path): line 2, column 1 (kind): expected a class's number (or give classNames), found \"fir\".")
        let numbered = try Dataset(csvAt: file("0.5,2\n1.5, 0\n"), labels: 1, hasHeader: false)
        #expect(numbered.labels == [2, 0] && numbered.inputs[0].values.floats == [0.5, 1.5])
        #expect(message { _ = try Dataset(csvAt: file("a,b\n1,-1\n"), labels: "b") }.contains("found \"-1\"."))
    }

    @Test(arguments: [
        ("a,b\n1,\n", "line 2, column 2 (b): expected a finite number, found nothing."),
        ("a,b\n1,2\n\n3,\"\"\n", "line 4, column 2 (b): expected a finite number, found nothing."),
        ("a,b\nx,2\n", "line 2, column 1 (a): expected a finite number, found \"x\"."),
        ("a,b\n1,nan\n", "line 2, column 2 (b): expected a finite number, found \"nan\"."),
        ("a,b\n1,0x10\n", "line 2, column 2 (b): expected a finite number, found \"0x10\"."),
        ("a,b\n1,1e99\n", "line 2, column 2 (b): expected a finite number, found \"1e99\"."),
        ("a,b\n1,2 3\n", "line 2, column 2 (b): expected a finite number, found \"2 3\"."),
        ("a,b\n1,1.2.3\n", "line 2, column 2 (b): expected a finite number, found \"1.2.3\"."),
        ("a,b\n1,2\n1,2,3\n", "line 3: expected 2 fields, as in the first row, found 3."),
        ("a,b\n\n\n1\n", "line 4: expected 2 fields, as in the first row, found 1."),
        ("\"a\n\na\",b\n1,x\n", "line 4, column 2 (b): expected a finite number, found \"x\"."),
        ("a,b\n1,\"2\n", "line 2, column 2: expected a closing quote, found the end of the file."),
        ("a,b\n\"1\"x,2\n", "line 2, column 1: expected a separator after the closing quote, found \"x,2\"."),
    ]) func mistakes(_ text: String, _ expected: String) throws {
        let url = try file(text)
        #expect(message { _ = try Dataset(csvAt: url) } == "\(path): \(expected)")
    }

    @Test func columnsAndFilesThatAreNone() throws {
        let url = try file("rooms,price\n1,2\n")
        #expect(
            message { _ = try Dataset(csvAt: url, targets: ["prise"]) }
                == "Unknown column of \(path) 'prise'. Did you mean 'price'? Known: rooms, price.")
        #expect(
            message { _ = try Dataset(csvAt: url, inputs: [2]) }
                == "\(path): a column's place is 2; it must be from 0 to 1.")
        #expect(
            message { _ = try Dataset(csvAt: url, inputs: ["rooms"], hasHeader: false) }
                == "Unknown column of \(path) 'rooms'. Known: no names, as the file has no header.")
        #expect(
            message { _ = try Dataset(csvAt: url, separator: "\"") }
                == "CSV: separator is \"; it must be a tab or a visible ASCII character other than the double quote.")
        #expect(message { _ = try Dataset(csvAt: url, separator: "→") }.hasPrefix("CSV: separator is →; "))
        #expect(
            message { _ = try Dataset(csvAt: file("")) } == "\(path): expected rows of fields, found an empty file.")
        #expect(
            message { _ = try Dataset(csvAt: file("a,b\n")) }
                == "\(path): expected rows of numbers, found a header alone.")
        #expect(message { _ = try Dataset(csvAt: file("a\n1\n"), inputs: []) }.contains("at least one input column"))
        let missing = folder.url.appendingPathComponent("none.csv")
        #expect(throws: ApusError.file(path: missing.path, .missing)) { try Dataset(csvAt: missing) }
    }
}
