"""Parameter estimation: how many bits of a raw key can have been seen by nobody, from what the decoys showed.

A pulse of several photons gives one away unnoticed, so that only single photons count. How many of the clicks were
single photons, and how many of these were disturbed, is bounded from the three intensities (vacuum + weak decoy: Ma,
Qi, Zhao, Lo 2005), with counts pushed to the worse side by their statistical fluctuation (Chernoff, as in Lim, Curty,
Walenta, Xu, Zbinden 2014 with Hoeffding): the finite size costs the more the fewer clicks there are.

Each bound may fail with probability FAILURE; a key has fewer than 40 of them. This follows the published proofs in its
shape. It has not been proved for this composition of two downlinks, and stands for no security claim: it is simulated.
"""

from __future__ import annotations

from math import exp, log, log2, sqrt
from typing import Final, NamedTuple

from dscc.links.photons import Basis, Intensity, Optics
from dscc.links.sifting import Tally

FAILURE: Final = 1e-10
MOST_ERRORS: Final = 0.11
"""Above 11 % no key can be made by one-way processing (Shor, Preskill 2000): somebody listens, or nothing works."""
_BETA: Final = log(1 / FAILURE)


class Estimate(NamedTuple):
    """What is known for sure, but for FAILURE, of the signals of one downlink in basis Z that the station has."""

    signals: int
    singles: float
    """At least as many were single photons."""
    disturbed: float
    """At most this share of the single photons in basis X was wrong."""
    singles_checked: float
    """At least as many single photons in basis X tell so."""


def entropy(probability: float) -> float:
    """The binary entropy in bits, 1 from one half on."""
    if probability >= 0.5:
        return 1.0
    if probability <= 0:
        return 0.0
    return -probability * log2(probability) - (1 - probability) * log2(1 - probability)


def most(count: float) -> float:
    """The largest expectation for which so few may be counted (Chernoff)."""
    return count + _BETA + sqrt(2 * _BETA * count + _BETA**2)


def least(count: float) -> float:
    """The smallest expectation for which so many may be counted (Chernoff)."""
    return max(0.0, count - _BETA / 2 - sqrt(2 * _BETA * count + _BETA**2 / 4))


def _drawn(expected: float) -> float:
    """The smallest count that such an expectation may give (Chernoff)."""
    return max(0.0, expected - sqrt(2 * _BETA * expected))


def singles(optics: Optics, seen: tuple[int, int, int]) -> float:
    """At least how many of the pulses would click if all were single photons (Ma et al., equation 34).

    `seen` are the clicks of each intensity. In the counts' own scale: divided by the pulses, this is the yield Y1.
    """
    mean, weak = optics.signal, optics.weak
    signals = most(seen[Intensity.SIGNAL]) * exp(mean) / optics.shares[Intensity.SIGNAL]
    weaks = least(seen[Intensity.WEAK]) * exp(weak) / optics.shares[Intensity.WEAK]
    nothing = most(seen[Intensity.VACUUM]) / optics.shares[Intensity.VACUUM]
    ratio = (weak / mean) ** 2
    return max(0.0, (weaks - ratio * signals - (1 - ratio) * nothing) / (weak - weak**2 / mean))


def disturbances(optics: Optics, wrong: tuple[int, int, int]) -> float:
    """At most how many would click wrongly if all were single photons (Ma et al., equation 37).

    Each of the two intensities gives a bound; the lower one holds.
    """
    nothing = least(wrong[Intensity.VACUUM]) / optics.shares[Intensity.VACUUM]
    return min(
        (most(wrong[intensity]) * exp(mean) / optics.shares[intensity] - nothing) / mean
        for intensity, mean in zip(Intensity, optics.means, strict=True)
        if mean
    )


def estimate(optics: Optics, tally: Tally) -> Estimate:
    """The bounds for one downlink."""
    signals = optics.shares[Intensity.SIGNAL] * optics.signal * exp(-optics.signal)
    clicks_z, clicks_x = singles(optics, tally.seen[Basis.Z]), singles(optics, tally.seen[Basis.X])
    share = disturbances(optics, tally.wrong) / clicks_x if clicks_x else 1.0
    checked = clicks_x * sum(part * mean * exp(-mean) for part, mean in zip(optics.shares, optics.means, strict=True))
    return Estimate(
        tally.seen[Basis.Z][Intensity.SIGNAL], _drawn(signals * clicks_z), min(max(share, 0.0), 0.5), _drawn(checked)
    )


def _sampled(share: float, sample: float, rest: float) -> float:
    """By how much the share in the rest may be above the one in the sample (Fung, Ma, Chau 2010)."""
    if not (0 < share < 0.5 and sample > 0 and rest > 0):
        return 0.0 if share >= 0.5 else 0.5
    spread = (1 - share) * share
    both = (sample + rest) / (sample * rest)
    return sqrt(both * spread / log(2) * log2(max(2.0, both / spread / FAILURE**2)))


def key_bits(first: Estimate, second: Estimate, kept: int, told: int) -> int:
    """How long the key may be that two stations make of `kept` pairs, after telling `told` bits; 0 if there is none.

    A pair is secret if both pulses were single photons: with the combination published, either bit gives the other one.
    The pair's disturbance is at most that of both together. The order of the pairs is random, and so are those kept.
    """
    if not kept or not first.signals or not second.signals:
        return 0
    chance = sqrt(_BETA / (2 * kept))
    shares = [max(0.0, found.singles / found.signals - chance) for found in (first, second)]
    secret = kept * max(0.0, shares[0] * shares[1] - chance)
    disturbed = sum(
        found.disturbed + _sampled(found.disturbed, found.singles_checked, secret) for found in (first, second)
    )
    return max(0, int(secret * (1 - entropy(disturbed)) - told - 2 * log2(1 / FAILURE)))
