import CApusKernels
import Testing

/// Winograd's filtering against the plain sum, whose own answers the operation table checks.
extension KernelTests {
    @Suite struct Winograd {
        private static let (batch, side, channels, filters) = (3, 9, 64, 80)

        private func description(_ kind: apus_convolution_kind, isWinograd: Bool) -> apus_convolution_description {
            var description = apus_convolution_description()
            description.kind = kind
            description.rank = 2
            description.batch = Int64(Self.batch)
            description.channels = Int64(Self.channels)
            description.filters = Int64(Self.filters)
            description.groups = 1
            description.image = (Int64(Self.side), Int64(Self.side), 0)
            description.output = description.image
            description.kernel = (3, 3, 0)
            (description.strides, description.dilations) = ((1, 1, 0), (1, 1, 0))
            (description.padding_before, description.padding_after) = ((1, 1, 0), (1, 1, 0))
            description.has_bias = kind == APUS_CONVOLUTION_FORWARD
            description.uses_winograd = isWinograd
            return description
        }

        /// The factors that it multiplies are made of the rounded ones, and are not rounded themselves.
        @Test func roundedFactorsAreMultipliedAsTheyAre() throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            apus_engine_set_rounded_factors(engine)
            var description = description(APUS_CONVOLUTION_FORWARD, isWinograd: true)
            var convolution: OpaquePointer?
            #expect(apus_convolution_create(engine, &description, &convolution) == Int32(APUS_UNSUPPORTED))
            #expect(convolution == nil)
            description.uses_winograd = false
            try check(apus_convolution_create(engine, &description, &convolution))
            apus_convolution_destroy(convolution)
        }

        /// `nil` where the library has no such convolution.
        private func result(_ kind: apus_convolution_kind, isWinograd: Bool, count: Int) throws -> [Float]? {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description(kind, isWinograd: isWinograd)
            var convolution: OpaquePointer?
            let status = apus_convolution_create(engine, &description, &convolution)
            if isWinograd && status == Int32(APUS_UNSUPPORTED) { return nil }
            try check(status)
            defer { apus_convolution_destroy(convolution) }
            if isWinograd { #expect(apus_engine_workspace(engine) > 0) }
            let places = Self.batch * Self.side * Self.side
            let image = sampleValues(places * Self.channels, seed: 1)
            let output = sampleValues(places * Self.filters, seed: 2)
            let kernel = sampleValues(9 * Self.channels * Self.filters, seed: 3)
            let bias = sampleValues(Self.filters, seed: 4)
            var result = [Float](repeating: .nan, count: count)
            try check(apus_convolution_run(convolution, image, kernel, output, bias, &result))
            return result
        }

        @Test(arguments: [
            (APUS_CONVOLUTION_FORWARD, batch * side * side * filters),
            (APUS_CONVOLUTION_IMAGE_GRADIENT, batch * side * side * channels),
            (APUS_CONVOLUTION_KERNEL_GRADIENT, 9 * channels * filters),
        ])
        func agreesWithThePlainSum(_ kind: apus_convolution_kind, _ count: Int) throws {
            guard let filtered = try result(kind, isWinograd: true, count: count) else { return }
            let plain = try #require(try result(kind, isWinograd: false, count: count))
            let largest = plain.lazy.map(\.magnitude).max() ?? 0
            #expect(largest > 1)
            // Measured: at most 3e-6 of the largest number.
            #expect(zip(filtered, plain).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
        }

        @Test func otherKernelsAreRefused() throws {
            var engine: OpaquePointer?
            try check(apus_engine_create(&engine))
            defer { apus_engine_destroy(engine) }
            var description = description(APUS_CONVOLUTION_FORWARD, isWinograd: true)
            description.kernel = (1, 1, 0)
            (description.padding_before, description.padding_after) = ((0, 0, 0), (0, 0, 0))
            var convolution: OpaquePointer?
            #expect(
                apus_convolution_create(engine, &description, &convolution)
                    == Int32(APUS_UNSUPPORTED))
            #expect(convolution == nil)
        }
    }
}
