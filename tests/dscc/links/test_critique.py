"""The critique of npj Quantum Information 2022, s41534-022-00613-4, done: satellite and tap together have the key.

Whoever has the satellite's record of its own bits, and listens to the direct exchange of the stations, computes the
key. The exchange has to be confidential, or the satellite to be trusted. Either of the two alone gives nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from optics import BOTH, OPTICS, seeded

from dscc.links.amplification import toeplitz
from dscc.links.exchange import VERIFY_BITS, Discussion, Outcome, exchange
from dscc.links.photons import Bits
from dscc.links.reconciliation import Told


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return exchange(OPTICS, BOTH, seeded(1))


def with_what_follows(told: tuple[Told, ...]) -> list[Told]:
    """Every parity that was told, and those that follow: of a range and of its first half, that of the second half."""
    known: dict[int, list[Told]] = {}
    found = []

    def learn(one: Told) -> None:
        found.append(one)
        known.setdefault(int(one.positions[0]), []).append(one)

    for one in told:
        count = len(one.positions)
        for whole in known.get(int(one.positions[0]), []):
            longer = len(whole.positions)
            if count == longer // 2 and np.array_equal(whole.positions[:count], one.positions):
                learn(Told(whole.positions[count:], whole.parity ^ one.parity))
        learn(one)
    return found


def eavesdrop(record: Bits, kept: np.ndarray, tapped: Discussion) -> Bits | None:
    """The key, from the satellite's bits and what went over the tapped line; None if it does not come out."""
    bits = record[kept]
    parities = with_what_follows(tapped.told)
    # Where the stations corrected an error, they told the first station's very bit.
    for one in parities:
        if len(one.positions) == 1:
            bits[one.positions] = one.parity
    # Where both stations had the same error, they noticed none; but the parities do not fit the satellite's bits.
    for _ in range(25):
        score = np.zeros(len(bits))
        for one in parities:
            odd = (int(bits[one.positions].sum()) & 1) != one.parity
            score[one.positions] += (1 if odd else -1) / len(one.positions)
        if score.max() <= 0:
            break
        bits[int(score.argmax())] ^= 1
    if not np.array_equal(toeplitz(bits, tapped.verify_seed, VERIFY_BITS), tapped.verify_hash):
        return None
    return toeplitz(bits, tapped.seed, len(tapped.seed) - len(bits) + 1)


def test_satellite_and_tap_together_have_the_key(outcome: Outcome) -> None:
    assert outcome.discussion is not None and outcome.record is not None
    key = eavesdrop(outcome.record, outcome.discussion.kept, outcome.discussion)
    assert key is not None
    assert np.array_equal(key, outcome.first)
    assert np.array_equal(key, outcome.second)


def test_the_satellite_alone_does_not_know_which_bits_were_used(outcome: Outcome) -> None:
    """Even with everything else that was said: as long as it is not said which pairs were kept."""
    assert outcome.discussion is not None and outcome.record is not None
    kept = outcome.discussion.kept
    for seed in range(2):
        guessed = np.random.default_rng(seed).permutation(kept)
        assert eavesdrop(outcome.record, guessed, outcome.discussion) is None
        guess = toeplitz(outcome.record[guessed], outcome.discussion.seed, len(outcome.first))
        assert 0.4 < (guess == outcome.first).mean() < 0.6


def test_the_tap_alone_does_not_know_the_bits(outcome: Outcome) -> None:
    assert outcome.discussion is not None and outcome.record is not None
    for seed in range(2):
        guessed = np.random.default_rng(seed).integers(0, 2, len(outcome.record), np.uint8)
        assert eavesdrop(guessed, outcome.discussion.kept, outcome.discussion) is None
