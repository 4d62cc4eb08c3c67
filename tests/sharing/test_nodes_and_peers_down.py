"""Nodes that are down, and a peer whose gateway is: what goes on, what is refused with a clear reason, what waits."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from meddling import ANSWER_SECONDS, LEASE_SECONDS, Meddled, check, cut_off_after, known, leased_until
from sharing_network import (
    Sites,
    attributes_of,
    create_with,
    created_with,
    dscc,
    is_there,
    state_of,
    until,
)
from support.numbers import Operation, Reason, Tag
from support.requests import (
    CBC,
    COMPROMISED,
    DEACTIVATED,
    KEY_COMPROMISE,
    Request,
    Session,
    activate,
    activation_date,
    create_aes,
    destroy,
    encrypt,
    get,
    name,
    parameters,
    rekey,
    revoke,
)
from support.wire import OPERATION_PENDING, Result, Version, boolean, enumeration, octets

MANDATORY, OPTIONAL = 1, 2


@pytest.fixture
def made(meddled_sites: Meddled) -> Iterator[Meddled]:
    """The network, in which everything runs before and after."""
    meddled_sites.heal()
    with meddled_sites.network.session("site-a") as here:
        # What was lost before may be waited for still.
        until(lambda: create_with(here, "site-b").ok)
    yield meddled_sites
    for node in meddled_sites.network.nodes.values():
        if node.process is None:
            node.start()
    meddled_sites.heal()


def test_with_one_node_down_all_goes_on(made: Meddled) -> None:
    made.network.nodes["n3"].kill()
    with made.network.session("site-a") as here, made.network.session("site-b") as there:
        key = created_with(here, "site-b")
        assert here.key_material(key) == there.key_material(key)
        assert attributes_of(here, key)["PathsUsed"] == "n1, n2"
        here.do(activate(key)).expect_success()
        new = here.do(rekey(key)).unique_identifier
        here.do(revoke(new, KEY_COMPROMISE)).expect_success()
        assert attributes_of(here, new)["Revocation"].startswith("known to 2 of 3 nodes")
        until(lambda: state_of(there, new) == COMPROMISED)


def test_with_two_nodes_down_shared_keys_end_with_the_lease_and_come_again(made: Meddled) -> None:
    with made.network.session("site-a") as here, made.network.session("site-b") as there:
        key, own = created_with(here, "site-b"), here.create_aes(active=True)
        here.do(activate(key)).expect_success()
        until(lambda: encrypted(there, key).ok)
        for node in ("n2", "n3"):
            made.network.nodes[node].kill()
        began = time.monotonic()
        refused = create_with(here, "site-b")
        assert refused.reason == Reason.GENERAL_FAILURE
        assert "no key was negotiated" in (refused.message or "")
        until(lambda: not encrypted(here, key).ok and not encrypted(there, key).ok)
        # A lease counts from when the nodes were asked last.
        assert time.monotonic() - began < LEASE_SECONDS + ANSWER_SECONDS + 15
        for session in (here, there):
            for answer in (encrypted(session, key), session.do(get(key))):
                assert answer.reason == Reason.PERMISSION_DENIED
                assert "enough nodes" in (answer.message or "")
        assert encrypted(here, own).ok, "a key of this site alone needs no nodes"
        for node in ("n2", "n3"):
            made.network.nodes[node].start()
        until(lambda: encrypted(here, key).ok and encrypted(there, key).ok)


def test_a_site_is_ready_when_it_may_use_shared_keys_and_without_nodes_all_the_same(made: Meddled) -> None:
    site = made.network["site-a"]
    site.stop()
    site.start()
    assert leased_until(site) > time.time()
    for node in ("n2", "n3"):
        made.network.nodes[node].kill()
    site.stop()
    site.start()
    assert leased_until(site) == 0


def encrypted(session: Session, key: str) -> Result:
    """The answer to an Encrypt."""
    return session.do(encrypt(key, bytes(16), parameters(CBC), bytes(16)))


# The peer's gateway is down. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ended", "cut off", "silent"])
def test_a_create_fails_in_time_and_says_why(made: Meddled, how: str) -> None:
    before = known(made.network)
    if how == "ended":
        made.network["site-b"].kill()
    elif how == "cut off":
        made.before["site-b"].is_cut = True
    else:
        made.before["site-b"].is_silent = True
    began = time.monotonic()
    with made.network.session("site-a") as here:
        answer = create_with(here, "site-b", name("nobody there"))
    assert time.monotonic() - began < ANSWER_SECONDS + 15
    assert answer.reason == Reason.GENERAL_FAILURE
    assert "site-b" in (answer.message or "")
    assert "Asynchronous Indicator" in (answer.message or "")
    made.heal()
    assert check(made, before) == ({}, {})


def test_while_a_cut_stays_the_nodes_stop_a_key_that_was_withdrawn(made: Meddled) -> None:
    before = known(made.network)
    with made.network.session("site-a") as here, made.network.session("site-b") as there:
        made.before["site-b"].at("Notice", cut_off_after)
        answer = create_with(here, "site-b", activation_date(1))
        assert answer.reason == Reason.GENERAL_FAILURE
        (key,) = known(made.network) - before
        until(lambda: state_of(there, key) == DEACTIVATED, LEASE_SECONDS)
        assert made.before["site-b"].is_cut
    made.heal()
    assert check(made, before) == ({}, {})


def indicator(version: Version, value: int) -> bytes:
    """The Asynchronous Indicator: a Boolean in 1.x."""
    if version < (2, 0):
        return boolean(Tag.ASYNCHRONOUS_INDICATOR, True)
    return enumeration(Tag.ASYNCHRONOUS_INDICATOR, value)


def asked_for(session: Session, value: int = OPTIONAL) -> bytes:
    """The correlation value of a shared key that is asked for asynchronously."""
    asked = create_aes(session.version, dscc("Peer", "site-b", session.version))
    pending = session.do(asked, fields=(indicator(session.version, value),))
    assert pending.status == OPERATION_PENDING, pending
    assert pending.correlation is not None
    return pending.correlation


def polled(session: Session, correlation: bytes, operation: int = Operation.POLL) -> Result:
    """The answer to a Poll, or a Cancel."""
    return session.do(Request(operation, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, correlation)))


def test_what_may_wait_waits_for_the_peer_and_survives_a_restart(made: Meddled) -> None:
    ways: list[tuple[Version, int]] = [((1, 4), OPTIONAL), ((2, 1), OPTIONAL), ((2, 1), MANDATORY)]
    made.before["site-b"].is_cut = True
    waiting = []
    for version, value in ways:
        with made.network.session("site-a", version=version) as here:
            waiting.append((version, asked_for(here, value)))
            assert polled(here, waiting[-1][1]).status == OPERATION_PENDING
    with made.network.session("site-a") as here:
        canceled = asked_for(here)
        assert polled(here, canceled, Operation.CANCEL).expect_success().get(Tag.CANCELLATION_RESULT) == 1
    made.network["site-a"].kill()
    made.network["site-a"].start()
    with made.network.session("site-a") as here:
        assert polled(here, waiting[0][1]).status == OPERATION_PENDING
    made.heal()
    keys = {found_by(made.network, version, correlation) for version, correlation in waiting}
    assert len(keys) == len(ways)
    with made.network.session("site-a") as here, made.network.session("site-b") as there:
        for key in keys:
            assert here.key_material(key) == there.key_material(key)
        refused = polled(here, canceled)
        assert refused.reason == Reason.OPERATION_CANCELED_BY_REQUESTER


def found_by(network: Sites, version: Version, correlation: bytes) -> str:
    """The key of an operation that was pending, once it is there."""
    with network.session("site-a", version=version) as here:
        return until(lambda: (answer := polled(here, correlation)).ok and answer).unique_identifier


def test_a_key_that_is_made_but_not_taken_yet_can_be_canceled(made: Meddled) -> None:
    before = known(made.network)
    with made.network.session("site-a") as here:
        created_with(here, "site-b")
        made.before["site-b"].at("Notice", lambda moment: (moment.cut_off(), moment.cut()))
        correlation = asked_for(here)
        until(lambda: made.before["site-b"].is_cut)
        assert polled(here, correlation).status == OPERATION_PENDING
        assert polled(here, correlation, Operation.CANCEL).expect_success().get(Tag.CANCELLATION_RESULT) == 1
        made.heal()
        here_keys, _ = check(made, before)
        assert len(here_keys) == 1
        assert not polled(here, correlation).ok


def test_a_held_key_is_not_used_and_its_owner_may_destroy_it(made: Meddled) -> None:
    before = known(made.network)
    with made.network.session("site-a") as here:
        old = created_with(here, "site-b", name("held"))
        here.do(activate(old)).expect_success()
        made.settle()
        made.before["site-b"].at("Notice", lambda moment: (moment.cut_off(), moment.cut()))
        pending = here.do(rekey(old), fields=(indicator(here.version, OPTIONAL),))
        assert pending.status == OPERATION_PENDING
        new = until(lambda: next(iter(known(made.network) - before - {old}), ""))
        assert is_there(here, new)
        for asked in (get(new), rekey(new)):
            assert here.do(asked).reason == Reason.KEY_VALUE_NOT_PRESENT
        assert here.located(name("held")) == [old]
        here.do(destroy(new)).expect_success()
        made.heal()
        check(made, before)
        # Nothing replaces it, so it may be replaced.
        here.do(rekey(old)).expect_success()
