"""Cascade: it corrects, tells not much more than it must (Shannon), and counts all that it tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optics import seeded

from dscc.links.estimation import entropy
from dscc.links.photons import Bits
from dscc.links.reconciliation import PASSES, Reference, block_sizes, reconcile


def two(count: int, rate: float, seed: int) -> tuple[Bits, Bits]:
    """Random bits, and the same with errors."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 2, count, np.uint8)
    return bits, bits ^ (random.random(count) < rate).astype(np.uint8)


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_all_errors_are_corrected_for_little_more_than_the_least(rate: float, seed: int) -> None:
    count = 20_000
    bits, noisy = two(count, rate, seed)
    reference = Reference(bits)
    corrected = reconcile(noisy, reference, rate, seeded(seed))
    assert np.array_equal(corrected.bits, bits)
    assert corrected.errors == (bits != noisy).sum()
    actual = corrected.errors / count
    assert count * entropy(actual) < len(reference.told) < 1.3 * count * entropy(actual) + 50


def test_every_parity_that_is_told_is_recorded_and_right() -> None:
    bits, noisy = two(5_000, 0.03, 9)
    reference = Reference(bits)
    reconcile(noisy, reference, 0.03, seeded(9))
    assert all(int(bits[told.positions].sum()) % 2 == told.parity for told in reference.told)
    ranges = {told.positions.tobytes() for told in reference.told}
    assert len(ranges) > 0.98 * len(reference.told)


def test_what_was_told_is_all_that_the_other_side_has_of_the_reference() -> None:
    """A reference that answers from a record of the first run, and fails for everything else, is enough."""
    bits, noisy = two(3_000, 0.03, 10)
    reference = Reference(bits)
    reconcile(noisy, reference, 0.03, seeded(10))
    record = {told.positions.tobytes(): told.parity for told in reference.told}

    class Recorded(Reference):
        def parity(self, positions: np.ndarray) -> int:
            return record[positions.tobytes()]

    again = reconcile(noisy, Recorded(np.zeros(0, np.uint8)), 0.03, seeded(10))
    assert np.array_equal(again.bits, bits)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 300), errors=st.sets(st.integers(0, 299), max_size=12), seed=st.integers(0, 99))
def test_few_bits_are_corrected_or_the_errors_come_in_pairs(count: int, errors: set[int], seed: int) -> None:
    bits = two(count, 0, seed)[0]
    noisy = bits.copy()
    noisy[[error for error in errors if error < count]] ^= 1
    before = noisy.copy()
    corrected = reconcile(noisy, Reference(bits), 0.03, seeded(seed))
    assert np.array_equal(noisy, before)
    assert int((corrected.bits != bits).sum()) % 2 == 0


def test_hardly_any_pass_is_left_with_an_error() -> None:
    left = 0
    for seed in range(200):
        bits, noisy = two(2_000, 0.02, seed)
        left += not np.array_equal(reconcile(noisy, Reference(bits), 0.02, seeded(seed)).bits, bits)
    assert left <= 2


def test_blocks_double_and_then_are_halves() -> None:
    assert block_sizes(10_000, 0.02) == [37, 74, 148, 296, *[5_000] * 6]
    assert block_sizes(10, 0.0) == [5] * PASSES
    assert block_sizes(1, 0.5) == [1] * PASSES
    assert (
        repr(reconcile(*two(9, 0, 1)[:1], Reference(two(9, 0, 1)[0]), 0.1, seeded(1))) == "Corrected(9 bits, 0 errors)"
    )
