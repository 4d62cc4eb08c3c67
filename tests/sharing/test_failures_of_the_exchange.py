"""Create and Re-key of shared keys when something fails, at every step of what the two gateways say to each other.

Whatever happens, then: never two keys under one Unique Identifier, none that one site uses and the other does not know,
and what the client was told is so. SHARING_FAULTS=1 tries every fault at every step, with each process that may end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from meddling import (
    STEPS,
    Act,
    Meddled,
    Moment,
    attempt,
    check,
    cut_after,
    cut_before,
    cut_off_after,
    cut_off_before,
    end,
    known,
    later,
    lose,
    twice,
)
from sharing_network import create_with, created_with, dscc, until
from support.requests import activate, activation_date, create_aes, rekey
from support.requests import name as named
from support.wire import Result

ALL = bool(os.environ.get("SHARING_FAULTS"))
QUICK: dict[str, Act] = {"cut before": cut_before, "cut after": cut_after, "twice": twice}
SLOW: dict[str, Act] = {
    "lost": lose,
    "late": later,
    "cut off before": cut_off_before,
    "cut off after": cut_off_after,
}
_numbers = count()


@pytest.fixture
def made(meddled_sites: Meddled) -> Iterator[Meddled]:
    """The network, in which everything runs, and the gateways have a key to tell each other things."""
    meddled_sites.heal()
    for name, peer in (("site-a", "site-b"), ("site-b", "site-a")):
        with meddled_sites.network.session(name) as session:
            # What was lost before may be waited for still.
            until(lambda session=session, peer=peer: create_with(session, peer).ok)
    yield meddled_sites
    meddled_sites.heal()


_ending = threading.Lock()
"""Held while a process is ended: what was handed on before may be answered sooner."""


def the_end_of(made: Meddled, site: str, which: str, *, after: bool) -> Act:
    """End a process when a message comes, or has come."""

    def act(moment: Moment) -> None:
        with _ending:
            if after:
                moment.hand_on()
                time.sleep(0.02)
            end(made.network[site], which)
            moment.cut()

    return act


def check_create(made: Meddled, step: str, act: Act) -> None:
    """A Create that fails, or does not, as its client is told."""
    before, called = known(made.network), f"key {os.getpid()} {next(_numbers)}"
    made.before["site-b"].at(step, act)
    answer = attempt(
        made.network, "site-a", create_aes((2, 1), dscc("Peer", "site-b"), named(called), activation_date(1))
    )
    assert step in made.before["site-b"].said
    with _ending:
        made.heal()
    here, _ = check(made, before)
    check_told(answer, [key for key, found in here.items() if called in found.names])
    # All goes on as it was, and what has failed may be asked for again.
    with made.network.session("site-a") as session:
        if answer is not None and not answer.ok:
            until(lambda: create_with(session, "site-b", named(called)).ok)


def check_re_key(made: Meddled, step: str, act: Act) -> None:
    """A Re-key that fails, or does not, as its client is told; the key that it replaces is replaced once, or not."""
    called = f"key {os.getpid()} {next(_numbers)}"
    with made.network.session("site-a") as session:
        old = created_with(session, "site-b", named(called), activation_date(1))
        session.do(activate(old))
    made.settle()
    before = known(made.network)
    made.before["site-b"].at(step, act)
    answer = attempt(made.network, "site-a", rekey(old))
    assert step in made.before["site-b"].said
    with _ending:
        made.heal()
    here, there = check(made, before, old=old)
    check_told(answer, [key for key in here if key != old])
    for keys in (here, there):
        (found_by_name,) = [key for key, found in keys.items() if called in found.names]
        assert (found_by_name == old) is (len(keys) == 1)
    if answer is not None and not answer.ok:
        with made.network.session("site-b") as session:
            until(lambda: session.do(rekey(old)).ok)


def check_told(answer: Result | None, there: list[str]) -> None:
    """What a client was told of is what is there; of what it was told nothing, it may be either."""
    assert len(there) <= 1
    if answer is not None:
        assert there == ([answer.unique_identifier] if answer.ok else []), (answer, there)
        assert answer.ok or answer.message


CHECKS: dict[str, Callable[[Meddled, str, Act], None]] = {"Create": check_create, "Re-key": check_re_key}


@pytest.mark.parametrize("operation", CHECKS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", QUICK)
def test_a_cut_that_heals_and_what_is_said_twice(made: Meddled, operation: str, step: str, fault: str) -> None:
    CHECKS[operation](made, step, QUICK[fault])


def chosen(every: list[tuple[str, ...]], quick: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """All of them in the long version."""
    return every if ALL else quick


@pytest.mark.parametrize(
    ("fault", "step", "operation"),
    chosen(
        [(fault, step, operation) for fault in SLOW for step in STEPS for operation in CHECKS],
        [
            ("lost", "Noticed", "Create"),
            ("late", "Notice", "Re-key"),
            ("cut off before", "Notice", "Create"),
            ("cut off after", "Notice", "Re-key"),
        ],
    ),
)
def test_what_is_lost_or_late_and_a_cut_that_stays(made: Meddled, fault: str, step: str, operation: str) -> None:
    CHECKS[operation](made, step, SLOW[fault])


@pytest.mark.parametrize(
    ("site", "which", "when", "step", "operation"),
    chosen(
        [
            (site, which, when, step, operation)
            for site in ("site-a", "site-b")
            for which in ("gateway", "site", "worker")
            for when in ("before", "after")
            for step in STEPS
            for operation in CHECKS
        ],
        [
            ("site-a", "site", "after", "Notice", "Create"),
            ("site-a", "gateway", "before", "D4", "Create"),
            ("site-a", "gateway", "before", "Noticed", "Re-key"),
            ("site-a", "worker", "before", "Noticed", "Create"),
            ("site-b", "site", "after", "Notice", "Re-key"),
            ("site-b", "gateway", "before", "Notice", "Create"),
        ],
    ),
)
def test_a_process_that_ends(made: Meddled, site: str, which: str, when: str, step: str, operation: str) -> None:
    CHECKS[operation](made, step, the_end_of(made, site, which, after=when == "after"))
