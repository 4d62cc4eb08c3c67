"""One key for two stations from one satellite that passes over both: ARQ19's published logic, simulated whole.

    satellite -> first, second   two different BB84 streams (photons.py)
    stations  -> satellite       which pulses clicked; not in which basis they were measured
    satellite -> everybody       bases, intensities, the bits that make no key; the order of pairs; the combination
                                 of its bits for the first and for the second (sifting.py)
    first    <-> second          DIRECTLY: which pairs both measured in the right basis, parities (reconciliation.py),
                                 a hash to verify, the seed of privacy amplification (amplification.py)

The satellite sent all of the bits. What it does not know is which of them the stations use, and that is said in the
direct exchange. So the exchange has to be confidential: whoever has the satellite's record and listens to it has the
key (npj Quantum Information 2022, s41534-022-00613-4). tests/dscc/links/test_critique.py does it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dscc.links import estimation
from dscc.links.amplification import seed_bits, toeplitz
from dscc.links.photons import NOBODY, Bits, Downlink, Eavesdropper, Optics, Random, coins, transmit
from dscc.links.reconciliation import Reference, Told, reconcile
from dscc.links.sifting import Paired, Tally, pair, sift

VERIFY_BITS: Final = 64


class Ended(StrEnum):
    """How a pass ended."""

    KEY = "key"
    EAVESDROPPING = "eavesdropping"
    """More errors than MOST_ERRORS: the pass is thrown away."""
    TOO_SHORT = "too short"
    """Nothing is left after the finite-size bounds and what error correction told."""
    NOT_EQUAL = "not equal"
    """The hash says that errors are left."""


class Report(NamedTuple):
    """What a pass came to, in numbers that may be shown. Always simulated."""

    ended: Ended
    pulses: int = 0
    """Sent to both stations together."""
    clicks: int = 0
    error_rates: tuple[float, float] = (0.0, 0.0)
    """QBER of the first and of the second downlink, from basis X."""
    kept: int = 0
    """Bits of raw key after sifting."""
    corrected: int = 0
    """How many of them were wrong."""
    told: int = 0
    """Bits told in error correction and verification."""
    key_bits: int = 0
    simulated: bool = True


class Discussion(NamedTuple):
    """What goes over the direct exchange of the stations: secret from whoever knows the satellite's record."""

    kept: NDArray[np.bool_]
    told: tuple[Told, ...]
    verify_seed: Bits
    verify_hash: Bits
    seed: Bits

    def __repr__(self) -> str:
        return f"Discussion({len(self.told)} parities)"


class Outcome(NamedTuple):
    """The end of a pass: both stations' keys, as bits (none if it was aborted), and what others may have seen."""

    report: Report
    first: Bits
    second: Bits
    discussion: Discussion | None = None
    record: Bits | None = None
    """What the satellite keeps of the pairs: its bits for the first station, in the published order."""

    def __repr__(self) -> str:
        return f"Outcome({self.report!r})"


_NONE = np.zeros(0, np.uint8)


def exchange(
    optics: Optics,
    downlinks: tuple[Downlink, Downlink],
    random: Random,
    eavesdroppers: tuple[Eavesdropper, Eavesdropper] = (NOBODY, NOBODY),
) -> Outcome:
    """Both downlinks, and everything after them."""
    tallies, raws, clicks = [], [], 0
    for downlink, eavesdropper in zip(downlinks, eavesdroppers, strict=True):
        found = transmit(optics, downlink, random, eavesdropper)
        tally, raw = sift(found, downlink.pulses)
        tallies.append(tally)
        raws.append(raw)
        clicks += len(found.number)
    report = Report(
        Ended.TOO_SHORT,
        pulses=sum(downlink.pulses for downlink in downlinks),
        clicks=clicks,
        error_rates=(tallies[0].error_rate, tallies[1].error_rate),
    )
    paired = pair(raws[0], raws[1], random)
    report = report._replace(kept=int(paired.kept.sum()))
    if _is_disturbed(report.error_rates):
        return Outcome(report._replace(ended=Ended.EAVESDROPPING), _NONE, _NONE)
    if not _is_worth_it(optics, tallies, report):
        return Outcome(report, _NONE, _NONE)
    return _finish(optics, tallies, report, paired, random)


def _together(rates: tuple[float, float]) -> float:
    """The error rate between the stations' bits: one of the two is wrong, but not both."""
    return rates[0] + rates[1] - 2 * rates[0] * rates[1]


def _is_disturbed(rates: tuple[float, float]) -> bool:
    return max(*rates, _together(rates)) > estimation.MOST_ERRORS


def _is_worth_it(optics: Optics, tallies: list[Tally], report: Report) -> bool:
    """Whether a key would be left if error correction told the least that it has to (Shannon)."""
    least = int(report.kept * estimation.entropy(_together(report.error_rates)))
    first, second = (estimation.estimate(optics, tally) for tally in tallies)
    return estimation.key_bits(first, second, report.kept, least + VERIFY_BITS) > 0


def _finish(optics: Optics, tallies: list[Tally], report: Report, paired: Paired, random: Random) -> Outcome:
    """The direct exchange of the stations."""
    raw = paired.first[paired.kept]
    reference = Reference(raw)
    corrected = reconcile(paired.second[paired.kept], reference, _together(report.error_rates), random)
    verify_seed = coins(random, seed_bits(len(raw), VERIFY_BITS))
    verify_hash = toeplitz(raw, verify_seed, VERIFY_BITS)
    told = len(reference.told) + VERIFY_BITS
    report = report._replace(corrected=corrected.errors, told=told)
    if not np.array_equal(toeplitz(corrected.bits, verify_seed, VERIFY_BITS), verify_hash):
        return Outcome(report._replace(ended=Ended.NOT_EQUAL), _NONE, _NONE)
    if corrected.errors > estimation.MOST_ERRORS * len(raw):
        return Outcome(report._replace(ended=Ended.EAVESDROPPING), _NONE, _NONE)
    first, second = (estimation.estimate(optics, tally) for tally in tallies)
    length = estimation.key_bits(first, second, report.kept, told)
    if not length:
        return Outcome(report, _NONE, _NONE)
    seed = coins(random, seed_bits(len(raw), length))
    return Outcome(
        report._replace(ended=Ended.KEY, key_bits=length),
        toeplitz(raw, seed, length),
        toeplitz(corrected.bits, seed, length),
        Discussion(paired.kept, tuple(reference.told), verify_seed, verify_hash, seed),
        paired.satellite,
    )
