"""What the tests of the simulation have in common: a random source under a seed, and passes that are quick to run."""

from __future__ import annotations

from math import sqrt

import numpy as np

from dscc.links.photons import Downlink, Optics, Random

OPTICS = Optics()
PASS = Downlink(200_000_000, 20.0)
"""About 410,000 clicks."""
BOTH = (PASS, PASS)


def seeded(seed: int) -> Random:
    return np.random.default_rng(seed).bytes


def near(count: float, expected: float, sigmas: float = 5) -> bool:
    """Whether a count is within so many standard deviations of what a Poisson distribution gives."""
    return abs(count - expected) <= sigmas * sqrt(expected) + 1
