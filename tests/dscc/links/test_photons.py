"""The quantum part against its theory: yields, gains and error rates come out as the formulas say."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from optics import OPTICS, PASS, near, seeded

from dscc.links.photons import (
    NOBODY,
    Clicks,
    Downlink,
    Eavesdropper,
    Intensity,
    Optics,
    arrives,
    coins,
    transmit,
    uniform,
)

NOISY = Optics(dark=1e-4, misaligned=0.03)


def sifted(clicks: Clicks) -> np.ndarray:
    return clicks.basis == clicks.station_basis


def error_rate(clicks: Clicks, intensity: Intensity = Intensity.SIGNAL) -> tuple[float, int]:
    """The share of wrong bits in the right basis, and of how many."""
    there = sifted(clicks) & (clicks.intensity == intensity)
    return float((clicks.bit != clicks.station_bit)[there].mean()), int(there.sum())


@pytest.mark.parametrize("optics", [OPTICS, NOISY], ids=["quiet", "noisy"])
@pytest.mark.parametrize("loss", [5.0, 20.0, 35.0])
def test_the_gain_of_each_intensity_is_that_of_a_poissonian_source(optics: Optics, loss: float) -> None:
    downlink = Downlink(int(10 ** (loss / 10) * 1e5), loss)
    clicks = transmit(optics, downlink, seeded(1))
    for intensity, mean in zip(Intensity, optics.means, strict=True):
        gain = 1 - (1 - optics.dark) * exp(-mean * downlink.transmittance)
        expected = downlink.pulses * optics.shares[intensity] * gain
        assert near(int((clicks.intensity == intensity).sum()), expected), intensity


def test_the_yield_of_each_number_of_photons_is_as_computed() -> None:
    clicks = transmit(NOISY, PASS, seeded(2))
    signals = PASS.pulses * NOISY.shares[Intensity.SIGNAL] * exp(-NOISY.signal)
    for photons, weight in ((0, 1), (1, NOISY.signal), (2, NOISY.signal**2 / 2), (3, NOISY.signal**3 / 6)):
        through = 1 - (1 - PASS.transmittance) ** photons
        assert arrives(PASS, NOISY, photons) == pytest.approx(through)
        expected = signals * weight * (through + (1 - through) * NOISY.dark)
        found = (clicks.photons == photons) & (clicks.intensity == Intensity.SIGNAL)
        assert near(int(found.sum()), expected), photons


@pytest.mark.parametrize(("optics", "loss"), [(OPTICS, 20.0), (NOISY, 20.0), (NOISY, 35.0)])
def test_the_error_rate_is_that_of_misalignment_and_dark_counts(optics: Optics, loss: float) -> None:
    downlink = Downlink(int(10 ** (loss / 10) * 1e6), loss)
    clicks = transmit(optics, downlink, seeded(3))
    dark = optics.dark * exp(-optics.signal * downlink.transmittance)
    light = 1 - exp(-optics.signal * downlink.transmittance)
    expected = (0.5 * dark + optics.misaligned * light) / (dark + light)
    found, count = error_rate(clicks)
    assert abs(found - expected) < 5 * sqrt(expected / count)


def test_dark_counts_are_coins() -> None:
    found, count = error_rate(transmit(NOISY, PASS, seeded(3)), Intensity.VACUUM)
    assert count > 500
    assert abs(found - 0.5) < 5 * sqrt(0.25 / count)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_intercepting_costs_a_quarter_of_what_is_intercepted(share: float) -> None:
    clicks = transmit(OPTICS, PASS, seeded(4), Eavesdropper(intercepts=share))
    found, count = error_rate(clicks)
    right = 1 - share / 2
    expected = right * OPTICS.misaligned + share / 2 * 0.5
    assert abs(found - expected) < 5 * sqrt(expected / count)
    assert float(clicks.known.mean()) == pytest.approx(share / 2, abs=0.01)
    assert near(len(clicks.number), len(transmit(OPTICS, PASS, seeded(5)).number), 8)


def test_who_intercepts_knows_what_it_measured_in_the_right_basis_and_no_more() -> None:
    assert not transmit(OPTICS, PASS, seeded(6), NOBODY).known.any()


def test_splitting_leaves_the_gain_of_signals_and_the_error_rate_as_they_were() -> None:
    honest, split = (transmit(OPTICS, PASS, seeded(7), one) for one in (NOBODY, Eavesdropper(splits=True)))
    signals = [int((clicks.intensity == Intensity.SIGNAL).sum()) for clicks in (honest, split)]
    assert near(signals[1], signals[0], 8)
    assert error_rate(split)[0] == pytest.approx(error_rate(honest)[0], abs=0.003)
    assert split.known[split.intensity == Intensity.SIGNAL].mean() > 0.99


def test_half_of_all_clicks_are_in_the_right_basis_and_every_choice_is_fair() -> None:
    clicks = transmit(OPTICS, PASS, seeded(8))
    count = len(clicks.number)
    for fair in (sifted(clicks), clicks.basis, clicks.bit, clicks.station_basis, clicks.station_bit):
        assert abs(float(fair.mean()) - 0.5) < 5 * sqrt(0.25 / count)
    wrong_basis = ~sifted(clicks)
    assert abs(float((clicks.bit == clicks.station_bit)[wrong_basis].mean()) - 0.5) < 5 * sqrt(0.25 / count * 2)


def test_pulses_click_in_ascending_order_all_over_the_pass() -> None:
    numbers = transmit(OPTICS, PASS, seeded(9)).number
    assert (np.diff(numbers) > 0).all()
    assert numbers[-1] < PASS.pulses
    spread = np.histogram(numbers, 10, (0, PASS.pulses))[0]
    assert all(near(int(part), len(numbers) / 10) for part in spread)


def test_the_same_seed_gives_the_same_pass_and_another_one_another() -> None:
    one, same, other = (transmit(OPTICS, Downlink(10**6, 20.0), seeded(seed)) for seed in (10, 10, 11))
    assert all(np.array_equal(*fields) for fields in zip(one, same, strict=True))
    assert not np.array_equal(one.number, other.number)


def test_random_numbers_are_above_zero_and_coins_are_bits() -> None:
    assert uniform(bytes, 3).min() == 2.0**-53
    assert uniform(lambda count: b"\xff" * count, 3).max() == 1.0
    assert coins(lambda count: b"\xa5" * count, 11).tolist() == [1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
