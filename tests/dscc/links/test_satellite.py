"""The simulated network as a source of keys: passes fill, draws drain, who listens starves it, and it says so."""

from __future__ import annotations

import logging

import pytest
from optics import seeded

from dscc.links import satellite
from dscc.links.exchange import Ended, Report
from dscc.links.photons import Eavesdropper
from dscc.links.satellite import Orbit, Pass, SimSatellite
from dscc.links.source import (
    KeyGoneError,
    SourceEmptyError,
    SourceRefusedError,
    SourceRequestError,
    is_simulated,
)

ORBIT = 5600.0
PASSES = (Pass("n1", "n2", 100, 100, (20, 20)), Pass("n1", "n3", 2000, 100, (20, 20)))


class Sky:
    """A network with a clock that the test sets."""

    def __init__(self, seed: int = 1, capacity: int = 1 << 16) -> None:
        self.now = 1000.0
        self.network = SimSatellite(
            Orbit(ORBIT, PASSES, pulse_rate=2e6), lambda: self.now, seeded(seed), capacity=capacity
        )
        self.one, self.other = self.network.end("n1"), self.network.end("n2")


def test_a_pass_fills_the_buffer_when_it_is_over() -> None:
    sky = Sky()
    assert sky.one.status("n2").stored_keys == 0
    sky.now += PASSES[0].end - 1
    with pytest.raises(SourceEmptyError):
        sky.one.get_key("n2", 32)
    sky.now += 1
    stored = sky.one.status("n2").stored_keys
    assert stored > 1
    assert sky.other.status("n1").stored_keys == stored
    assert sky.one.status("n3").stored_keys == 0
    sky.now += 2000
    assert sky.one.status("n3").stored_keys > 1


def test_both_ends_draw_the_same_keys_once() -> None:
    sky = Sky()
    sky.now += ORBIT
    keys = sky.one.get_key("n2", 32, 2)
    assert len({key.secret for key in keys}) == 2
    ids = tuple(key.key_id for key in keys)
    assert sky.other.get_by_id("n1", ids[::-1]) == keys[::-1]
    with pytest.raises(KeyGoneError):
        sky.other.get_by_id("n1", ids)


def test_keys_are_for_the_peer_only_and_all_or_none() -> None:
    sky = Sky()
    sky.now += ORBIT
    (key,) = sky.one.get_key("n2", 32)
    unknown = "53494d00-0000-8000-8000-000000000000"
    for station, peer in (("n1", "n2"), ("n3", "n1")):
        with pytest.raises(KeyGoneError):
            sky.network.end(station).get_by_id(peer, (key.key_id,))
    with pytest.raises(KeyGoneError):
        sky.other.get_by_id("n1", (key.key_id, unknown))
    with pytest.raises(SourceRequestError, match="different"):
        sky.other.get_by_id("n1", (key.key_id, key.key_id))
    assert sky.other.get_by_id("n1", (key.key_id,)) == [key]


def test_the_buffer_drains_and_the_next_orbit_fills_it_again() -> None:
    sky = Sky()
    sky.now += ORBIT
    while sky.one.status("n2").stored_keys:
        sky.one.get_key("n2", 32)
    with pytest.raises(SourceEmptyError, match="simulated"):
        sky.one.get_key("n2", 32)
    sky.now += ORBIT
    assert sky.other.get_key("n1", 32)


def test_a_draw_that_is_too_large_takes_nothing() -> None:
    sky = Sky()
    sky.now += ORBIT
    stored = sky.one.status("n2").stored_keys
    with pytest.raises(SourceEmptyError):
        sky.one.get_key("n2", 32, stored + 1)
    assert sky.one.status("n2").stored_keys == stored
    assert len(sky.one.get_key("n2", 32, stored)) == stored


def test_who_listens_starves_the_buffer_and_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    sky = Sky()
    sky.network.eavesdroppers["n2"] = Eavesdropper(intercepts=0.6)
    sky.now += ORBIT
    with caplog.at_level(logging.INFO, "dscc.links.satellite"):
        status = sky.one.status("n2")
    assert status.stored_keys == 0
    assert "eavesdropping" in status.detail
    assert [report.ended for report in sky.network.reports("n2", "n1")] == [Ended.EAVESDROPPING]
    assert sky.one.status("n3").stored_keys > 1
    levels = {record.getMessage().split(",")[0]: record.levelno for record in caplog.records}
    assert levels == {"pass over n1 and n2": logging.WARNING, "pass over n1 and n3": logging.INFO}
    del sky.network.eavesdroppers["n2"]
    sky.now += ORBIT
    assert sky.one.status("n2").stored_keys > 1


def test_the_simulation_shows_wherever_something_shows(caplog: pytest.LogCaptureFixture) -> None:
    sky = Sky()
    assert "simulated" in sky.one.status("n2").detail
    sky.now += ORBIT
    with caplog.at_level(logging.INFO, "dscc.links.satellite"):
        keys = sky.one.get_key("n2", 32, 2)
    assert all("simulated" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 2
    status = sky.one.status("n2")
    assert status.simulated and "simulated" in status.detail
    assert all(key.simulated and is_simulated(key.key_id) for key in keys)
    assert all("simulated" in repr(shown) for shown in (sky.network, sky.one))
    assert all(report.simulated for report in sky.network.reports("n1", "n2"))


def test_no_key_is_in_the_log_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    sky = Sky()
    sky.now += ORBIT
    with caplog.at_level(logging.DEBUG):
        (key,) = sky.one.get_key("n2", 32)
    shown = caplog.text + repr([key, sky.one, sky.network, sky.one.status("n2")])
    assert key.secret.hex() not in shown and repr(key.secret)[2:-1] not in shown


def test_a_network_that_nobody_asked_for_long_does_not_catch_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(satellite, "MOST_BACKLOG", 3)
    sky = Sky()
    reports: list[Report] = []
    monkeypatch.setattr(sky.network._buffers[frozenset(("n1", "n2"))], "reports", reports)
    sky.now += 1_000_000 * ORBIT
    sky.one.status("n2")
    assert len(reports) == 3


def test_every_pass_counts_once_however_often_one_asks() -> None:
    sky = Sky()
    for _ in range(3 * 56):
        sky.now += 100
        sky.one.status("n2")
    assert len(sky.network.reports("n1", "n2")) == 3
    for back in (-2 * ORBIT, 2 * ORBIT):
        sky.now += back
        sky.one.status("n2")
    assert len(sky.network.reports("n1", "n2")) == 3


def test_the_buffer_has_an_end() -> None:
    sky = Sky(capacity=64)
    sky.now += 4 * ORBIT
    assert sky.one.status("n2").stored_keys == 2


def test_keys_that_nobody_fetches_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(satellite, "MOST_WAITING", 2)
    sky = Sky()
    sky.now += ORBIT
    first, second, third = sky.one.get_key("n2", 16, 3)
    with pytest.raises(KeyGoneError):
        sky.other.get_by_id("n1", (first.key_id,))
    assert sky.other.get_by_id("n1", (second.key_id, third.key_id)) == [second, third]


def test_what_the_network_does_not_do_is_refused() -> None:
    sky = Sky()
    with pytest.raises(SourceRefusedError):
        sky.network.end("n2").status("n3")
    for size, number in ((15, 1), (513, 1), (32, 0), (32, 129)):
        with pytest.raises(SourceRequestError):
            sky.one.get_key("n2", size, number)
    for ids in ((), ("x",), ("53494d00-0000-8000-8000-000000000000",) * 2):
        with pytest.raises(SourceRequestError):
            sky.one.get_by_id("n2", ids)


@pytest.mark.parametrize(
    "wrong",
    [
        Pass("n1", "n1", 0, 1),
        Pass("n1", "n2", -1, 1),
        Pass("n1", "n2", 0, 0),
        Pass("n1", "n2", ORBIT - 1, 1),
        Pass("n1", "n2", 0, 300, (20, 30)),
    ],
    ids=["one station", "before", "no time", "too late", "too much"],
)
def test_a_pass_that_cannot_be_simulated_is_refused(wrong: Pass) -> None:
    with pytest.raises(ValueError, match="a pass"):
        SimSatellite(Orbit(ORBIT, (wrong,)), lambda: 0.0, seeded(1))
