"""What a client who listens is sent, and what it is not: real TLS, real objects, and the standard's own tables."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from kmip.core import enums, objects, secrets
from kmip.core.messages.messages import RequestHeader
from kmip.core.utils import BytearrayStream
from support import requests as ask
from support.announcing import (
    Announcer,
    assert_header,
    attributes_in,
    payload_of,
    re_keyed,
    tags,
    value_of,
)
from support.listening import Listener, listening, of_client
from support.numbers import Operation, Reason, Tag
from support.wire import VERSIONS, Node, Version, batch_item, boolean, date_time, enumeration, structure, text
from support.wire import message as wire_message

from kmip_server.storage.accounts import changing
from notifying.transport import NotDeliveredError, WithheldError
from policy import outbox

REPLACE = 2
WRAPPED_ONLY = {
    "name": "wrapped",
    "effect": "require",
    "subjects": ["anyone"],
    "actions": ["GET"],
    "require": {"wrap": True},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_replacement_is_put_as_the_owner_would_get_it(announcer: Announcer, version: Version) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, f"mode=put&version={version[0]}.{version[1]}")
        old, new = re_keyed(announcer, version, ask.name("disk"))
        assert announcer.send() == "Put taken"
        message = listener.next()
    assert_header(message, version, announcer.waiting().message_id)
    payload = payload_of(message, Operation.PUT)
    assert tags(payload)[:4] == [
        Tag.UNIQUE_IDENTIFIER,
        Tag.PUT_FUNCTION,
        Tag.REPLACED_UNIQUE_IDENTIFIER,
        Tag.SYMMETRIC_KEY,
    ]
    assert set(tags(payload)[4:]) == {Tag.ATTRIBUTE if version < (2, 0) else Tag.ATTRIBUTES}
    assert [payload.get(tag) for tag in tags(payload)[:3]] == [new, REPLACE, old]
    assert payload.find(Tag.SYMMETRIC_KEY) == value_of(announcer, version, new)
    told = attributes_in(payload, version)
    assert told["Cryptographic Length" if version < (2, 0) else Tag.CRYPTOGRAPHIC_LENGTH] == 256
    assert ("Last Change Date" if version < (2, 0) else Tag.LAST_CHANGE_DATE) in told


def test_a_client_written_by_others_reads_what_is_put(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put")
        _, new = re_keyed(announcer, (1, 2))
        announcer.send()
        asked = listener.came.get(timeout=30)
    key_value = value_of(announcer, (1, 4), new).get(Tag.KEY_BLOCK, Tag.KEY_VALUE, Tag.KEY_MATERIAL)
    stream, version = BytearrayStream(asked[8:]), enums.KMIPVersion.KMIP_1_4
    header = RequestHeader()
    header.read(stream, kmip_version=version)
    assert (header.protocol_version.major, header.protocol_version.minor) == (1, 4)
    start = asked.index(bytes.fromhex("42008F01"))
    key = secrets.SymmetricKey()
    key.read(BytearrayStream(asked[start:]), kmip_version=version)
    assert key.key_block.key_value.key_material.value == key_value
    length = int.from_bytes(asked[start + 4 : start + 8], "big")
    rest = BytearrayStream(asked[start + 8 + length :])
    read = objects.Attribute()
    read.read(rest, kmip_version=version)
    assert read.attribute_name.value == "Cryptographic Algorithm"
    assert read.attribute_value.value is enums.CryptographicAlgorithm.AES


CHANGES: dict[str, tuple[Callable[[str], ask.Request], set[str]]] = {
    "revoked": (
        lambda key: ask.revoke(key),
        {"State", "Revocation Reason", "Last Change Date", "Deactivation Date"},
    ),
    "compromised": (
        lambda key: ask.revoke(key, ask.KEY_COMPROMISE),
        {"State", "Revocation Reason", "Last Change Date", "Compromise Date", "Compromise Occurrence Date"},
    ),
    "destroyed": (lambda key: ask.destroy(key), {"State", "Last Change Date", "Destroy Date"}),
}
TAGS = {
    "State": Tag.STATE,
    "Revocation Reason": Tag.REVOCATION_REASON,
    "Last Change Date": Tag.LAST_CHANGE_DATE,
    "Deactivation Date": Tag.DEACTIVATION_DATE,
    "Compromise Date": Tag.COMPROMISE_DATE,
    "Compromise Occurrence Date": Tag.COMPROMISE_OCCURRENCE_DATE,
    "Destroy Date": Tag.DESTROY_DATE,
}


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 1)])
@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_notified_in_both_modes(announcer: Announcer, change: str, version: Version) -> None:
    done, names = CHANGES[change]
    with listening(of_client(announcer.bob)) as listener:
        bob = announcer.client(version)
        active = ask.activation_date(announcer.engine.now)
        key = bob.do(ask.create_aes(version, *([active] if change == "revoked" else []))).unique_identifier
        announcer.tell(listener, f"mode=put&version={version[0]}.{version[1]}")
        bob.do(done(key)).expect_success()
        assert announcer.send() == "Notify taken"
        message = listener.next()
    assert_header(message, version, announcer.waiting().message_id)
    payload = payload_of(message, Operation.NOTIFY)
    assert payload.value[0] == Node(Tag.UNIQUE_IDENTIFIER, 7, key)
    told = attributes_in(payload, version)
    assert set(told) == (names if version < (2, 0) else {TAGS[name] for name in names})
    assert told["Last Change Date" if version < (2, 0) else Tag.LAST_CHANGE_DATE] == announcer.engine.now


@pytest.mark.parametrize("version", [(1, 4), (2, 1)])
def test_a_notify_is_to_the_byte_what_the_tables_say(announcer: Announcer, version: Version) -> None:
    """KMIP 1.4 table 255 and s2.1.1; KMIP 2.1 s6.2.2 and s5.1. The order of attributes is the server's."""
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, f"version={version[0]}.{version[1]}")
        key = announcer.client(version).do(ask.create_aes(version)).unique_identifier
        announcer.client(version).do(ask.destroy(key)).expect_success()
        announcer.send()
        asked = listener.came.get(timeout=30)
    now = announcer.engine.now
    changed = [
        ask.state(ask.DESTROYED),
        ask.Attribute("Destroy Date", date_time(Tag.DESTROY_DATE, now)),
        ask.Attribute("Last Change Date", date_time(Tag.LAST_CHANGE_DATE, now)),
    ]
    possible = set()
    for order in permutations(changed):
        if version < (2, 0):
            listed = b"".join(ask.in_1x(attribute) for attribute in order)
        else:
            listed = structure(Tag.ATTRIBUTES, *(attribute.item for attribute in order))
        identifier = announcer.waiting().message_id.encode()
        item = batch_item(Operation.NOTIFY, ask.identifier(key), listed, identifier=identifier)
        possible.add(wire_message(version, item))
    assert asked in possible


def assert_no_key(listener: Listener, announcer: Announcer, key: str) -> None:
    """One Notify has come, and no byte of the key in it."""
    asked = listener.came.get(timeout=30)
    material = announcer.engine.material(key)
    assert material is not None
    assert material[-32:] not in asked
    assert enumeration(Tag.OPERATION, Operation.NOTIFY) in asked
    assert listener.came.empty()


def test_a_channel_that_notifies_puts_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=notify")
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


EXTRACTABLE, SENSITIVE = 0x420122, 0x420120


@pytest.mark.parametrize("kept", [(EXTRACTABLE, False), (SENSITIVE, True)], ids=["extractable", "sensitive"])
def test_a_key_that_does_not_leave_is_notified(announcer: Announcer, kept: tuple[int, bool]) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (2, 1), ask.Attribute("", boolean(*kept)))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def test_a_key_that_leaves_wrapped_only_is_notified(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", WRAPPED_ONLY)
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def against(*actions: str, **more: Any) -> dict[str, Any]:
    return {"name": "against it", "effect": "deny", "subjects": ["anyone"], "actions": list(actions), **more}


@pytest.mark.parametrize(
    "rule",
    [against("PUT"), against("PUT", effect="require", require={"wrap": True}), against("GET")],
    ids=["put", "wrapped", "get"],
)
def test_a_rule_against_put_or_get_leaves_a_notify(announcer: Announcer, rule: dict[str, Any]) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", rule)
        _, new = re_keyed(announcer, (1, 4))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)


def test_a_rule_against_notify_leaves_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener, "mode=put", against("NOTIFY"))
        re_keyed(announcer, (1, 4))
        with pytest.raises(WithheldError, match="the policy is against a Notify"):
            announcer.send()
        assert listener.came.empty()


def may(*actions: str) -> dict[str, Any]:
    """A rule by which bob may do this with what is others'."""
    return {"name": "bob too", "effect": "allow", "subjects": ["client:bob"], "actions": list(actions)}


def test_who_may_not_get_a_key_is_not_sent_it_and_who_may_know_nothing_is_told_nothing(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        carol = announcer.client((1, 4), "carol")
        new = carol.do(ask.rekey(carol.do(ask.create_aes((1, 4))).unique_identifier)).unique_identifier
        with pytest.raises(WithheldError, match="bob may not know"):
            announcer.send()
        assert listener.came.empty()
        announcer.tell(listener, "mode=put", may("GET_ATTRIBUTES"))
        assert announcer.send() == "Notify taken"
        assert_no_key(listener, announcer, new)
        announcer.tell(listener, "mode=put", may("GET_ATTRIBUTES", "GET"))
        assert announcer.send() == "Put taken"
        payload = payload_of(listener.next(), Operation.PUT)
    assert payload.find(Tag.SYMMETRIC_KEY) == value_of(announcer, (1, 4), new, "carol")


def test_what_is_destroyed_meanwhile_is_announced_no_more(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (1, 4))
        waits = announcer.waiting()
        announcer.client().do(ask.destroy(new)).expect_success()
        with pytest.raises(WithheldError, match="destroyed meanwhile"):
            announcer.send(waits)
        assert listener.came.empty()
        assert announcer.send() == "Notify taken"


def test_by_accounts_and_policy_that_are_not_the_newest_nothing_is_sent(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        re_keyed(announcer, (1, 4))
        with changing(announcer.engine.store.database):
            pass
        with pytest.raises(NotDeliveredError, match="have just changed"):
            announcer.send()
        assert listener.came.empty()
        announcer.tell(listener)
        assert announcer.send() == "Put taken"


def test_that_a_key_is_put_is_on_record(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        _, new = re_keyed(announcer, (1, 4))
        announcer.send()
    last = announcer.engine.audit()[-1]
    assert (last.caller, last.operation, last.unique_identifier, last.outcome) == ("bob", "Put", new, "submitted")


def test_a_re_keyed_pair_is_put_key_by_key(announcer: Announcer) -> None:
    with listening(of_client(announcer.bob)) as listener:
        announcer.tell(listener)
        bob = announcer.client((1, 4))
        common = [ask.algorithm(ask.RSA), ask.length(2048)]
        sign, verify = 1, 2
        old = bob.do(ask.create_key_pair((1, 4), common, sign, verify)).expect_success()
        private = old.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER)
        pair = text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, private)
        new = bob.do(ask.Request(Operation.RE_KEY_KEY_PAIR, pair)).expect_success()
        with announcer.engine.store.database.reading() as connection:
            waiting = outbox.rows(connection)
        for message in waiting:
            assert announcer.send(message) == "Put taken"
        put = [payload_of(listener.next(), Operation.PUT) for _ in waiting]
    assert {payload.get(Tag.UNIQUE_IDENTIFIER): payload.value[3].tag for payload in put} == {
        new.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER): Tag.PRIVATE_KEY,
        new.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER): Tag.PUBLIC_KEY,
    }
    assert private in [payload.get(Tag.REPLACED_UNIQUE_IDENTIFIER) for payload in put]


def test_a_client_that_sends_notify_or_put_is_told_that_they_are_no_operations(announcer: Announcer) -> None:
    for version in VERSIONS:
        for operation in (Operation.NOTIFY, Operation.PUT):
            result = announcer.client(version).do(ask.Request(operation, ask.identifier("some key")))
            assert result.reason == Reason.OPERATION_NOT_SUPPORTED
        queried = announcer.client(version).do(ask.query(1))
        assert queried.payload is not None
        offered = {each.value for each in queried.payload.all(Tag.OPERATION)}
        assert not offered & {Operation.NOTIFY, Operation.PUT}
