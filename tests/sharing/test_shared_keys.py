"""Two sites share a key through KMIP: the same key under the same Unique Identifier, and one life at both."""

from __future__ import annotations

import pytest
from sharing_network import Sites, attributes_of, create_with, created_with, dscc, state_of, until
from support.numbers import Reason, Tag
from support.requests import (
    ACTIVE,
    COMPROMISED,
    DEACTIVATED,
    DESTROYED,
    KEY_COMPROMISE,
    PRE_ACTIVE,
    Request,
    activate,
    create_aes,
    destroy,
    get,
    locate,
    name,
    object_group,
    rekey,
    revoke,
)
from support.wire import Version, enumeration

GROUP_MEMBER_FRESH = 1


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (2, 1)])
def test_both_sites_have_the_same_key_as_soon_as_the_create_is_answered(sites: Sites, version: Version) -> None:
    with sites.session("site-a", version=version) as here, sites.session("site-b", version=version) as there:
        key = created_with(here, "site-b")
        assert here.key_material(key) == there.key_material(key)
        assert len(here.key_material(key)) == 32


def test_both_know_where_the_key_comes_from(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b")
        mine, theirs = attributes_of(here, key), attributes_of(there, key)
    assert (mine["Peer"], theirs["Peer"]) == ("site-b", "site-a")
    assert mine["Initiator"] == theirs["Initiator"] == "site-a"
    for same in ("KeyId", "SessionId", "PathsUsed", "Trust", "PolicyDigest", "ChainIndex", "Purpose"):
        assert mine[same] == theirs[same]
    assert mine["PathsUsed"] == "n1, n2, n3"
    assert key.replace("-", "")[:12] == mine["KeyId"][:12]


def test_a_key_without_a_peer_is_of_this_site_alone(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = here.create_aes()
        assert state_of(here, key) == PRE_ACTIVE
        assert state_of(there, key) is None


def test_states_are_the_same_at_both_whoever_changes_them(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b")
        here.do(activate(key)).expect_success()
        until(lambda: state_of(there, key) == ACTIVE)
        there.do(revoke(key)).expect_success()
        until(lambda: state_of(here, key) == DEACTIVATED)
        here.do(destroy(key)).expect_success()
        until(lambda: state_of(there, key) == DESTROYED)
        assert there.do(get(key)).reason == Reason.OBJECT_DESTROYED


def test_create_and_activate_in_one_batch(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        made, active = here.batch(create_aes(here.version, dscc("Peer", "site-b")), activate()).results
        key = made.unique_identifier
        assert active.unique_identifier == key
        assert state_of(here, key) == ACTIVE
        until(lambda: state_of(there, key) == ACTIVE)


def test_a_compromise_is_known_to_a_quorum_of_nodes_when_it_is_answered(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b")
        there.do(revoke(key, KEY_COMPROMISE)).expect_success()
        assert attributes_of(there, key)["Revocation"].startswith(("known to 2 of 3 nodes", "known to 3 of 3 nodes"))
        until(lambda: state_of(here, key) == COMPROMISED)


def test_a_re_key_is_one_for_both(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        old = created_with(here, "site-b", name("vault-1"))
        here.do(activate(old)).expect_success()
        new = here.do(rekey(old)).unique_identifier
        assert here.key_material(new) == there.key_material(new) != here.key_material(old)
        assert here.located(name("vault-1")) == [new]
        until(lambda: there.located(name("vault-1")) == [new])
        again = there.do(rekey(old))
        assert again.reason == Reason.PERMISSION_DENIED


def test_who_gets_the_key_finds_it_among_the_fresh_ones_of_its_group(sites: Sites) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b", object_group("from-a"))

        def fresh() -> list[str]:
            asked = locate(there.version, object_group("from-a"))
            member = enumeration(Tag.OBJECT_GROUP_MEMBER, GROUP_MEMBER_FRESH)
            found = there.do(Request(asked.operation, member + asked.payload)).expect_success().payload
            return [node.value for node in found.all(Tag.UNIQUE_IDENTIFIER)] if found else []

        assert fresh() == [key]
        assert there.located(dscc("KeyId", attributes_of(here, key)["KeyId"])) == [key]
        there.key_material(key)
        assert fresh() == []
        assert there.located(object_group("from-a")) == [key]


def test_a_peer_that_the_policy_does_not_offer_is_refused(sites: Sites) -> None:
    with sites.session("site-a") as here:
        answer = create_with(here, "site-z")
    assert answer.reason == Reason.PERMISSION_DENIED
    assert "[[sharing]]" in (answer.message or "")
