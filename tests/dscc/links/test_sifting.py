"""Sifting: only the right basis counts, only signals in Z make the key, and the order of pairs hides nothing."""

from __future__ import annotations

import numpy as np
import pytest
from optics import OPTICS, PASS, near, seeded

from dscc.links.photons import Basis, Clicks, Intensity, transmit
from dscc.links.sifting import Raw, Tally, pair, permutation, sift


@pytest.fixture(scope="module")
def clicks() -> Clicks:
    return transmit(OPTICS, PASS, seeded(1))


def test_clicks_are_counted_by_basis_and_intensity_where_the_station_measured_in_the_same(clicks: Clicks) -> None:
    tally, _ = sift(clicks, PASS.pulses)
    for basis in Basis:
        for intensity in Intensity:
            there = (clicks.basis == basis) & (clicks.station_basis == basis) & (clicks.intensity == intensity)
            assert tally.seen[basis][intensity] == there.sum()
    wrong = (clicks.basis == Basis.X) & (clicks.station_basis == Basis.X) & (clicks.bit != clicks.station_bit)
    assert sum(tally.wrong) == wrong.sum() > 100
    assert near(sum(map(sum, tally.seen)), len(clicks.number) / 2)
    assert tally.error_rate == tally.wrong[0] / tally.seen[Basis.X][0]


def test_no_signals_are_as_bad_as_coins() -> None:
    assert Tally(10, ((0, 0, 0), (0, 0, 0)), (0, 0, 0)).error_rate == 0.5


def test_the_raw_key_is_of_signals_in_basis_z(clicks: Clicks) -> None:
    _, raw = sift(clicks, PASS.pulses)
    signals = (clicks.intensity == Intensity.SIGNAL) & (clicks.basis == Basis.Z)
    assert np.array_equal(raw.satellite, clicks.bit[signals])
    assert np.array_equal(raw.matches, clicks.station_basis[signals] == Basis.Z)
    wrong = raw.satellite != raw.station
    assert wrong[raw.matches].mean() < 0.02
    assert 0.45 < wrong[~raw.matches].mean() < 0.55


def test_the_combination_turns_the_bits_of_the_second_into_those_of_the_first(clicks: Clicks) -> None:
    first, second = sift(clicks, PASS.pulses)[1], sift(transmit(OPTICS, PASS, seeded(2)), PASS.pulses)[1]
    paired = pair(first, second, seeded(3))
    assert len(paired.combined) == min(len(first.satellite), len(second.satellite))
    assert near(int(paired.kept.sum()), len(paired.combined) / 4)
    kept = paired.kept
    assert (paired.first == paired.satellite)[kept].mean() > 0.98
    assert (paired.second == paired.satellite)[kept].mean() > 0.98
    assert 0.4 < (paired.first == paired.second)[~kept].mean() < 0.72
    assert 0.48 < paired.combined.mean() < 0.52


def test_an_order_holds_each_number_once_and_favours_none() -> None:
    order = permutation(seeded(4), 1000)
    assert sorted(order.tolist()) == list(range(1000))
    firsts = [int(permutation(seeded(seed), 4)[0]) for seed in range(2000)]
    assert all(near(firsts.count(number), 500) for number in range(4))


def test_what_is_secret_is_not_shown(clicks: Clicks) -> None:
    _, raw = sift(clicks, PASS.pulses)
    assert repr(raw) == f"Raw({len(raw.satellite)} bits)"
    assert repr(pair(raw, raw, seeded(5))).startswith("Paired(")
    assert "array" not in repr(pair(raw, raw, seeded(5)))
    assert repr(clicks) == f"Clicks({len(clicks.number)})"


def test_what_happened_early_in_one_downlink_is_not_paired_with_what_happened_early_in_the_other() -> None:
    early = np.arange(10_000) < 5_000
    raw = Raw(early.astype(np.uint8), early.astype(np.uint8), np.ones(10_000, bool))
    assert 0.45 < pair(raw, raw, seeded(6)).combined.mean() < 0.55
