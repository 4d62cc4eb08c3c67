"""A shared key is replaced by rule, or by its client, at one date for both sites; the old one ends after an overlap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sharing_network import PutPolicy, Sites, created_with, dates_of, links_of, state_of, until
from support import requests as ask
from support.keys import re_key
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, DEACTIVATED, PRE_ACTIVE, Request, Session

ROTATE_S, OVERLAP_S = 6, 3
QUICK = f"""
[[sharing]]
name = "quick"
subjects = ["anyone"]
peer = "site-b"
resource = {{ names = ["quick *"] }}
rotate = "{ROTATE_S}s"
overlap = "{OVERLAP_S}s"
"""
REPLACED_LINK, REPLACEMENT_LINK = 0x107, 0x106
IV = bytes(16)
IN_CBC = ask.parameters(1, padding=3)


@contextmanager
def both(sites: Sites) -> Iterator[tuple[Session, Session]]:
    """A session with each site."""
    with sites.session("site-a") as here, sites.session("site-b") as there:
        yield here, there


def wait_for(date: int) -> None:
    """Until the clock has come to this date."""
    until(lambda: time.time() >= date)


def assert_switched_at_one_date(here: Session, there: Session, old: str, new: str) -> int:
    """Both have the replacement for the same date, and use it at no other time. Answers the date."""
    dates = dates_of(here, new)
    assert dates == dates_of(there, new)
    activation = dates["Activation Date"]
    while True:
        before = time.time()
        states = {state_of(here, new), state_of(there, new)}
        after = time.time()
        if after < activation:
            assert states == {PRE_ACTIVE}
        if before >= activation + 1:
            assert states == {ACTIVE}
            return activation
        time.sleep(0.1)


@pytest.fixture
def quick(put_policy: PutPolicy) -> None:
    """Both sites replace keys of these names every few seconds."""
    put_policy("site-a", QUICK)
    put_policy("site-b", QUICK.replace("site-b", "site-a"))


@pytest.mark.usefixtures("quick")
def test_by_a_rule_both_switch_at_one_date_and_the_old_key_ends_after_the_overlap(sites: Sites) -> None:
    with both(sites) as (here, there):
        old = created_with(here, "site-b", ask.name("quick vault"))
        here.do(ask.activate(old)).expect_success()
        begun = dates_of(here, old)["Activation Date"]
        secret = here.do(ask.encrypt(old, b"before", IN_CBC, IV)).expect_success().get(Tag.DATA)
        new = until(lambda: [key for key in there.located(ask.name("quick vault")) if key != old])[0]
        assert time.time() < begun + ROTATE_S, "it is agreed on before the date"
        assert assert_switched_at_one_date(here, there, old, new) == begun + ROTATE_S
        ends = {"Activation Date": begun, "Protect Stop Date": begun + ROTATE_S}
        ends["Deactivation Date"] = begun + ROTATE_S + OVERLAP_S
        assert dates_of(here, old) == dates_of(there, old) == ends
        for each in (here, there):
            assert links_of(each, old) == {REPLACEMENT_LINK: new}
            assert links_of(each, new) == {REPLACED_LINK: old}
            assert each.located(ask.name("quick vault")) == [new]
            assert not each.do(ask.encrypt(old, b"after", IN_CBC, IV)).ok
            assert each.do(ask.decrypt(old, secret, IN_CBC, IV)).expect_success().get(Tag.DATA) == b"before"
        wait_for(ends["Deactivation Date"])
        for each in (here, there):
            assert state_of(each, old) == DEACTIVATED
            assert not each.do(ask.encrypt(old, b"after", IN_CBC, IV)).ok
            # As with any other Deactivated key: its owner reads what it has protected (docs/decisions/states-and-use).
            each.do(ask.decrypt(old, secret, IN_CBC, IV)).expect_success()
        assert here.key_material(new) == there.key_material(new)
        # Who rotates is who has asked for the first one, at the second date, too.
        third = until(lambda: [key for key in there.located(ask.name("quick vault")) if key != new])[0]
        assert dates_of(there, third)["Activation Date"] == begun + 2 * ROTATE_S


@pytest.mark.parametrize("actor", ["site-a", "site-b"])
def test_a_client_re_keys_with_an_offset(sites: Sites, actor: str) -> None:
    with both(sites) as (here, there), sites.session(actor) as acting:
        old = created_with(here, "site-b", ask.name(f"by {actor}"))
        here.do(ask.activate(old)).expect_success()
        until(lambda: state_of(there, old) == ACTIVE)
        new = acting.do(re_key(acting.version, old, offset=3)).unique_identifier
        activation = assert_switched_at_one_date(here, there, old, new)
        until(lambda: dates_of(here, old) == dates_of(there, old) and "Protect Stop Date" in dates_of(here, old))
        assert dates_of(here, old)["Protect Stop Date"] == activation
        for each in (here, there):
            until(lambda each=each: each.located(ask.name(f"by {actor}")) == [new])  # type: ignore[misc]


def test_archive_is_each_sites_own(sites: Sites) -> None:
    with both(sites) as (here, there):
        key = created_with(here, "site-b")
        here.do(Request(Operation.ARCHIVE, ask.identifier(key))).expect_success()
        assert here.do(ask.get(key)).reason == Reason.OBJECT_ARCHIVED
        value = there.key_material(key)
        there.do(ask.activate(key)).expect_success()
        here.do(Request(Operation.RECOVER, ask.identifier(key))).expect_success()
        until(lambda: state_of(here, key) == ACTIVE)
        assert here.key_material(key) == value


def test_keys_are_replaced_every_hour_unless_a_rule_says_otherwise(sites: Sites) -> None:
    """The default, as it is shown to who looks at the policy."""
    from policy.model import Sharing

    rule = Sharing(name="", subjects=())
    assert (rule.rotate, rule.overlap) == (3600, 300)
