"""Sifting: what satellite and station tell each other of a downlink, and what is left as raw key.

The station says which pulses clicked, and nothing else: not in which basis it measured, so that the satellite does not
know which of its bits the station has. The satellite answers with the basis and the intensity of these, and with the
bits of those that make no key (everything but signals in basis Z). From these the station estimates by itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dscc.links.photons import Basis, Bits, Clicks, Intensity, Random


class Tally(NamedTuple):
    """How many clicks a station has in the satellite's own basis, by basis and intensity, and how many are wrong.

    `wrong` is known in basis X only: in Z nothing of the signals is disclosed.
    """

    pulses: int
    seen: tuple[tuple[int, int, int], tuple[int, int, int]]
    wrong: tuple[int, int, int]

    @property
    def error_rate(self) -> float:
        """QBER: the share of the signals in basis X that are wrong; one half if there are none."""
        seen = self.seen[Basis.X][Intensity.SIGNAL]
        return self.wrong[Intensity.SIGNAL] / seen if seen else 0.5


class Raw(NamedTuple):
    """The signals of one downlink that were sent in basis Z: the satellite's bits, and what the station has of them."""

    satellite: Bits
    station: Bits
    matches: NDArray[np.bool_]
    """Where the station measured in Z, too. The station knows it, the satellite does not."""

    def __repr__(self) -> str:
        return f"Raw({len(self.satellite)} bits)"


def sift(clicks: Clicks, pulses: int) -> tuple[Tally, Raw]:
    """What a station counts, and the bits that may become a key."""
    same = clicks.basis == clicks.station_basis
    wrong = clicks.bit != clicks.station_bit

    def count(basis: Basis, which: NDArray[np.bool_]) -> tuple[int, int, int]:
        found = clicks.intensity[same & (clicks.basis == basis) & which]
        return tuple(np.bincount(found, minlength=3).tolist())

    everything = np.ones_like(same)
    seen = (count(Basis.Z, everything), count(Basis.X, everything))
    candidates = np.flatnonzero((clicks.intensity == Intensity.SIGNAL) & (clicks.basis == Basis.Z))
    raw = Raw(clicks.bit[candidates], clicks.station_bit[candidates], same[candidates])
    return Tally(pulses, seen, count(Basis.X, wrong)), raw


class Paired(NamedTuple):
    """Bits of two downlinks, one of each beside one of the other, in an order drawn after both were received.

    That order is public. Since it is drawn late, whoever interfered with one downlink cannot have aimed at what became
    its partner: how many pairs are single photons on both sides is a matter of chance, which can be bounded.
    """

    combined: Bits
    """The satellite's bits of both, added: it publishes this."""
    first: Bits
    second: Bits
    """What the second station has, with the combination added: the first's bits, but for errors."""
    kept: NDArray[np.bool_]
    """Where both measured in Z: they tell each other directly, and nobody else."""
    satellite: Bits
    """The satellite's own bits for the first station."""

    def __repr__(self) -> str:
        return f"Paired({len(self.combined)} bits, {int(self.kept.sum())} kept)"


def permutation(random: Random, count: int) -> NDArray[np.int64]:
    """A random order: the ranks of as many random numbers."""
    return np.argsort(np.frombuffer(random(8 * count), np.uint64), kind="stable")


def pair(first: Raw, second: Raw, random: Random) -> Paired:
    """Pair the bits of two downlinks; what is left over on one side is dropped."""
    one, other = (permutation(random, len(raw.satellite)) for raw in (first, second))
    count = min(len(one), len(other))
    one, other = one[:count], other[:count]
    combined = first.satellite[one] ^ second.satellite[other]
    return Paired(
        combined=combined,
        first=first.station[one],
        second=second.station[other] ^ combined,
        kept=first.matches[one] & second.matches[other],
        satellite=first.satellite[one],
    )
