"""The attributes of negotiated keys in requests: read and found by everybody's names, changed by nobody."""

from __future__ import annotations

import pytest
from support import requests as ask
from support.attributes import custom_text, custom_values
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.negotiated import NEGOTIATED, mark_negotiated
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.wire import STRUCTURE, Result, Version, structure, text

from kmip_server.ttlv.versions import V1_2

BOTH: tuple[Version, ...] = ((1, 4), (2, 1))
PEER, KEY_ID = ("x", "DSCC-Peer"), ("y", "DSCC-KeyId")


def negotiated(engine: EngineHarness) -> str:
    key = engine.client().do(ask.create_aes((2, 1))).unique_identifier
    mark_negotiated(engine.store, key)
    return key


def named(version: Version, name: str, value: str) -> Attribute:
    """An attribute by its name in 1.x; since 2.0 by that of the vendor DSCC."""
    return custom_text(version, f"DSCC-{name}" if version < (2, 0) else name, value, _vendor(version, name))


def _vendor(version: Version, name: str) -> str:
    return "DSCC" if version >= (2, 0) else "x" if name in ("Peer", "Group", "Purpose", "Pear") else "y"


def read(client: EngineClient, key: str, *names: tuple[str, str]) -> list[tuple[str, object]]:
    """What Get Attributes answers to these vendors and names, or without them."""
    if client.version < (2, 0):
        wanted = [text(Tag.ATTRIBUTE_NAME, f"{vendor}-{name}") for vendor, name in names]
    else:
        wanted = [
            structure(Tag.ATTRIBUTE_REFERENCE, text(Tag.VENDOR_IDENTIFICATION, vendor), text(Tag.ATTRIBUTE_NAME, name))
            for vendor, name in names
        ]
    asked = Request(Operation.GET_ATTRIBUTES, ask.identifier(key) + b"".join(wanted))
    payload = client.do(asked).expect_success().payload
    assert payload is not None
    if client.version < (2, 0):
        found = [
            (str(node.get(Tag.ATTRIBUTE_NAME)), node.get(Tag.ATTRIBUTE_VALUE)) for node in payload.all(Tag.ATTRIBUTE)
        ]
        return [(name, value) for name, value in found if "DSCC" in name]
    attributes = payload.find(Tag.ATTRIBUTES)
    assert attributes is not None
    return [
        (f"{node.get(Tag.VENDOR_IDENTIFICATION)}-{node.get(Tag.ATTRIBUTE_NAME)}", node.get(Tag.ATTRIBUTE_VALUE))
        for node in attributes.all(Tag.ATTRIBUTE)
    ]


def test_they_are_read_in_1_x_as_custom_attributes(engine: EngineHarness) -> None:
    client, key = engine.client((1, 4)), negotiated(engine)
    assert read(client, key, PEER, KEY_ID) == [("x-DSCC-Peer", "site-b"), ("y-DSCC-KeyId", "6f1c9a")]
    assert [name for name, _ in read(client, key)] == [
        "x-DSCC-Peer",
        "x-DSCC-Purpose",
        "y-DSCC-KeyId",
        "y-DSCC-Trust",
    ]


def test_they_are_read_in_2_x_as_attributes_of_the_vendor_dscc(engine: EngineHarness) -> None:
    client, key = engine.client(), negotiated(engine)
    expected = [("DSCC-Peer", "site-b"), ("DSCC-KeyId", "6f1c9a")]
    assert read(client, key, ("DSCC", "Peer"), ("DSCC", "KeyId")) == expected
    assert read(client, key, PEER, KEY_ID) == expected
    assert [name for name, _ in read(client, key)] == [f"DSCC-{name}" for name in NEGOTIATED]


@pytest.mark.parametrize("version", BOTH)
def test_who_asks_by_a_name_of_the_client_s_is_answered_by_it(engine: EngineHarness, version: Version) -> None:
    client, key = engine.client(version), negotiated(engine)
    assert read(client, key, ("x", "DSCC-KeyId")) == [("x-DSCC-KeyId", "6f1c9a")]
    assert read(client, key, ("x", "DSCC-Epoch")) == []


def test_a_listing_for_old_clients_has_no_name_that_they_cannot_read(make_engine: MakeEngine) -> None:
    engine = make_engine(short_listings=frozenset({V1_2}))
    listed = read(engine.client((1, 2)), negotiated(engine))
    assert listed == [(f"x-DSCC-{name}", value) for name, value in NEGOTIATED.items()]


@pytest.mark.parametrize("version", BOTH)
def test_a_list_of_attributes_names_them(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    asked = Request(Operation.GET_ATTRIBUTE_LIST, ask.identifier(negotiated(engine)))
    payload = client.do(asked).expect_success().payload
    assert payload is not None
    if version < (2, 0):
        assert {"x-DSCC-Peer", "y-DSCC-KeyId"} <= {node.value for node in payload.all(Tag.ATTRIBUTE_NAME)}
    else:
        named_ones = [node for node in payload.all(Tag.ATTRIBUTE_REFERENCE) if node.type == STRUCTURE]
        assert {"Peer", "KeyId"} <= {node.get(Tag.ATTRIBUTE_NAME) for node in named_ones}


@pytest.mark.parametrize(
    ("version", "vendor", "prefix"),
    [
        ((1, 0), "x", "DSCC-"),
        ((1, 0), "y", "DSCC-"),
        ((2, 1), "x", "DSCC-"),
        ((2, 1), "y", "DSCC-"),
        ((2, 1), "DSCC", ""),
    ],
)
def test_keys_are_located_by_them(engine: EngineHarness, version: Version, vendor: str, prefix: str) -> None:
    client, key = engine.client(version), negotiated(engine)
    engine.client().do(ask.create_aes((2, 1))).expect_success()
    name, value = ("Peer", "site-b") if vendor == "x" else ("KeyId", "6f1c9a")
    assert _located(client, custom_text(version, prefix + name, value, vendor)) == [key]
    assert _located(client, custom_text(version, prefix + name, "another", vendor)) == []


def _located(client: EngineClient, *given: Attribute) -> list[str]:
    payload = client.do(ask.locate(client.version, *given)).expect_success().payload
    return [] if payload is None else [node.value for node in payload.all(Tag.UNIQUE_IDENTIFIER)]


# What clients may not do. ---------------------------------------------------------------------------------------------


def _read_only(version: Version, operation: Operation) -> Reason:
    if version < (2, 0):
        return Reason.PERMISSION_DENIED
    modifies = operation in (Operation.MODIFY_ATTRIBUTE, Operation.DELETE_ATTRIBUTE)
    return Reason.ATTRIBUTE_READ_ONLY if modifies else Reason.READ_ONLY_ATTRIBUTE


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("name", ["Peer", "Group", "KeyId", "Epoch"])
def test_none_is_added_changed_or_deleted_once_the_key_is_made(
    engine: EngineHarness, version: Version, name: str
) -> None:
    client, key = engine.client(version), negotiated(engine)
    before = custom_values(engine, key)
    given = named(version, name, "site-c")
    assert _refused(client.do(ask.add_attribute(version, key, given))) == _read_only(version, Operation.ADD_ATTRIBUTE)
    assert _refused(client.do(ask.modify_attribute(version, key, given))) == _read_only(
        version, Operation.MODIFY_ATTRIBUTE
    )
    for vendor in {"DSCC", _vendor((1, 4), name), "x"} if version >= (2, 0) else {_vendor(version, name), "x"}:
        own = name if vendor == "DSCC" else f"DSCC-{name}"
        assert _refused(client.do(_delete(version, key, vendor, own))) == _read_only(
            version, Operation.DELETE_ATTRIBUTE
        )
    if version >= (2, 0):
        wanted = Request(Operation.SET_ATTRIBUTE, ask.identifier(key) + ask.one_attribute(version, given))
        assert _refused(client.do(wanted)) == _read_only(version, Operation.SET_ATTRIBUTE)
    assert custom_values(engine, key) == before


def _delete(version: Version, key: str, vendor: str, name: str) -> Request:
    if version < (2, 0):
        return Request(Operation.DELETE_ATTRIBUTE, ask.identifier(key) + text(Tag.ATTRIBUTE_NAME, f"{vendor}-{name}"))
    fields = text(Tag.VENDOR_IDENTIFICATION, vendor), text(Tag.ATTRIBUTE_NAME, name)
    return Request(Operation.DELETE_ATTRIBUTE, ask.identifier(key) + structure(Tag.ATTRIBUTE_REFERENCE, *fields))


def _refused(result: Result) -> int | None:
    assert not result.ok
    return result.reason


@pytest.mark.parametrize("version", BOTH)
def test_an_unknown_name_is_not_added(engine: EngineHarness, version: Version) -> None:
    client, key = engine.client(version), negotiated(engine)
    result = client.do(ask.add_attribute(version, key, named(version, "Pear", "site-c")))
    assert result.reason == (Reason.INVALID_ATTRIBUTE if version >= (2, 0) else Reason.PERMISSION_DENIED)
    assert "Peer, Group" in str(result.message)


@pytest.mark.parametrize("version", BOTH)
def test_a_key_is_registered_and_pairs_are_made_without_them(engine: EngineHarness, version: Version) -> None:
    client, peer = engine.client(version), named(version, "Peer", "site-b")
    expected = Reason.INVALID_ATTRIBUTE if version >= (2, 0) else Reason.INVALID_FIELD
    for asked in (
        ask.register_key(version, bytes(32), peer),
        ask.create_key_pair(version, [ask.algorithm(ask.RSA), ask.length(2048), peer], 1, 2),
    ):
        result = client.do(asked)
        assert result.reason == expected
        assert "Create makes" in str(result.message)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("vendor", ["x", "y"])
def test_a_client_says_nothing_of_where_a_key_comes_from(engine: EngineHarness, version: Version, vendor: str) -> None:
    client = engine.client(version)
    expected = Reason.ATTRIBUTE_READ_ONLY if version >= (2, 0) else Reason.PERMISSION_DENIED
    for name in ("KeyId", "Peer") if vendor == "y" else ("KeyId",):
        given = custom_text(version, f"DSCC-{name}", "site-b", vendor)
        assert client.do(ask.create_aes(version, given)).reason == expected


@pytest.mark.parametrize("version", [(1, 0), *BOTH])
def test_what_no_rule_offers_is_not_negotiated(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    result = client.do(ask.create_aes(version, named(version, "Peer", "site-b")))
    assert result.reason == Reason.PERMISSION_DENIED
    assert "[[sharing]]" in str(result.message)
    assert _located(client) == []


def test_a_negotiated_key_is_not_replaced_by_one_of_this_site_alone(engine: EngineHarness) -> None:
    client, key = engine.client(), negotiated(engine)
    assert client.do(ask.rekey(key)).reason == Reason.KEY_VALUE_NOT_PRESENT
    mark_negotiated(engine.store, key, {"ConfirmedAt": str(engine.now)})
    assert client.do(ask.rekey(key)).reason == Reason.PERMISSION_DENIED
    assert _located(client) == [key]


def test_a_replacement_is_not_said_to_come_from_where_its_key_came(engine: EngineHarness) -> None:
    client = engine.client()
    key = client.do(ask.create_aes((2, 1))).unique_identifier
    mark_negotiated(engine.store, key, {"KeyId": "6f1c9a"})
    replacement = client.do(ask.rekey(key)).unique_identifier
    assert custom_values(engine, replacement) == []


def test_keys_that_are_made_otherwise_have_none(engine: EngineHarness) -> None:
    client = engine.client()
    assert custom_values(engine, client.do(ask.create_aes((2, 1))).unique_identifier) == []
