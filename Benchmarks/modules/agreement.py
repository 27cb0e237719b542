"""How far two series of numbers are from each other."""

import math

import numpy as np


def relative_difference(value, expected):
    """|value - expected| / |expected|; infinite where either is not finite or only the expected one is zero."""
    if not (math.isfinite(value) and math.isfinite(expected)):
        return math.inf
    if value == expected:
        return 0.0
    return abs(value - expected) / abs(expected) if expected != 0 else math.inf


def distance(value, expected):
    """The root of the summed squares of the differences, over that of the expected values."""
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    if value.shape != expected.shape or not (np.isfinite(value).all() and np.isfinite(expected).all()):
        return math.inf
    return relative_difference_of_norms(np.linalg.norm(value - expected), np.linalg.norm(expected))


def relative_difference_of_norms(difference, expected):
    if difference == 0:
        return 0.0
    return float(difference / expected) if expected != 0 else math.inf


def is_within(differences, limit):
    """Whether there are differences and all are at most `limit`."""
    return limit >= 0 and len(differences) > 0 and all(difference <= limit for difference in differences)
