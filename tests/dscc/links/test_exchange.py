"""A whole pass: both stations have the same key, or none; who listens is found out, and what is short is no key."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from optics import BOTH, OPTICS, PASS, seeded

from dscc.links import reconciliation
from dscc.links.estimation import MOST_ERRORS, entropy
from dscc.links.exchange import Ended, exchange
from dscc.links.photons import NOBODY, Downlink, Eavesdropper


@pytest.mark.parametrize("seed", range(6))
def test_both_stations_have_the_same_key(seed: int) -> None:
    outcome = exchange(OPTICS, BOTH, seeded(seed))
    report = outcome.report
    assert report.ended is Ended.KEY
    assert len(outcome.first) == report.key_bits > 500
    assert np.array_equal(outcome.first, outcome.second)
    assert 0.4 < outcome.first.mean() < 0.6
    assert report.corrected > 200
    assert report.key_bits + report.told < report.kept < report.clicks
    assert report.simulated


def test_the_key_is_as_long_as_the_theory_says_less_what_the_finite_size_costs() -> None:
    many = Downlink(1_000_000_000, 20.0)
    report = exchange(OPTICS, (many, many), seeded(1)).report
    wrong = OPTICS.misaligned
    single = exp(-OPTICS.signal)
    endless = report.kept * (single**2 * (1 - entropy(2 * wrong)) - entropy(2 * wrong))
    assert 0.5 * endless < report.key_bits < endless
    short = exchange(OPTICS, BOTH, seeded(1)).report
    assert short.key_bits / short.kept < 0.5 * report.key_bits / report.kept


def test_passes_of_different_loss_go_together() -> None:
    outcome = exchange(OPTICS, (PASS, Downlink(2 * 10**9, 30.0)), seeded(2))
    assert outcome.report.ended is Ended.KEY
    assert np.array_equal(outcome.first, outcome.second)


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize("share", [0.45, 1.0])
def test_who_intercepts_on_either_side_is_found_out(where: int, share: float) -> None:
    eavesdroppers = [NOBODY, NOBODY]
    eavesdroppers[where] = Eavesdropper(intercepts=share)
    outcome = exchange(OPTICS, BOTH, seeded(3), (eavesdroppers[0], eavesdroppers[1]))
    assert outcome.report.ended is Ended.EAVESDROPPING
    assert outcome.report.error_rates[where] > MOST_ERRORS > outcome.report.error_rates[1 - where]
    assert not len(outcome.first) and not len(outcome.second) and outcome.discussion is None


def test_both_together_may_not_be_above_the_limit_either() -> None:
    each = Eavesdropper(intercepts=0.25)
    report = exchange(OPTICS, BOTH, seeded(4), (each, each)).report
    assert max(report.error_rates) < MOST_ERRORS < sum(report.error_rates)
    assert report.ended is Ended.EAVESDROPPING


@pytest.mark.parametrize("eavesdropper", [Eavesdropper(intercepts=0.15), Eavesdropper(splits=True)])
def test_who_is_below_the_limit_leaves_no_key(eavesdropper: Eavesdropper) -> None:
    outcome = exchange(OPTICS, BOTH, seeded(5), (eavesdropper, NOBODY))
    assert outcome.report.ended is Ended.TOO_SHORT
    assert not len(outcome.first) and outcome.report.told == 0


def test_a_pass_that_is_too_short_gives_no_key() -> None:
    few = Downlink(5_000_000, 20.0)
    assert exchange(OPTICS, (few, few), seeded(6)).report.ended is Ended.TOO_SHORT
    none = Downlink(1_000, 60.0)
    report = exchange(OPTICS, (none, none), seeded(6)).report
    assert (report.kept, report.key_bits) == (0, 0)
    assert report.ended is not Ended.KEY


def test_an_error_that_is_left_is_noticed_by_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PASSES", 1)
    outcome = exchange(OPTICS, BOTH, seeded(7))
    assert outcome.report.ended is Ended.NOT_EQUAL
    assert not len(outcome.first) and not len(outcome.second)


def test_the_same_seed_gives_the_same_key_and_another_one_another() -> None:
    one, same, other = (exchange(OPTICS, BOTH, seeded(seed)) for seed in (8, 8, 9))
    assert np.array_equal(one.first, same.first)
    assert not np.array_equal(one.first[:256], other.first[:256])


def test_a_pass_shows_numbers_and_no_bits() -> None:
    outcome = exchange(OPTICS, BOTH, seeded(10))
    assert "array" not in repr(outcome) and "simulated=True" in repr(outcome)
    assert outcome.discussion is not None
    assert "array" not in repr(outcome.discussion) + repr(outcome.discussion.told[0])
