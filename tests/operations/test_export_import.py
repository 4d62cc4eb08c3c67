"""Export and Import (KMIP 2.1 s6.1.18, s6.1.25): an object leaves with all its attributes, and comes back as it was."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import attributes_of, block, block_of, get_as, key_bytes, links_of, material
from support.numbers import Operation, Reason, Tag
from support.requests import SYMMETRIC_KEY, Attribute, Request, in_1x
from support.wire import Node, Result, Version, boolean, date_time, enumeration, long_integer, octets, structure, text

from kmip_server.ttlv import binary
from kmip_server.ttlv.item import Item

NEW: tuple[Version, ...] = ((1, 4), (2, 0), (2, 1))
KEY, KEK = bytes(range(32)), bytes(range(100, 132))
MASK = ask.usage_mask(12)


def key(client: EngineClient, *attributes: Attribute) -> str:
    return client.do(ask.register_key(client.version, KEY, *attributes)).unique_identifier


def exported(client: EngineClient, target: str | None, **form: object) -> Result:
    return client.do(get_as(target, operation=Operation.EXPORT, **form))  # type: ignore[arg-type]


def import_(
    version: Version,
    target: str,
    body: bytes,
    *given: Attribute,
    kind: int = SYMMETRIC_KEY,
    replace: bool | None = None,
    wrap_type: int | None = None,
) -> Request:
    if version < (2, 0):
        listed = b"".join(in_1x(one) for one in given)
    else:
        listed = structure(Tag.ATTRIBUTES, *[one.item for one in given])
    return Request(
        Operation.IMPORT,
        ask.identifier(target)
        + (enumeration(Tag.OBJECT_TYPE, kind) if version >= (2, 0) else b"")
        + (b"" if replace is None else boolean(Tag.REPLACE_EXISTING, replace))
        + (b"" if wrap_type is None else enumeration(Tag.KEY_WRAP_TYPE, wrap_type))
        + listed
        + body,
    )


def symmetric(content: bytes = KEY) -> bytes:
    return structure(Tag.SYMMETRIC_KEY, block(material(content), bits=len(content) * 8))


# Export. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NEW, ids=str)
def test_the_object_leaves_with_all_its_attributes(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = key(client, ask.name("exported"), ask.activation_date(1))
    result = exported(client, made).expect_success()
    assert key_bytes(result) == KEY
    assert result.get(Tag.OBJECT_TYPE) == SYMMETRIC_KEY
    assert result.payload is not None
    if version >= (2, 0):
        assert result.get(Tag.ATTRIBUTES, Tag.NAME, Tag.NAME_VALUE) == "exported"
        assert result.get(Tag.ATTRIBUTES, Tag.STATE) == ask.ACTIVE
    else:
        found = {node.get(Tag.ATTRIBUTE_NAME) for node in result.payload.all(Tag.ATTRIBUTE)}
        assert {"Name", "State", "Digest", "Initial Date", "Unique Identifier"} <= found


def test_export_takes_the_forms_of_get(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client)
    by = client.do(ask.register_key((2, 1), KEK, ask.activation_date(1), mask=keys.WRAP)).unique_identifier
    assert block_of(exported(client, made, key_format=7)).get(Tag.KEY_VALUE, Tag.KEY_MATERIAL, Tag.KEY) == KEY
    specification = keys.wrapping_specification(by, encoding=keys.NO_ENCODING)
    assert block_of(exported(client, made, specification=specification)).get(Tag.KEY_VALUE) == aes_key_wrap(KEK, KEY)
    missing = keys.wrapping_specification("nothing")
    assert exported(client, made, specification=missing).reason == Reason.WRAPPING_OBJECT_NOT_FOUND


@pytest.mark.parametrize("version", NEW, ids=str)
def test_of_a_destroyed_object_the_attributes_leave_alone(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = key(client)
    client.do(ask.destroy(made)).expect_success()
    result = exported(client, made).expect_success()
    assert result.payload is not None
    assert result.payload.find(Tag.SYMMETRIC_KEY) is None
    assert result.payload.find(Tag.ATTRIBUTES if version >= (2, 0) else Tag.ATTRIBUTE) is not None


def test_what_may_not_leave_is_not_exported(engine: EngineHarness) -> None:
    client = engine.client()
    assert exported(client, key(client, keys.sensitive(True))).reason == Reason.PERMISSION_DENIED
    assert exported(client, key(client, keys.extractable(False))).reason == Reason.PERMISSION_DENIED


def test_the_object_of_another_is_not_there_to_export(engine: EngineHarness) -> None:
    made = key(engine.client())
    assert exported(engine.client(name="mallory"), made).reason == Reason.OBJECT_NOT_FOUND


def test_export_makes_its_object_the_id_placeholder(engine: EngineHarness) -> None:
    client = engine.client((1, 4))
    made = key(client)
    response = client.batch(get_as(made, operation=Operation.EXPORT), ask.get())
    assert response.results[1].unique_identifier == made


def test_there_is_no_export_and_no_import_before_1_4(engine: EngineHarness) -> None:
    client = engine.client((1, 3))
    assert not exported(client, key(client)).ok
    assert not client.do(import_((1, 3), "mine", symmetric(), MASK)).ok


# Import. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", NEW, ids=str)
def test_an_object_is_imported_under_its_own_identifier(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    assert client.do(import_(version, "my own: 1", symmetric(), MASK)).unique_identifier == "my own: 1"
    assert key_bytes(client.do(ask.get("my own: 1"))) == KEY
    assert attributes_of(client, "my own: 1")[Tag.CRYPTOGRAPHIC_LENGTH] == [256]


def test_attributes_that_else_the_server_sets_are_taken_as_they_are(engine: EngineHarness) -> None:
    client = engine.client()
    limits = structure(
        Tag.USAGE_LIMITS,
        long_integer(Tag.USAGE_LIMITS_TOTAL, 100),
        long_integer(Tag.USAGE_LIMITS_COUNT, 7),
        enumeration(Tag.USAGE_LIMITS_UNIT, 1),
    )
    given = (
        MASK,
        ask.state(ask.COMPROMISED),
        Attribute("", date_time(Tag.INITIAL_DATE, 1000)),
        Attribute("", date_time(Tag.COMPROMISE_DATE, 2000)),
        Attribute("", date_time(Tag.LAST_CHANGE_DATE, 3000)),
        Attribute("", limits),
        Attribute("", boolean(Tag.FRESH, False)),
        keys.sensitive(True),
        Attribute("", boolean(Tag.ALWAYS_SENSITIVE, True)),
    )
    client.do(import_((2, 1), "kept", symmetric(), *given)).expect_success()
    found = attributes_of(client, "kept")
    assert found[Tag.STATE] == [ask.COMPROMISED]
    assert found[Tag.INITIAL_DATE] == [1000]
    assert found[Tag.COMPROMISE_DATE] == [2000]
    assert found[Tag.LAST_CHANGE_DATE] == [3000]
    assert found[Tag.USAGE_LIMITS][0][1].value == 7
    assert found[Tag.FRESH] == [False]
    assert found[Tag.ALWAYS_SENSITIVE] == [True]


def test_what_was_exported_is_imported_elsewhere_as_it_was(engine: EngineHarness) -> None:
    client = engine.client()
    made = key(client, ask.name("moving"), ask.activation_date(1), ask.object_group("group"))
    leaving = exported(client, made).payload
    assert leaving is not None
    before = attributes_of(client, made)
    listed = leaving.find(Tag.ATTRIBUTES)
    assert listed is not None
    payload = (
        ask.identifier(made)
        + enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY)
        + boolean(Tag.REPLACE_EXISTING, True)
        + _encoded(listed)
        + symmetric()
    )
    engine.now += 1000
    client.do(Request(Operation.IMPORT, payload)).expect_success()
    assert attributes_of(client, made) == before


def _encoded(node: Node) -> bytes:
    """A parsed item, encoded again."""
    return binary.encode(_item(node))


def _item(node: Node) -> Item:
    return Item(node.tag, node.type, tuple(map(_item, node.value)) if isinstance(node.value, tuple) else node.value)


@pytest.mark.parametrize("version", NEW, ids=str)
def test_an_existing_object_is_replaced_only_on_demand(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    client.do(import_(version, "mine", symmetric(), MASK, ask.name("one"))).expect_success()
    for replace in (None, False):
        again = client.do(import_(version, "mine", symmetric(KEK), MASK, replace=replace))
        assert again.reason == Reason.OBJECT_ALREADY_EXISTS
    assert key_bytes(client.do(ask.get("mine"))) == KEY
    client.do(import_(version, "mine", symmetric(KEK), MASK, ask.name("one"), replace=True)).expect_success()
    assert key_bytes(client.do(ask.get("mine"))) == KEK


def test_an_object_of_another_type_may_take_the_place(engine: EngineHarness) -> None:
    client = engine.client()
    client.do(import_((2, 1), "mine", symmetric(), MASK)).expect_success()
    opaque = structure(
        Tag.OPAQUE_OBJECT, enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000001), octets(Tag.OPAQUE_DATA_VALUE, b"data")
    )
    client.do(import_((2, 1), "mine", opaque, kind=ask.OPAQUE_OBJECT, replace=True)).expect_success()
    assert client.do(ask.get("mine")).get(Tag.OPAQUE_OBJECT, Tag.OPAQUE_DATA_VALUE) == b"data"


def test_a_replacement_that_fails_leaves_the_object_as_it_was(engine: EngineHarness) -> None:
    client = engine.client()
    client.do(import_((2, 1), "mine", symmetric(), MASK)).expect_success()
    wrong = structure(Tag.SYMMETRIC_KEY, block(material(KEK), bits=128))
    assert client.do(import_((2, 1), "mine", wrong, MASK, replace=True)).reason == Reason.INVALID_FIELD
    assert key_bytes(client.do(ask.get("mine"))) == KEY


def test_the_replacement_is_no_less_protected(engine: EngineHarness) -> None:
    client = engine.client()
    strict = keys.sensitive(True), keys.extractable(False)
    client.do(import_((2, 1), "mine", symmetric(), MASK, *strict)).expect_success()
    loose = keys.sensitive(False), keys.extractable(True)
    client.do(import_((2, 1), "mine", symmetric(), MASK, *loose, replace=True)).expect_success()
    found = attributes_of(client, "mine")
    assert (found[Tag.SENSITIVE], found[Tag.EXTRACTABLE]) == ([True], [False])


@pytest.mark.parametrize("replace", [None, False, True])
def test_the_object_of_another_is_neither_replaced_nor_shown(engine: EngineHarness, replace: bool | None) -> None:
    owner = engine.client()
    made = key(owner)
    row, content = engine.row(made), engine.material(made)
    result = engine.client(name="mallory").do(import_((2, 1), made, symmetric(KEK), MASK, replace=replace))
    assert result.reason == Reason.PERMISSION_DENIED
    assert result.message is not None
    assert "exist" not in result.message
    assert (engine.row(made), engine.material(made)) == (row, content)


@pytest.mark.parametrize("identifier", ["", " mine", "mine ", "x" * 129, "a\x00b", "a\nb"])
def test_an_identifier_that_is_none_is_refused(engine: EngineHarness, identifier: str) -> None:
    assert engine.client().do(import_((2, 1), identifier, symmetric(), MASK)).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize(
    "given",
    [
        Attribute("", text(Tag.UNIQUE_IDENTIFIER, "another")),
        ask.object_type(ask.SECRET_DATA),
        ask.length(128),
        ask.algorithm(2),
        ask.state(ask.DESTROYED),
        ask.operation_policy_name("nowhere"),
        Attribute(
            "",
            structure(
                Tag.DIGEST,
                enumeration(Tag.HASHING_ALGORITHM, 6),
                octets(Tag.DIGEST_VALUE, bytes(32)),
                enumeration(Tag.KEY_FORMAT_TYPE, 1),
            ),
        ),
    ],
    ids=["identifier", "type", "length", "algorithm", "destroyed", "policy", "digest"],
)
def test_attributes_that_are_not_those_of_the_object_are_refused(engine: EngineHarness, given: Attribute) -> None:
    if given.name == "Operation Policy Name":
        result = engine.client((1, 4)).do(import_((1, 4), "mine", symmetric(), MASK, given))
        assert result.reason == Reason.INVALID_FIELD
        return
    result = engine.client().do(import_((2, 1), "mine", symmetric(), MASK, given))
    assert result.reason == Reason.INVALID_ATTRIBUTE_VALUE
    assert engine.row("mine") is None


def test_a_claim_never_to_have_been_readable_needs_protection_now(engine: EngineHarness) -> None:
    client = engine.client()
    given = Attribute("", boolean(Tag.ALWAYS_SENSITIVE, True)), Attribute("", boolean(Tag.NEVER_EXTRACTABLE, True))
    client.do(import_((2, 1), "mine", symmetric(), MASK, *given)).expect_success()
    found = attributes_of(client, "mine")
    assert (found[Tag.ALWAYS_SENSITIVE], found[Tag.NEVER_EXTRACTABLE]) == ([False], [False])


def test_an_object_is_of_the_type_that_the_request_names(engine: EngineHarness) -> None:
    client = engine.client()
    result = client.do(import_((2, 1), "mine", symmetric(), MASK, kind=ask.SECRET_DATA))
    assert result.reason == Reason.INVALID_FIELD
    assert client.do(import_((2, 1), "mine", b"", MASK)).reason == Reason.INVALID_MESSAGE


def test_a_name_in_use_and_a_second_value_are_refused(engine: EngineHarness) -> None:
    client = engine.client()
    key(client, ask.name("taken"))
    taken = client.do(import_((2, 1), "mine", symmetric(), MASK, ask.name("taken")))
    assert taken.reason == Reason.NON_UNIQUE_NAME_ATTRIBUTE
    twice = client.do(import_((2, 1), "mine", symmetric(), MASK, MASK))
    assert twice.reason == Reason.ATTRIBUTE_SINGLE_VALUED
    states = client.do(import_((2, 1), "mine", symmetric(), MASK, ask.state(1), ask.state(2)))
    assert states.reason == Reason.ATTRIBUTE_SINGLE_VALUED


def test_a_link_may_lead_to_what_is_imported_later(engine: EngineHarness) -> None:
    client = engine.client()
    client.do(import_((2, 1), "first", symmetric(), MASK, ask.link("second", 0x10B))).expect_success()
    assert links_of(client, "first") == [(0x10B, "second")]


def test_dates_that_have_come_make_their_transitions(engine: EngineHarness) -> None:
    client = engine.client()
    given = ask.state(ask.ACTIVE), ask.activation_date(1), keys.deactivation_date(2)
    client.do(import_((2, 1), "mine", symmetric(), MASK, *given)).expect_success()
    row = engine.row("mine")
    assert row is not None
    assert row.state == ask.DEACTIVATED


def test_more_usage_than_there_is_in_all_is_refused(engine: EngineHarness) -> None:
    for count in (-1, 11):
        limits = structure(
            Tag.USAGE_LIMITS,
            long_integer(Tag.USAGE_LIMITS_TOTAL, 10),
            long_integer(Tag.USAGE_LIMITS_COUNT, count),
            enumeration(Tag.USAGE_LIMITS_UNIT, 1),
        )
        result = engine.client().do(import_((2, 1), "mine", symmetric(), MASK, Attribute("", limits)))
        assert result.reason == Reason.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize("version", NEW, ids=str)
def test_a_wrapped_key_is_stored_as_it_comes_or_unwrapped_on_demand(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    asked = ask.register_key(version, KEK, ask.activation_date(1), mask=keys.UNWRAP)
    by = client.do(asked).unique_identifier
    data = keys.wrapping_data(by, encoding=keys.NO_ENCODING)
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(aes_key_wrap(KEK, KEY), data))
    client.do(import_(version, "as it comes", body, MASK)).expect_success()
    assert block_of(client.do(ask.get("as it comes"))).get(Tag.KEY_VALUE) == aes_key_wrap(KEK, KEY)
    client.do(import_(version, "unwrapped", body, MASK, wrap_type=keys.NOT_WRAPPED)).expect_success()
    assert key_bytes(client.do(ask.get("unwrapped"))) == KEY
    absent = keys.wrapped_block(aes_key_wrap(KEK, KEY), keys.wrapping_data("nothing", encoding=keys.NO_ENCODING))
    result = client.do(import_(version, "lost", structure(Tag.SYMMETRIC_KEY, absent), MASK, wrap_type=keys.NOT_WRAPPED))
    assert result.reason == Reason.INVALID_FIELD


def test_a_tampered_wrapping_is_not_stored(engine: EngineHarness) -> None:
    client = engine.client()
    by = client.do(ask.register_key((2, 1), KEK, ask.activation_date(1), mask=keys.UNWRAP)).unique_identifier
    blob = bytes([aes_key_wrap(KEK, KEY)[0] ^ 1]) + aes_key_wrap(KEK, KEY)[1:]
    data = keys.wrapping_data(by, encoding=keys.NO_ENCODING)
    body = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(blob, data))
    for wrap_type in (None, keys.NOT_WRAPPED):
        assert client.do(import_((2, 1), "bad", body, MASK, wrap_type=wrap_type)).reason == Reason.INVALID_FIELD
    assert engine.row("bad") is None
