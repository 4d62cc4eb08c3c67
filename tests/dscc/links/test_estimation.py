"""Parameter estimation: the bounds hold against what the simulation knows, are tight, and see photons being split."""

from __future__ import annotations

from math import exp, log2

import numpy as np
import pytest
from optics import OPTICS, PASS, seeded

from dscc.links import estimation
from dscc.links.estimation import Estimate, disturbances, entropy, estimate, key_bits, least, most, singles
from dscc.links.photons import Basis, Clicks, Downlink, Eavesdropper, Intensity, transmit
from dscc.links.sifting import sift


def truth(clicks: Clicks) -> tuple[int, float]:
    """How many signals in basis Z were single photons, and how many of the single photons in basis X were wrong."""
    same = (clicks.basis == clicks.station_basis) & (clicks.photons == 1)
    in_x = same & (clicks.basis == Basis.X)
    wrong = (clicks.bit != clicks.station_bit)[in_x].mean()
    return int((same & (clicks.basis == Basis.Z) & (clicks.intensity == Intensity.SIGNAL)).sum()), float(wrong)


@pytest.mark.parametrize("eavesdropper", [Eavesdropper(), Eavesdropper(intercepts=0.2)], ids=["quiet", "intercepted"])
@pytest.mark.parametrize("seed", range(8))
def test_the_bounds_hold_in_every_pass(seed: int, eavesdropper: Eavesdropper) -> None:
    clicks = transmit(OPTICS, PASS, seeded(seed), eavesdropper)
    found = estimate(OPTICS, sift(clicks, PASS.pulses)[0])
    count, disturbed = truth(clicks)
    assert 0.6 * count < found.singles <= count
    assert disturbed <= found.disturbed < 3.5 * disturbed


def test_the_bounds_get_tight_with_the_number_of_clicks() -> None:
    shares = []
    for pulses in (10**7, 10**8, 10**9):
        clicks = transmit(OPTICS, Downlink(pulses, 20.0), seeded(1))
        shares.append(estimate(OPTICS, sift(clicks, pulses)[0]).singles / truth(clicks)[0])
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


def test_without_fluctuations_the_bounds_are_those_of_vacuum_and_weak_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expectations give what Ma, Qi, Zhao, Lo (2005) say: Y1 less weak * signal / 2, and e1 or a bit more."""
    monkeypatch.setattr(estimation, "most", float)
    monkeypatch.setattr(estimation, "least", float)
    passed, dark, rate = 1e-3, 1e-5, 0.01
    gains = [1 - (1 - dark) * exp(-mean * passed) for mean in OPTICS.means]
    wrong = [(0.5 * dark * exp(-mean * passed) + rate * (1 - exp(-mean * passed))) for mean in OPTICS.means]
    pulses = 1e12
    seen = tuple(pulses * share * gain for share, gain in zip(OPTICS.shares, gains, strict=True))
    errors = tuple(pulses * share * gain for share, gain in zip(OPTICS.shares, wrong, strict=True))
    real = passed + (1 - passed) * dark
    found = singles(OPTICS, seen) / pulses  # type: ignore[arg-type]
    assert found / real == pytest.approx(1 - OPTICS.weak * OPTICS.signal / 2, abs=0.004)
    disturbed = disturbances(OPTICS, errors) / pulses  # type: ignore[arg-type]
    real_wrong = rate * passed + 0.5 * (1 - passed) * dark
    assert real_wrong <= disturbed < 1.1 * real_wrong


def test_decoys_show_that_photons_are_split_where_the_error_rate_shows_nothing() -> None:
    clicks = transmit(OPTICS, PASS, seeded(2), Eavesdropper(splits=True))
    tally = sift(clicks, PASS.pulses)[0]
    assert tally.error_rate < 0.02
    found = estimate(OPTICS, tally)
    assert found.singles == 0
    assert key_bits(found, found, 20_000, 3_000) == 0


def test_the_entropy_is_that_of_a_coin() -> None:
    assert entropy(0) == 0
    assert entropy(0.5) == entropy(0.7) == 1
    assert entropy(0.11) == pytest.approx(0.5, abs=0.0005)


@pytest.mark.parametrize("expected", [50, 1_000, 100_000])
def test_a_count_is_never_outside_of_the_bounds(expected: int) -> None:
    counts = np.random.default_rng(3).poisson(expected, 200_000)
    assert least(float(counts.max())) <= expected <= most(float(counts.min()))
    assert least(expected) < expected < most(expected)
    assert least(0) == 0


GOOD = Estimate(signals=1_000_000, singles=700_000.0, disturbed=0.01, singles_checked=700_000.0)


def test_a_key_is_shorter_by_what_was_told_disturbed_and_not_single() -> None:
    kept = 500_000
    length = key_bits(GOOD, GOOD, kept, 0)
    assert 0.85 * 0.49 * kept * (1 - entropy(0.02)) < length < 0.49 * kept * (1 - entropy(0.02))
    assert key_bits(GOOD, GOOD, kept, 1000) == length - 1000
    assert key_bits(GOOD._replace(disturbed=0.05), GOOD, kept, 0) < length
    assert key_bits(GOOD._replace(singles=600_000.0), GOOD, kept, 0) < length
    assert key_bits(GOOD._replace(disturbed=0.5), GOOD, kept, 0) == 0


def test_the_finite_size_takes_the_more_the_less_there_is() -> None:
    rates = [key_bits(GOOD, GOOD, kept, 0) / kept for kept in (500, 10_000, 100_000, 1_000_000)]
    assert rates == sorted(rates)
    assert rates[0] == 0
    assert key_bits(GOOD, GOOD, 0, 0) == 0
    assert key_bits(GOOD._replace(signals=0), GOOD, 1000, 0) == 0
    assert 2 * log2(1 / estimation.FAILURE) > 60
