"""The quantum part of a simulated downlink: weak pulses of one satellite to one station, BB84 with decoy states.

The satellite sends pulses of light with a Poisson number of photons whose mean is chosen at random (signal, weak,
vacuum), in a random basis, with a random bit. A pulse clicks at the station if a photon gets through, or by a dark
count; the station measures in a random basis. All of it is drawn from the exact distribution. Pulses that do not click
leave no trace, so that only those that do are drawn: the gaps between them are geometrically distributed.

The random source is a function from a number of bytes to these: the operating system's, or a test's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from math import exp, factorial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Random = Callable[[int], bytes]
Bits = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_MOST_PHOTONS: Final = 12
"""More in one pulse are as good as never there: below 1e-13 for a mean of 1/2."""


class Intensity(IntEnum):
    """The mean number of photons of a pulse, by name."""

    SIGNAL = 0
    WEAK = 1
    VACUUM = 2


class Basis(IntEnum):
    """Z makes the key; X tells how much was listened to."""

    Z = 0
    X = 1


class Optics(NamedTuple):
    """What satellite and stations are built of. The defaults are of the order of what has been flown."""

    signal: float = 0.3
    """Mean number of photons."""
    weak: float = 0.08
    shares: tuple[float, float, float] = (0.6, 0.3, 0.1)
    """How often each intensity is chosen: signal, weak, vacuum."""
    dark: float = 1e-7
    """The probability of a dark count for each pulse, both detectors together."""
    misaligned: float = 0.008
    """The probability that a photon in the right basis gives the wrong bit."""

    @property
    def means(self) -> tuple[float, float, float]:
        """The mean number of photons of each intensity."""
        return self.signal, self.weak, 0.0


class Downlink(NamedTuple):
    """One pass over one station: how many pulses are sent, and what is lost of each, detectors included, in dB."""

    pulses: int
    loss_db: float

    @property
    def transmittance(self) -> float:
        """The probability that a photon is detected."""
        return float(10 ** (-self.loss_db / 10))


class Eavesdropper(NamedTuple):
    """Who has the light in hand between satellite and station."""

    intercepts: float = 0.0
    """The share of pulses that it measures in a random basis and sends again as it found them."""
    splits: bool = False
    """It stops single photons, keeps one of several and lets the others through, so that as many signals click."""


NOBODY: Final = Eavesdropper()


class Clicks(NamedTuple):
    """The pulses that clicked, one entry each. What nobody but the simulation knows comes last, for tests."""

    number: Numbers
    """Which pulse it was."""
    intensity: Bits
    basis: Bits
    bit: Bits
    """What the satellite sent: it keeps all of its pulses; of the others nothing is needed any more."""
    station_basis: Bits
    station_bit: Bits
    photons: Bits
    known: Bits
    """Whether the eavesdropper measured it in the right basis, or kept one of its photons."""

    def __repr__(self) -> str:
        return f"Clicks({len(self.number)})"


def arrives(downlink: Downlink, optics: Optics, photons: int, eavesdropper: Eavesdropper = NOBODY) -> float:
    """The probability that some photon of a pulse with so many is detected."""
    if not eavesdropper.splits:
        return float(1 - (1 - downlink.transmittance) ** photons)
    several = 1 - exp(-optics.signal) * (1 + optics.signal)
    return min(1.0, (1 - exp(-optics.signal * downlink.transmittance)) / several) if photons > 1 else 0.0


def _poisson(mean: float, photons: int) -> float:
    return exp(-mean) * mean**photons / factorial(photons)


def uniform(random: Random, count: int) -> NDArray[np.float64]:
    """Numbers above 0, up to 1, in steps of 2^-53."""
    whole = np.frombuffer(random(8 * count), np.uint64) >> np.uint64(11)
    return (whole.astype(np.float64) + 1) * 2.0**-53


def coins(random: Random, count: int) -> Bits:
    """Fair bits."""
    return np.unpackbits(np.frombuffer(random((count + 7) // 8), np.uint8), count=count)


def _clicking(random: Random, pulses: int, probability: float) -> Numbers:
    """Which of the pulses click: each does with this probability, whatever the others do."""
    found: list[Numbers] = []
    last, expected = -1, pulses * probability
    while last < pulses:
        count = int(expected + 6 * expected**0.5) + 16
        gaps = np.floor(np.log(uniform(random, count)) / np.log1p(-probability)).astype(np.int64) + 1
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    numbers = np.concatenate(found)
    return numbers[numbers < pulses]


def transmit(optics: Optics, downlink: Downlink, random: Random, eavesdropper: Eavesdropper = NOBODY) -> Clicks:
    """Send the pulses of one pass."""
    kinds = [
        (intensity, photons, by_photon)
        for intensity in Intensity
        for photons in range(_MOST_PHOTONS + 1)
        for by_photon in (True, False)
    ]
    got_through = [arrives(downlink, optics, photons, eavesdropper) for photons in range(_MOST_PHOTONS + 1)]
    clicks = np.array(
        [
            optics.shares[intensity]
            * _poisson(optics.means[intensity], photons)
            * (got_through[photons] if by_photon else (1 - got_through[photons]) * optics.dark)
            for intensity, photons, by_photon in kinds
        ]
    )
    number = _clicking(random, downlink.pulses, float(clicks.sum()))
    count = len(number)
    cumulative = np.cumsum(clicks) / clicks.sum()
    kind = np.minimum(np.searchsorted(cumulative, uniform(random, count)), len(kinds) - 1)
    intensity, photons, by_photon = (np.array(column, np.uint8)[kind] for column in zip(*kinds, strict=True))

    basis, bit, station_basis = coins(random, count), coins(random, count), coins(random, count)
    listens = uniform(random, count) <= eavesdropper.intercepts
    its_basis = np.where(listens, coins(random, count), basis)
    light = np.where(its_basis == basis, bit, coins(random, count))
    flipped = light ^ (uniform(random, count) <= optics.misaligned)
    measured = (station_basis == its_basis) & (by_photon == 1)
    station_bit = np.where(measured, flipped, coins(random, count)).astype(np.uint8)
    split = eavesdropper.splits & (photons > 1)
    known = ((listens & (its_basis == basis)) | split).astype(np.uint8)
    return Clicks(number, intensity, basis, bit, station_basis, station_bit, photons, known)
