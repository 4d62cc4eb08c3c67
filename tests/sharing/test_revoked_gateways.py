"""What a revocation reaches: of a key, a client, a policy of the nodes, a gateway; and what a cut-off gateway may do.

One network for all of it, in this order: the last test revokes site-b for good.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sharing_network import (
    Sites,
    attributes_of,
    create_with,
    created_with,
    grouped,
    network,
    roster_of,
    standing_of,
    state_of,
    until,
)
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, DEACTIVATED, PRE_ACTIVE, Request, Session
from support.wire import PeerClosedError, batch_item, boolean, message, parse, structure, text

from demo.sites import does, nodes_policy, site_policy

A, B, C = NAMES = ("site-a", "site-b", "site-c")
LEASE_S = 3
SOON = {"KMIP_DSCC__ANSWER_SECONDS": "3"}
POOL = """
[[sharing]]
name = "pooled"
subjects = ["anyone"]
peer = "site-b"
pool = 16
"""
NODES_KNOW, NODES_NEEDED = 0x540001, 0x540002


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Three sites that are a group, too, and have short leases."""
    folder, trio = tmp_path_factory.mktemp("three"), {"trio": NAMES}
    with network(folder, *NAMES, groups=trio, environment=SOON, lease_seconds=LEASE_S) as made:
        until(lambda: all(roster_of(made[each], "trio") == list(NAMES) for each in NAMES))
        yield made


def active_with(here: Session, there: Session, peer: str) -> str:
    """A key that two sites share, and that is Active at both."""
    key = created_with(here, peer)
    here.do(ask.activate(key)).expect_success()
    until(lambda: state_of(there, key) == ACTIVE)
    return key


def test_who_sends_an_extension_is_told_how_many_nodes_know_of_a_revocation(three: Sites) -> None:
    with three.session(A) as here, three.session(B) as there:
        key = active_with(here, there, B)
        extension = structure(
            Tag.MESSAGE_EXTENSION,
            text(Tag.VENDOR_IDENTIFICATION, "DSCC"),
            boolean(Tag.CRITICALITY_INDICATOR, False),
            structure(Tag.VENDOR_EXTENSION),
        )
        asked = ask.revoke(key)
        here.connection.send(message((2, 1), batch_item(asked.operation, asked.payload, extension=extension)))
        answer = {node.tag: node.value for node in parse(here.connection.receive()).walk()}
        assert answer[NODES_NEEDED] == 2
        assert answer[NODES_NEEDED] <= answer[NODES_KNOW] <= 3
        assert attributes_of(here, key)["Revocation"].startswith("known to ")
        until(lambda: state_of(there, key) == DEACTIVATED)
        other = active_with(here, there, B)
        here.connection.send(ask.one((2, 1), ask.revoke(other)))
        assert NODES_KNOW not in {node.tag for node in parse(here.connection.receive()).walk()}


def test_a_client_that_is_revoked_loses_its_connection_and_its_keys_stay(three: Sites) -> None:
    does("client", "add", three[A].folder, "passing")
    with three.session(A, client="passing") as passing, three.session(B) as there:
        key = created_with(passing, B)
        does("client", "revoke", three[A].folder, "passing")
        with pytest.raises(PeerClosedError):
            until(lambda: not passing.do(ask.get(key)))
        assert state_of(there, key) == PRE_ACTIVE
        there.do(ask.get(key)).expect_success()


def test_what_the_nodes_do_not_allow_any_more_is_neither_made_nor_replaced(three: Sites) -> None:
    with three.session(A) as here, three.session(B) as there:
        old = active_with(here, there, B)
        # Also what was granted beforehand is not used any more.
        three[A].put_policy(POOL + site_policy((B, C), "demo", groups=("trio",)))
        created_with(here, B)
        _put_nodes_policy(three, nodes_policy((A, C)))
        until(lambda: not create_with(here, B).ok)
        try:
            answers = [create_with(here, B), here.do(ask.rekey(old)), there.do(ask.rekey(old))]
            assert [answer.reason for answer in answers] == [Reason.PERMISSION_DENIED] * 3
            assert all("no key was negotiated" in (answer.message or "") for answer in answers)
            assert all("the other site" not in (answer.message or "") for answer in answers)
            created_with(here, C)
            here.do(ask.get(old)).expect_success()
        finally:
            _put_nodes_policy(three, nodes_policy(NAMES))
            three[A].put_policy(site_policy((B, C), "demo", groups=("trio",)))
        until(lambda: create_with(here, B).ok)
        here.do(ask.rekey(old)).expect_success()


def _put_nodes_policy(three: Sites, policy: str) -> None:
    file = three.folder / "policy.toml"
    file.write_text(policy)
    for node in three.nodes.values():
        node.does("policy", "import", file)


def test_a_gateway_that_is_cut_off_from_the_nodes_uses_no_shared_key_when_its_lease_is_over(three: Sites) -> None:
    with three.session(C) as cut_off:
        key, local = created_with(cut_off, A), cut_off.create_aes()
        lease = cut_off.do(Request(Operation.OBTAIN_LEASE, ask.identifier(key))).expect_success()
        assert 0 < lease.get(Tag.LEASE_TIME) <= LEASE_S
        three.nodes["n1"].kill()
        cut_off.do(ask.get(key)).expect_success()
        three.nodes["n2"].kill()
        try:
            until(lambda: not cut_off.do(ask.get(key)).ok, LEASE_S + 2)
            refused = cut_off.do(ask.get(key))
            assert refused.reason == Reason.PERMISSION_DENIED
            assert "has not heard from enough nodes" in (refused.message or "")
            assert cut_off.do(Request(Operation.OBTAIN_LEASE, ask.identifier(key))).reason == Reason.PERMISSION_DENIED
            cut_off.do(ask.get(local)).expect_success()
        finally:
            three.nodes["n1"].start()
            three.nodes["n2"].start()
        until(lambda: cut_off.do(ask.get(key)).ok)
    until(lambda: all(set(standing_of(three[each])["nodes"].values()) == {"open"} for each in NAMES))


def test_a_gateway_that_is_revoked_is_out_at_once(three: Sites) -> None:
    with three.session(A) as here, three.session(B) as gone, three.session(C) as third:
        used, waiting = active_with(here, gone, B), created_with(gone, A)
        of_all = grouped(gone, "trio", ask.name("vault of all"))
        gone.do(ask.activate(of_all)).expect_success()
        until(lambda: state_of(third, of_all) == ACTIVE)
        with_c = active_with(here, third, C)
        said = three.nodes["n2"].does("device", "revoke", B)
        assert "3 of 3 nodes know of it" in said or "2 of 3 nodes know of it" in said

        # Where its keys are: they are used no more.
        until(lambda: (state_of(here, used), state_of(here, waiting)) == (DEACTIVATED, DEACTIVATED))
        assert not here.do(ask.encrypt(used, bytes(16), ask.parameters(1), bytes(16))).ok
        assert state_of(here, with_c) == ACTIVE
        # It has no session, no lease, and uses no shared key.
        until(lambda: "open" not in standing_of(three[B])["nodes"].values())
        until(lambda: standing_of(three[B])["leased_until"] == 0, LEASE_S)
        for key in (used, waiting, of_all):
            assert gone.do(ask.get(key)).reason == Reason.PERMISSION_DENIED
        # Nobody makes a key with it, and it makes none.
        for session, peer in ((here, B), (gone, A), (gone, C)):
            assert create_with(session, peer).reason == Reason.PERMISSION_DENIED
        # Its group goes on without it.
        until(lambda: all(roster_of(three[each], "trio") == [A, C] for each in (A, C)))
        new = until(lambda: [key for key in here.located(ask.name("vault of all")) if key != of_all])[0]
        until(lambda: state_of(third, new) == ACTIVE == state_of(here, new))
        assert here.key_material(new) == third.key_material(new)
        assert state_of(gone, new) is None
        # Nothing is left that waits for it.
        until(lambda: standing_of(three[A])["to_be_told"] == standing_of(three[C])["to_be_told"] == 0)
