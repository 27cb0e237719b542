"""Tests of the modules: python3 -m unittest discover -s Benchmarks -p '*_test.py' (numpy is needed)."""

import math
import pathlib
import struct
import tempfile
import unittest

try:
    import numpy as np
except ImportError:
    raise unittest.SkipTest("numpy is needed") from None

from modules import agreement, apus, machine, mnist, philox, safetensors


class PhiloxTests(unittest.TestCase):
    # The known answers that come with Random123 (Salmon and others, 2011).
    def test_known_answers(self):
        ones = 0xFFFFFFFF
        cases = [
            ([0] * 4, [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
            ([ones] * 4, [ones] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
            ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
             [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
        ]
        for counter, key, expected in cases:
            self.assertEqual(philox.rounds([counter], key)[0].tolist(), expected)

    def test_sequence_is_block_stream_step(self):
        seed, step = 2**40 + 5, 2**33 + 9
        expected = [philox.rounds([[block, 7, 9, 2]], [5, 2**8])[0].tolist() for block in (0, 1)]
        self.assertEqual(philox.words(6, seed, 7, step).tolist(), sum(expected, [])[:6])

    def test_normal_from_two_words(self):
        u, v = (float(value) for value in philox.uniform(2, 3))
        radius = math.sqrt(-2 * math.log(1 - u))
        expected = [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
        np.testing.assert_allclose(philox.normal(2, 3), expected, rtol=1e-7)
        self.assertEqual(philox.normal(3, 3)[:2].tolist(), philox.normal(2, 3).tolist())


class SafetensorsTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "a.safetensors"

    def test_read_what_was_written(self):
        tensors = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([7])}
        safetensors.write(self.path, tensors)
        found = safetensors.read(self.path)
        self.assertEqual(list(found), list(tensors))
        for name in tensors:
            np.testing.assert_array_equal(found[name], tensors[name])

    def test_layout(self):
        safetensors.write(self.path, {"x": np.float32([1])})
        content = self.path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        self.assertEqual(length % 8, 0)
        self.assertEqual(content[8 + length:], b"\x00\x00\x80\x3f")

    def test_cut_short(self):
        safetensors.write(self.path, {"x": np.float32([1, 2])})
        self.path.write_bytes(self.path.read_bytes()[:-1])
        with self.assertRaisesRegex(ValueError, "cut short"):
            safetensors.read(self.path)


class MNISTTests(unittest.TestCase):
    # The published labels begin 5, 0, 4, 1, 9.
    def test_sample(self):
        images, labels = mnist.training_samples()
        self.assertEqual(images.shape, (6_000, 784))
        self.assertEqual(labels[:5].tolist(), [5, 0, 4, 1, 9])

    def test_foreign_and_truncated(self):
        with self.assertRaisesRegex(ValueError, "not an IDX file"):
            mnist.idx(b"GIF89a")
        with self.assertRaisesRegex(ValueError, "cut short"):
            mnist.idx(b"\0\0\x08\1\0\0\0\4ab")


class AgreementTests(unittest.TestCase):
    def test_relative_difference(self):
        self.assertEqual(agreement.relative_difference(3, 2), 0.5)
        self.assertEqual(agreement.relative_difference(0, 0), 0)
        self.assertEqual(agreement.relative_difference(1, 0), math.inf)
        self.assertEqual(agreement.relative_difference(math.nan, 1), math.inf)
        self.assertEqual(agreement.relative_difference(math.nan, math.nan), math.inf)

    def test_distance(self):
        self.assertAlmostEqual(agreement.distance([3, 4.5], [3, 4]), 0.1)
        self.assertEqual(agreement.distance([1], [1, 2]), math.inf)
        self.assertEqual(agreement.distance([math.nan], [1]), math.inf)

    def test_limit(self):
        self.assertTrue(agreement.is_within([0, 1], 1))
        self.assertFalse(agreement.is_within([0, 1.1], 1))
        self.assertFalse(agreement.is_within([math.nan], 1))
        self.assertFalse(agreement.is_within([], 1))
        self.assertFalse(agreement.is_within([0], -1))


class OutputTests(unittest.TestCase):
    def test_step_losses(self):
        text = "Data: mnist\nstep 1  loss 2.30258512\nstep 20  loss 1e-05\nloss: 0.1 / 0.2  step 1  1.00 sec\n"
        self.assertEqual(apus.step_losses(text), {1: 2.30258512, 20: 1e-05})

    def test_instruction_set(self):
        self.assertEqual(machine.instruction_set({"flags": "fpu avx2 avx512f"}), "AVX-512")


if __name__ == "__main__":
    unittest.main()
