"""Clients that cannot name a peer get negotiated keys by a rule of the policy, which also says what those are like."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from replaying import AES_256, Replay, choice, named, number, template, uid, unique
from sharing_network import PutPolicy, Sites, attributes_of, create_with, created_with, dscc, state_of, until
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, SYMMETRIC_KEY, Session
from support.wire import Version, enumeration, integer

from demo.sites import Site
from dscc.device import Device

BY_NAME = """
[[sharing]]
name = "appliances"
subjects = ["anyone"]
peer = "site-b"
use = "{use}"
resource = {{ names = ["mysql-*", "psmdb-*"] }}
"""
BY_GROUP = """
[[sharing]]
name = "volumes"
subjects = ["anyone"]
peer = "site-b"
use = "chosen"
resource = {{ groups = ["{groups}"] }}
"""
ALL = """
[[sharing]]
name = "whatever is made"
subjects = ["client:demo"]
peer = "site-b"
use = "chosen"
"""


class _Over:
    """A session's connection, for replays."""

    def __init__(self, session: Session) -> None:
        self._connection = session.connection

    def round_trip(self, data: bytes) -> bytes:
        self._connection.send(data)
        return self._connection.receive()

    def close(self) -> None:
        """It is closed by whoever has opened it."""


@contextmanager
def appliance(sites: Sites, version: Version, *fields: bytes, item_id: bytes | None = None) -> Iterator[Replay]:
    """A client of site-a that sends its bytes as tests/interop has them."""
    with sites.session("site-a", version=version) as session:
        yield Replay(_Over(session), version, fields, item_id)


def creating(*attributes: bytes) -> bytes:
    return enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + template(*attributes)


def assert_shared(sites: Sites, key: str) -> None:
    with sites.session("site-a") as here, sites.session("site-b") as there:
        assert attributes_of(here, key)["Peer"] == "site-b"
        assert here.key_material(key) == there.key_material(key)


@pytest.mark.parametrize("use", ["chosen", "required"])
def test_mysql_and_percona_get_shared_keys_by_the_names_they_give(
    sites: Sites, put_policy: PutPolicy, use: str
) -> None:
    put_policy("site-a", BY_NAME.format(use=use))
    with appliance(sites, (1, 1), integer(Tag.MAXIMUM_RESPONSE_SIZE, 280_000)) as mysqld:
        asked = creating(
            choice("Cryptographic Algorithm", 3, 0),
            number("Cryptographic Length", 256, 0),
            number("Cryptographic Usage Mask", 0x0C, 0),
            named(unique("mysql-INNODBKey"), 0),
        )
        key = mysqld.do(Operation.CREATE, asked).unique_identifier
        mysqld.do(Operation.ACTIVATE, uid(key))
    assert_shared(sites, key)
    with appliance(sites, (1, 0)) as mongod:
        key = mongod.do(Operation.CREATE, creating(AES_256, named(unique("psmdb")))).unique_identifier
    assert_shared(sites, key)
    with appliance(sites, (1, 0)) as other:
        key = other.do(Operation.CREATE, creating(AES_256, named(unique("other")))).unique_identifier
    with sites.session("site-b") as there:
        assert state_of(there, key) is None


def test_mongodb_and_vcenter_get_shared_keys_that_have_no_name(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-a", ALL)
    with appliance(sites, (1, 2)) as mongodb:
        key = mongodb.do(Operation.CREATE, creating(AES_256)).unique_identifier
        mongodb.do(Operation.ACTIVATE, uid(key))
    assert_shared(sites, key)
    with appliance(sites, (1, 1), item_id=b"QLKC") as vcenter:
        asked = creating(
            choice("Cryptographic Algorithm", ask.AES),
            number("Cryptographic Usage Mask", 0x0C),
            number("Cryptographic Length", 256),
        )
        key = vcenter.do(Operation.CREATE, asked).unique_identifier
        vcenter.do(Operation.ACTIVATE, uid(key))
    with sites.session("site-b") as there:
        until(lambda: state_of(there, key) == ACTIVE)
    assert_shared(sites, key)


@pytest.mark.parametrize("groups", ["volumes", "vol*"])
def test_a_rule_chooses_by_the_object_group(sites: Sites, put_policy: PutPolicy, groups: str) -> None:
    put_policy("site-a", BY_GROUP.format(groups=groups))
    with sites.session("site-a") as here:
        key = here.create_aes(ask.object_group("volumes"))
        local = here.create_aes(ask.object_group("files"))
        assert "Peer" not in attributes_of(here, local)
    assert_shared(sites, key)


def test_where_a_peer_is_required_another_one_is_refused(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-a", BY_NAME.format(use="required"))
    with sites.session("site-a") as here:
        refused = create_with(here, "site-c", ask.name("mysql-1"))
        assert refused.reason == Reason.PERMISSION_DENIED
        assert "negotiated with the peer site-b" in (refused.message or "")
        created_with(here, "site-b", ask.name("mysql-2"))


def test_a_change_of_the_policy_holds_for_the_next_request(sites: Sites, put_policy: PutPolicy) -> None:
    with sites.session("site-a") as here:
        old = created_with(here, "site-b")
        put_policy("site-a", BY_GROUP.format(groups="volumes"), alone=True)
        assert create_with(here, "site-b").reason == Reason.PERMISSION_DENIED
        refused = here.do(ask.rekey(old))
        assert refused.reason == Reason.PERMISSION_DENIED
        assert "the policy shares no such key any more" in (refused.message or "")
        put_policy("site-a", ALL)
        assert "Peer" in attributes_of(here, here.create_aes())


# What the keys are like. ----------------------------------------------------------------------------------------------

LIKE = """
[[sharing]]
name = "as it should be"
subjects = ["anyone"]
peer = "site-b"
purpose = "at-rest"
{more}
"""


@pytest.mark.parametrize(
    ("more", "trust"),
    [('paths = "3/3"', "3 paths"), ('paths = "2/2"', "2 paths"), ('hybrid = "mlkem768"', "ML-KEM")],
)
def test_a_rule_says_how_keys_are_negotiated(sites: Sites, put_policy: PutPolicy, more: str, trust: str) -> None:
    put_policy("site-a", LIKE.format(more=more))
    with sites.session("site-a") as here, sites.session("site-b") as there:
        key = created_with(here, "site-b")
        for said in (attributes_of(here, key), attributes_of(there, key)):
            assert said["Purpose"] == "at-rest"
            assert trust in said["Trust"]
            if "paths" in more:
                assert len(said["PathsUsed"].split(", ")) == int(trust[0])


def test_more_paths_than_there_are_nodes_fail_in_clear_words(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-a", LIKE.format(more='paths = "4/4"'))
    with sites.session("site-a") as here:
        refused = create_with(here, "site-b", ask.name("on four paths"))
        assert not refused.ok
        assert "4" in (refused.message or "")
        assert "nodes" in (refused.message or "")
        assert here.located(ask.name("on four paths")) == []


def test_what_a_rule_says_a_client_does_not_ask_otherwise(sites: Sites, put_policy: PutPolicy) -> None:
    put_policy("site-a", LIKE.format(more='paths = "3/3"'), alone=True)
    with sites.session("site-a") as here:
        assert create_with(here, "site-b", dscc("Paths", "2/3")).reason == Reason.PERMISSION_DENIED
        assert create_with(here, "site-b", dscc("Purpose", "tunnel")).reason == Reason.PERMISSION_DENIED
        assert created_with(here, "site-b", dscc("Paths", "3/3"), dscc("Purpose", "at-rest"))


def test_the_keys_of_a_pool_differ_are_used_once_and_a_restart_begins_with_other_seeds(
    sites: Sites, put_policy: PutPolicy
) -> None:
    put_policy("site-a", LIKE.format(more="pool = 16"))

    def made(count: int) -> tuple[list[str], list[bytes]]:
        with sites.session("site-a") as here, sites.session("site-b") as there:
            keys = [created_with(here, "site-b") for _ in range(count)]
            values = [here.key_material(key) for key in keys]
            assert values == [there.key_material(key) for key in keys]
            return [attributes_of(here, key)["SessionId"] for key in keys], values

    drawn, values = made(40)
    assert len(set(values)) == len(set(drawn)) == 40
    seeds = [each.split("/")[0] for each in drawn]
    assert [int(each.split("/")[1]) for each in drawn[:16]] == list(range(2, 18))
    assert len(set(seeds)) == 3
    sites["site-a"].kill()
    sites["site-a"].start()
    again, more = made(2)
    assert not set(more) & set(values)
    assert not {each.split("/")[0] for each in again} & set(seeds)


def purposes_of_seeds(site: Site) -> set[str]:
    """For what the seeds are that a gateway has in its folder, which does not run."""

    async def read() -> set[str]:
        async with Device.open(site.folder / "gateway") as device:
            return {held.purpose for held in device.held()}

    return asyncio.run(read())


def test_the_other_site_keeps_a_seed_for_what_is_left_of_a_pool_and_none_for_a_key_alone(
    sites: Sites, put_policy: PutPolicy
) -> None:
    put_policy("site-a", LIKE.format(more="pool = 16"))
    with sites.session("site-a") as here:
        created_with(here, "site-b", dscc("Purpose", "at-rest"))
        created_with(here, "site-b", dscc("Purpose", "ikev2-ppk"))
    sites["site-b"].stop()
    try:
        found = purposes_of_seeds(sites["site-b"])
    finally:
        sites["site-b"].start()
    assert "kmip:at-rest" in found
    assert "kmip:ikev2-ppk" not in found
