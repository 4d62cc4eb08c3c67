"""Both sites do something to one key at the same time: they end alike, and each client is told what has become of it.

SHARING_RACES=200 runs the long version.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meddling import Meddled, Moment, check, known, rows
from sharing_network import created_with, dscc, state_of, until
from support.requests import (
    ACTIVE,
    DESTROYED,
    DESTROYED_COMPROMISED,
    KEY_COMPROMISE,
    Request,
    activate,
    create_aes,
    destroy,
    name,
    rekey,
    revoke,
)
from support.wire import Result

from kmip_server.gateway.words import Standing, joined, later_state
from kmip_server.messages.structures import RevocationReason
from kmip_server.ttlv.enumerations import RevocationReasonCode, State

CROSSED = 2
"""In how many of them the two replacements are sure to cross."""
RACES = int(os.environ.get("SHARING_RACES", "10"))


def at_once(made: Meddled, here: Request, there: Request, delays: tuple[float, float]) -> tuple[Result, Result]:
    """The answers to two requests, one at each site, each after so many seconds."""
    answers: dict[str, Result] = {}

    def ask(site: str, asked: Request, delay: float) -> None:
        with made.network.session(site) as session:
            barrier.wait()
            time.sleep(delay)
            answers[site] = session.do(asked)

    barrier = threading.Barrier(2)
    both = (("site-a", here, delays[0]), ("site-b", there, delays[1]))
    threads = [threading.Thread(target=ask, args=each) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers["site-a"], answers["site-b"]


def hold_up(seconds: float) -> Callable[[Moment], None]:
    """Hand a message on a little later."""

    def act(moment: Moment) -> None:
        time.sleep(seconds)
        moment.hand_on()

    return act


def test_of_two_re_keys_at_once_exactly_one_holds(meddled_sites: Meddled) -> None:
    made = meddled_sites
    made.heal()
    seed = int(os.environ.get("SHARING_SEED", random.randrange(1 << 32)))
    chance = random.Random(seed)
    won = []
    for number in range(RACES):
        with made.network.session("site-a") as session:
            old = created_with(session, "site-b", name(f"race {seed} {number}"))
            session.do(activate(old)).expect_success()
        made.settle()
        before = known(made.network)
        delays = (chance.choice((0, chance.uniform(0, 0.08))), chance.choice((0, chance.uniform(0, 0.08))))
        for meddler in made.before.values():
            if number < CROSSED:
                # Each has made its own before it hears of the other's.
                meddler.at("Notice", hold_up(1))
            elif chance.random() < 0.5:
                meddler.at(chance.choice(("D1", "D3", "Notice", "Noticed")), hold_up(chance.uniform(0, 0.1)))
        answers = at_once(made, rekey(old), rekey(old), delays)
        made.heal()
        here, there = check(made, before, old=old)
        told = [answer.unique_identifier for answer in answers if answer.ok]
        replacements = [key for key in here if key != old]
        assert len(replacements) == 1, (seed, number, [str(answer) for answer in answers])
        assert told == replacements, (seed, number, [str(answer) for answer in answers])
        assert all(answer.ok or answer.message for answer in answers)
        for keys in (here, there):
            assert [key for key, found in keys.items() if found.names] == replacements
        won.append(answers[0].ok)
    assert won


def test_two_keys_that_are_asked_for_at_once_are_two_keys(meddled_sites: Meddled) -> None:
    made = meddled_sites
    made.heal()
    for _ in range(RACES // 2):
        for meddler in made.before.values():
            # Both have begun before either hears of the other.
            meddler.at("D1", hold_up(0.1))
        here, there = at_once(
            made, create_aes((2, 1), dscc("Peer", "site-b")), create_aes((2, 1), dscc("Peer", "site-a")), (0, 0)
        )
        assert here.unique_identifier != there.unique_identifier
        with made.network.session("site-a") as one, made.network.session("site-b") as other:
            values = [one.key_material(key) for key in (here.unique_identifier, there.unique_identifier)]
            assert values[0] != values[1]
            assert values == [other.key_material(key) for key in (here.unique_identifier, there.unique_identifier)]


CHANGES: dict[str, Callable[[str], Request]] = {
    "Activate": activate,
    "Revoke": revoke,
    "Compromise": lambda key: revoke(key, KEY_COMPROMISE),
    "Destroy": destroy,
}
PAIRS = [(here, there) for here in CHANGES for there in CHANGES]


def test_states_that_are_changed_at_once_end_alike(meddled_sites: Meddled) -> None:
    made = meddled_sites
    made.heal()
    for here, there in PAIRS:
        with made.network.session("site-a") as one, made.network.session("site-b") as other:
            key = created_with(one, "site-b")
            if "Revoke" in (here, there) or "Compromise" in (here, there):
                one.do(activate(key)).expect_success()
                until(lambda there=other, key=key: state_of(there, key) == ACTIVE)
            answers = at_once(made, CHANGES[here](key), CHANGES[there](key), (0, 0))
            made.settle()
            states = [state_of(one, key), state_of(other, key)]
            assert states[0] == states[1], (here, there, states, [str(answer) for answer in answers])
            if "Destroy" in (here, there) and all(answer.ok for answer in answers):
                assert states[0] in (DESTROYED, DESTROYED_COMPROMISED)
        dates = [
            rows(
                made.network[site],
                f"SELECT activation_date, protect_stop_date, deactivation_date, compromise_date FROM objects"
                f" WHERE unique_identifier = '{key}'",
            )
            for site in ("site-a", "site-b")
        ]
        assert dates[0] == dates[1], (here, there, dates)


# What the sites work out, each by itself. -----------------------------------------------------------------------------

states = st.sampled_from(State)
dates = st.one_of(st.none(), st.integers(0, 3))
reasons = st.one_of(
    st.none(),
    st.builds(
        RevocationReason,
        revocation_reason_code=st.sampled_from(RevocationReasonCode),
        revocation_message=st.one_of(st.none(), st.sampled_from(["lost", "stolen"])),
    ),
)
standings = st.builds(
    Standing,
    state=states,
    at=st.integers(0, 3),
    dates=st.tuples(dates, dates, dates, dates),
    facts=st.tuples(dates, dates, dates),
    reason=reasons,
)


@given(states, states, states)
def test_the_later_state_is_a_join(one: State, other: State, third: State) -> None:
    assert later_state(one, one) is one
    assert later_state(one, other) is later_state(other, one)
    assert later_state(later_state(one, other), third) is later_state(one, later_state(other, third))


@given(standings, standings, standings)
def test_how_two_sites_end_is_a_join(one: Standing, other: Standing, third: Standing) -> None:
    assert joined(one, one) == one
    assert joined(one, other) == joined(other, one)
    assert joined(joined(one, other), third) == joined(one, joined(other, third))


@pytest.mark.parametrize("ended", [State.DEACTIVATED, State.COMPROMISED, State.DESTROYED])
def test_of_a_compromise_nothing_is_forgotten(ended: State) -> None:
    stolen = RevocationReason(revocation_reason_code=RevocationReasonCode.KEY_COMPROMISE)
    compromised = Standing(State.COMPROMISED, 5, (1, None, None, None), (5, 4, None), stolen)
    later = Standing(ended, 9, (1, None, None, 9), (None, None, 9 if ended is State.DESTROYED else None), None)
    found = joined(later, compromised)
    assert (found.facts[:2], found.reason) == ((5, 4), stolen)


def test_a_site_that_a_node_has_told_first_ends_as_the_one_that_has_compromised_the_key() -> None:
    """What a site does by a node's word it tells nobody: nothing of it may be left when the other site's word comes."""
    told_by_node = Standing(State.DEACTIVATED, 1, (1, None, None, 7), (None, None, None), None)
    compromised = Standing(State.COMPROMISED, 5, (1, None, None, None), (5, 5, None), None)
    assert joined(told_by_node, compromised) == compromised
