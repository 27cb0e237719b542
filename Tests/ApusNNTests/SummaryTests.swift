import ApusCore
import ApusGraph
import ApusNN
import Testing

@Suite struct SummaryTests {
    @Test func chain() throws {
        let model = try Sequential(input: [28, 28], name: "mlp") {
            Flatten()
            Dense(512, activation: .sigmoid)
            Dense(10, activation: .softmax, name: "digits")
        }
        #expect(
            model.summary() == """
                Model "mlp"
                Layer (type)       Output shape     Parameters  Connected to
                ────────────────────────────────────────────────────────────
                input (Input)      [batch, 28, 28]           0
                flatten (Flatten)  [batch, 784]              0  input
                dense (Dense)      [batch, 512]        401,920  flatten
                digits (Dense)     [batch, 10]           5,130  dense
                ────────────────────────────────────────────────────────────
                Parameters: 407,050 (1.55 MiB)
                Trainable: 407,050 (1.55 MiB)
                Not trainable: 0 (0 bytes)

                """)
    }

    /// A nested model, shared; operations between layers; a variable of no layer, which is not trained.
    @Test func nestedModel() throws {
        let block = try Sequential(input: [4], name: "block") {
            Dense(3, activation: .relu)
            Dense(4)
        }
        let offset = Variable("offset", value: NDArray([1, 2, 3, 4] as [Float]), isTrainable: false)
        let (left, right) = (Tensor.input([4], name: "left"), Tensor.input([4], name: "right"))
        let sum = try block(left) + block(right) * 2 + offset.tensor
        let model = try Model(inputs: [left, right], outputs: [Concatenate(axis: 1)(sum, left)], name: "pair")
        #expect(
            model.summary() == """
                Model "pair"
                Layer (type)               Output shape  Parameters  Connected to
                ────────────────────────────────────────────────────────────────────
                left (Input)               [batch, 4]             0
                right (Input)              [batch, 4]             0
                block (Sequential)         [batch, 4]            31  left
                block2 (Sequential)        [batch, 4]        shared  right
                multiply (operation)       [batch, 4]             0  block2
                add (operation)            [batch, 4]             0  block, multiply
                offset (Variable)          [4]                    4
                add2 (operation)           [batch, 4]             0  add, offset
                concatenate (Concatenate)  [batch, 8]             0  add2, left
                ────────────────────────────────────────────────────────────────────
                Parameters: 35 (140 bytes)
                Trainable: 31 (124 bytes)
                Not trainable: 4 (16 bytes)

                """)
        let expanded = model.summary(expandsModels: true).split(separator: "\n").dropFirst(5).prefix(6)
        #expect(
            expanded.joined(separator: "\n") == """
                block (Sequential)         [batch, 4]            31  left
                  dense (Dense)            [batch, 3]            15  left
                  dense2 (Dense)           [batch, 4]            16  dense
                block2 (Sequential)        [batch, 4]        shared  right
                  dense (Dense)            [batch, 3]        shared  right
                  dense2 (Dense)           [batch, 4]        shared  dense
                """)
    }

    @Test func autoencoder() throws {
        let (encoder, decoder, whole) = try makeAutoencoder()
        #expect(
            encoder.summary() == """
                Model "encoder"
                Layer (type)              Output shape  Parameters  Connected to
                ─────────────────────────────────────────────────────────────────────
                image (Input)             [batch, 784]           0
                dense (Dense)             [batch, 512]     401,920  image
                mean (Dense)              [batch, 2]         1,026  dense
                logVariance (Dense)       [batch, 2]         1,026  dense
                multiply (operation)      [batch, 2]             0  logVariance
                exp (operation)           [batch, 2]             0  multiply
                randomNormal (operation)  [batch, 2]             0
                multiply2 (operation)     [batch, 2]             0  exp, randomNormal
                add (operation)           [batch, 2]             0  mean, multiply2
                ─────────────────────────────────────────────────────────────────────
                Parameters: 403,972 (1.54 MiB)
                Trainable: 403,972 (1.54 MiB)
                Not trainable: 0 (0 bytes)

                """)
        #expect(decoder.summary().contains("Parameters: 403,728 (1.54 MiB)"))
        #expect(
            whole.summary() == """
                Model "vae"
                Layer (type)          Output shape  Parameters  Connected to
                ────────────────────────────────────────────────────────────
                picture (Input)       [batch, 784]           0
                encoder (Model)       [batch, 2]       403,972  picture
                decoder (Sequential)  [batch, 784]     403,728  encoder
                ────────────────────────────────────────────────────────────
                Parameters: 807,700 (3.08 MiB)
                Trainable: 807,700 (3.08 MiB)
                Not trainable: 0 (0 bytes)

                """)
    }

    @Test func longNamesAndManySources() throws {
        let x = Tensor.input([2])
        let branches = try (0..<12).map { try Dense(2, name: "branchNumber\($0)")(x) }
        let name = "aVeryLongNameThatNobodyShouldHaveGivenToAnything"
        let model = try Model(inputs: [x], outputs: [Add(name: name)(branches)])
        let lines = model.summary().split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 100 })
        #expect(lines.contains { $0.hasPrefix("aVeryLongNameThatNob...GivenToAnything (Add)  [batch, 2]") })
        #expect(lines.contains { $0.hasSuffix("branchNumber11") })
    }

    @Test func numbers() {
        #expect([0, 999, 1000, 1_234_567, -1000].map(\.grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect(
            [0, 1023, 1024, 1536, 1 << 20, 5 << 30].map(byteText)
                == ["0 bytes", "1023 bytes", "1.00 KiB", "1.50 KiB", "1.00 MiB", "5.00 GiB"])
    }
}
