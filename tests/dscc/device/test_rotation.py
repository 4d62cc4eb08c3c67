"""When kept keys are renewed and given up: pure decisions, for any times."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dscc.agreement import NO_CHAIN, Agreement, KeyState, Wanted
from dscc.device import rotation
from dscc.device.clock import ManualClock
from dscc.device.config import Keep
from dscc.device.keys import is_gateways, to_process, to_protect
from dscc.device.records import Held
from dscc.direct_messages import D3, D4

KEEP = Keep(peer="bob", address="127.0.0.1:1")
HOUR = 3600


def held(activation: int, lifetime: int = 0, state: KeyState = KeyState.ACTIVE, kid: int = 0) -> Held:
    wanted = Wanted("tunnel", activation=activation)
    name = (kid or activation).to_bytes(16, "big")
    agreement = Agreement(
        b"", name, "alice", "bob", wanted, bytes(32), NO_CHAIN, ("n1", "n2"), lifetime, 0, (), False, False
    )
    return Held(agreement, "bob", state, activation - 60, 0, D3(b"", (), b"", b""), D4(b"", b""))


def test_without_a_key_one_asks_at_once_and_the_other_one_later() -> None:
    assert rotation.next_key(KEEP, [], 1000, 1000, asks_first=True) == (1000, 1000)
    assert rotation.next_key(KEEP, [], 1000, 1060, asks_first=False) == (1060, 1000)


def test_the_next_key_is_agreed_before_its_activation_date_which_is_an_hour_after_the_last_one() -> None:
    keys = [held(10_000), held(10_000 + HOUR)]
    assert rotation.next_key(KEEP, keys[:1], 10_001, 0, asks_first=True) == (10_000 + HOUR - 60, 10_000 + HOUR)
    assert rotation.next_key(KEEP, keys[:1], 10_001, 0, asks_first=False) == (10_000 + HOUR, 10_000 + HOUR)
    assert rotation.next_key(KEEP, keys, 10_001, 0, asks_first=True).activation == 10_000 + 2 * HOUR
    # An hour in which nobody was there: at once.
    assert rotation.next_key(KEEP, keys[:1], 10_000 + 2 * HOUR, 0, asks_first=True).activation == 10_000 + 2 * HOUR


def test_a_key_that_was_granted_for_less_is_renewed_in_time_for_its_end() -> None:
    assert rotation.next_key(KEEP, [held(10_000, 1000)], 10_001, 0, asks_first=True) == (10_000 + 640, 10_000 + 700)
    due = rotation.next_key(KEEP, [held(10_000, 10)], 10_001, 0, asks_first=True)
    assert 10_000 < due.at + KEEP.lead <= 10_010


@given(
    st.lists(st.integers(1, 40_000), min_size=1, max_size=6, unique=True),
    st.integers(0, 60_000),
    st.integers(0, HOUR),
    st.sets(st.integers(0, 5)),
)
def test_there_is_a_key_to_protect_whenever_one_was_active_and_none_is_given_up_too_early(
    dates: list[int], now: int, overlap: int, ended: set[int]
) -> None:
    keys = [
        held(date, state=KeyState.DEACTIVATED if place in ended else KeyState.ACTIVE)
        for place, date in enumerate(dates)
    ]
    keep = KEEP.model_copy(update={"overlap": overlap})
    protect = to_protect(keys, now)
    active = [key.activates_at for key in keys if key.state is KeyState.ACTIVE]
    come = [date for date in active if date <= now]
    assert (protect.activates_at if protect else None) == max(come, default=None)
    gone = set(rotation.superseded(keep, keys, now))
    assert protect is None or protect.agreement.kid not in gone
    for key in to_process(keys, now):
        successors = [date for date in come if date > key.activates_at]
        was_needed = not successors or now < min(successors) + overlap
        assert not (was_needed and key.agreement.kid in gone)
    if come and max(come) + overlap <= now:
        assert len([date for date in active if date <= now]) - len(gone) == 1
    # Nothing changes before the moment that is named.
    at = rotation.next_change(keys, [keep], now)
    for moment in range(now, min(int(at or now) - 1, now + 3)):
        assert set(rotation.superseded(keep, keys, moment)) == gone


def test_what_is_over_is_over() -> None:
    keys = [held(1000, 100), held(1000, 0, kid=7)]
    assert rotation.over(keys, 1099) == [] and rotation.over(keys, 1100) == [keys[0].agreement.kid]
    assert to_process(keys, 1100) == keys[1:] and to_protect(keys[:1], 1100) is None


def test_of_two_keys_with_one_date_both_sides_choose_the_same() -> None:
    keys = [held(1000, kid=3), held(1000, kid=9)]
    assert to_protect(keys, 1000) is to_protect(keys[::-1], 1000) is keys[1]


def test_a_manual_clock_wakes_those_whose_time_has_come() -> None:
    async def run() -> list[int]:
        clock, woken = ManualClock(1000), []

        async def sleeper(seconds: int) -> None:
            await clock.sleep(seconds)
            woken.append(seconds)

        tasks = [asyncio.ensure_future(sleeper(seconds)) for seconds in (30, 10, 20)]
        await asyncio.sleep(0)
        clock.move(15)
        await asyncio.sleep(0.01)
        assert woken == [10] and clock.now() == 1015
        clock.move(15)
        await asyncio.gather(*tasks)
        return woken

    assert sorted(asyncio.run(run())) == [10, 20, 30]


@pytest.mark.parametrize("purpose", ["gateway", "kmip:", "kmip:at-rest"])
def test_keys_that_a_gateway_draws_from_are_not_kept_by_the_agent(purpose: str) -> None:
    assert is_gateways(purpose)
    with pytest.raises(ValidationError, match="leave them out"):
        Keep(peer="bob", address="127.0.0.1:1", purpose=purpose)


def test_other_keys_are() -> None:
    assert not any(map(is_gateways, ("tunnel", "gateways", "kmip", "group-wrap:gateway", "")))
