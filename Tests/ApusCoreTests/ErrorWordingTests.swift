import ApusCore
import Foundation
import Testing

@Suite struct ErrorWordingTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let error: ApusError
        let text: String
        var testDescription: String { text }
    }

    static let rows = [
        Row(
            error: .shape(
                ShapeProblem(
                    layer: "encoder/dense2", operation: "Add", expected: "[batch, 3]", received: "[batch, 4]",
                    cure: "give both the same size", location: "Model.swift:12")),
            text: "encoder/dense2: Add (Model.swift:12): expected [batch, 3], received [batch, 4]. "
                + "Cure: give both the same size."),
        Row(
            error: .shape(ShapeProblem(operation: "MatMul", expected: "a", received: "b", cure: "c")),
            text: "MatMul: expected a, received b. Cure: c."),
        Row(
            error: .setting(owner: "SGD", name: "learningRate", value: "-1", expected: "positive"),
            text: "SGD: learningRate is -1; it must be positive."),
        Row(error: .file(path: "/a", .missing), text: "/a: there is no such file or folder. Check the path."),
        Row(
            error: .file(path: "/a", .unreadable(reason: "Permission denied")),
            text: "/a: cannot be read: Permission denied."),
        Row(
            error: .file(path: "/a", .unwritable(reason: "No space left on device")),
            text: "/a: cannot be written: No space left on device. Choose another place, or make room."),
        Row(
            error: .file(path: "/a", .truncated(expectedByteCount: 10, byteCount: 4)),
            text: "/a: is cut short: expected 10 bytes, found 4. Fetch or copy the file again."),
        Row(
            error: .file(path: "/a", .foreign(expected: "an IDX file", found: "a PNG image")),
            text: "/a: expected an IDX file, found a PNG image."),
        Row(
            error: .file(path: "/a", .checkpoint(reason: "its checksum is another")),
            text: "/a: is no whole checkpoint: its checksum is another."),
        Row(
            error: .file(path: "/a", .locked(processID: 12)),
            text: "/a: is in use by another process, number 12. Wait until it has ended, or end it."),
        Row(
            error: .file(path: "/a", .locked(processID: nil)),
            text: "/a: is in use by another process. Wait until it has ended, or end it."),
        Row(
            error: .file(path: "/a", .damaged(reason: "no end")),
            text: "/a: is damaged: no end. Fetch or copy the file again."),
        Row(
            error: .file(path: "/a", .field(line: 3, column: 2, name: "age", expected: "a number", found: "nothing")),
            text: "/a: line 3, column 2 (age): expected a number, found nothing."),
        Row(
            error: .file(path: "/a", .field(line: 3, column: nil, name: nil, expected: "2 fields", found: "1")),
            text: "/a: line 3: expected 2 fields, found 1."),
        Row(
            error: .file(path: "/a", .checksum(expected: "12", found: "34")),
            text: "/a: is not the published file: expected SHA-256 12, found 34. Delete it and fetch it again."),
        Row(
            error: .label(10, index: 7, classCount: 10, source: "labels"),
            text: "labels: sample 7 has label 10, but labels go from 0 to 9. "
                + "Check the file, or give the last layer as many units as there are classes."),
        Row(
            error: .index(12, place: 3, count: 10, layer: "words"),
            text: "words: number 3 of the indices is 12, but they go from 0 to 9. "
                + "Check the data, or give the table more rows."),
        Row(
            error: .index(-1, place: 0, count: 10, layer: ""),
            text: "gather: number 0 of the indices is -1, but they go from 0 to 9. "
                + "Check the data, or give the table more rows."),
        Row(
            error: .unknownName(kind: "experiment", name: "mpl", known: ["mlp", "vae"]),
            text: "Unknown experiment 'mpl'. Did you mean 'mlp'? Known: mlp, vae."),
        Row(
            error: .unknownName(kind: "device", name: "toaster", known: ["cpu"]),
            text: "Unknown device 'toaster'. Known: cpu."),
        Row(
            error: .memory(purpose: "A step", byteCount: 4_096),
            text: "A step needs 4096 bytes of memory more than there are. "
                + "Give smaller batches, end other programs, or raise the limit (ulimit -v)."),
        Row(
            error: .memory(purpose: "A step", byteCount: 92_017_984),
            text: "A step needs 92 MB of memory more than there are. "
                + "Give smaller batches, end other programs, or raise the limit (ulimit -v)."),
        Row(
            error: .library(name: "cairo", call: "cairo_text_extents", status: "out of memory"),
            text: "Memory has run out (cairo: cairo_text_extents). "
                + "Give smaller batches, end other programs, or raise the limit (ulimit -v)."),
        Row(
            error: .library(name: "oneDNN", call: "dnnl_engine_create", status: "3"),
            text: "oneDNN: dnnl_engine_create failed: 3. Run 'apus doctor' to see which libraries are in use."),
        Row(
            error: .notFinite(quantity: "loss", step: 12, origin: "dense2"),
            text: "The loss is not finite at step 12, first in dense2. "
                + "Lower the learning rate, clip the gradient, or check the data."),
        Row(
            error: .notFinite(quantity: "loss", step: 12, origin: "layer 'dense2' (matrix product)", epoch: 3),
            text: "The loss is not finite at epoch 3, step 12, first in layer 'dense2' (matrix product). "
                + "Lower the learning rate, clip the gradient, or check the data."),
        Row(
            error: .file(path: "/a/b", .missingFolder("/a")),
            text: "/a/b: cannot be written: there is no folder /a. Create it first."),
        Row(
            error: .file(path: "/a", .otherKind(expected: "a PNG image", found: "a text file")),
            text: "/a: is a text file, not a PNG image."),
        Row(
            error: .notFinite(quantity: "loss", step: 1, origin: nil),
            text: "The loss is not finite at step 1. Lower the learning rate, clip the gradient, or check the data."),
        Row(
            error: .uninitialized(variable: "kernel", layer: "dense"),
            text:
                "Variable 'kernel', read by layer 'dense', has no values yet. Put the layer into a Model, which gives "
                + "it its first values, or assign values to the variable."),
        Row(
            error: .uninitialized(variable: "kernel", layer: nil),
            text:
                "Variable 'kernel' has no values yet. Put the layer into a Model, which gives it its first values, or "
                + "assign values to the variable."),
        Row(
            error: .download(url: "https://a/b", reason: "no network", cure: "Check it."),
            text: "Cannot fetch https://a/b: no network. Check it."),
        Row(error: .usage(problem: "No name.", cure: "Give one."), text: "No name. Give one."),
    ]

    @Test(arguments: rows) func text(row: Row) {
        #expect("\(row.error)" == row.text)
        // As programs print it that do not know which error it is.
        #expect((row.error as any Error).localizedDescription == row.text)
    }

    @Test func nearestWords() {
        let known = ["perceptron", "mlp", "vae", "fashion-mnist"]
        #expect(nearest(to: "perceptorn", among: known) == "perceptron")
        #expect(nearest(to: "MLP", among: known) == "mlp")
        #expect(nearest(to: "vea", among: known) == "vae")
        #expect(nearest(to: "fashion-minst", among: known) == "fashion-mnist")
        #expect(nearest(to: "transformer", among: known) == nil)
        #expect(nearest(to: "xyz", among: known) == nil)
        #expect(nearest(to: "mlp", among: []) == nil)
        let precisions = ["float32", "bfloat16", "float32-fast"]
        #expect(nearest(to: "bf16", among: precisions) == "bfloat16")
        // Of both that are 32 bits long, and the other way round; an order that is not theirs; another beginning.
        #expect(nearest(to: "f32", among: precisions) == nil)
        #expect(nearest(to: "b61f", among: precisions) == nil)
        #expect(nearest(to: "loat16", among: ["bfloat16"]) == "bfloat16")
        #expect(nearest(to: "fl16", among: ["bfloat16"]) == nil)
    }

    @Test func editDistances() {
        #expect(editDistance("", "") == 0)
        #expect(editDistance("", "abc") == 3)
        #expect(editDistance("abc", "") == 3)
        // kitten, sitten, sittin, sitting.
        #expect(editDistance("kitten", "sitting") == 3)
        // Two neighbours swapped count once.
        #expect(editDistance("mlp", "mpl") == 1)
    }
}
