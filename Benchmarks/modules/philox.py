"""The random numbers of Apus, in numpy: Philox 4x32 with 10 rounds, as Sources/ApusCore/Philox.swift has it.

Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
"""

import numpy as np

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
LOW_HALF = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def rounds(counter, key):
    """From counters, integers [n, 4], and a key, 2 integers, to words, uint32 [n, 4]."""
    words = [np.asarray(counter)[:, place].astype(np.uint64) for place in range(4)]
    key = [int(key[0]), int(key[1])]
    for _ in range(10):
        first = words[0] * np.uint64(MULTIPLIERS[0])
        second = words[2] * np.uint64(MULTIPLIERS[1])
        words = [
            (second >> HALF) ^ words[1] ^ np.uint64(key[0]), second & LOW_HALF,
            (first >> HALF) ^ words[3] ^ np.uint64(key[1]), first & LOW_HALF,
        ]
        key = [(part + step) % 2**32 for part, step in zip(key, KEY_STEPS)]
    return np.stack(words, axis=1).astype(np.uint32)


def words(count, seed, stream, step):
    """The first `count` words of the sequence (seed, stream, step)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    counter = np.empty((len(blocks), 4), np.uint64)
    counter[:, 0] = blocks
    counter[:, 1] = stream
    counter[:, 2] = step % 2**32
    counter[:, 3] = step >> 32
    return rounds(counter, (seed % 2**32, seed >> 32)).reshape(-1)[:count]


def uniform(count, seed, stream=0, step=0):
    """Numbers on [0, 1), float32: the upper 24 bits of a word times 2^-24."""
    return (words(count, seed, stream, step) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)


def normal(count, seed, stream=0, step=0):
    """Numbers of the standard normal distribution, float32, by Box and Muller from pairs of words."""
    even = count + count % 2
    pairs = uniform(even, seed, stream, step).astype(np.float64).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log(1 - pairs[:, 0]))
    angle = 2 * np.pi * pairs[:, 1]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count].astype(np.float32)
