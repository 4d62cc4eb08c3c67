"""What storage appliances send: Synology DSM, VAST Data, NetApp ONTAP, a SAN array, IBM tape, IBM GKLM's clients."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import pytest
from conftest import Connect
from replaying import (
    AES_256,
    Replay,
    asking,
    attribute,
    attributes_in,
    blob,
    choice,
    found_in,
    key_in,
    moment,
    named,
    number,
    revocation,
    template,
    truth,
    uid,
    unique,
    words,
)
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, SECRET_DATA, SYMMETRIC_KEY, Request
from support.server import Client
from support.wire import credential, date_time, enumeration, integer, interval, long_integer, structure, text

QUERY_FUNCTIONS = range(1, 7)
OPAQUE, RAW = 2, 1


def query(*functions: int) -> bytes:
    return b"".join(enumeration(Tag.QUERY_FUNCTION, function) for function in functions)


def symmetric(*attributes: bytes) -> bytes:
    """The payload of a Create request."""
    return enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + template(*attributes)


def test_synology_keeps_its_vault_key_as_secret_data_and_renames_it(connect: Connect) -> None:
    dsm = connect((1, 2))
    dsm.do(Operation.DISCOVER_VERSIONS)
    can = dsm.do(Operation.QUERY, query(*QUERY_FUNCTIONS))
    assert can.payload is not None
    operations = {node.value for node in can.payload.all(Tag.OPERATION)}
    assert operations >= {Operation.REGISTER, Operation.MODIFY_ATTRIBUTE, Operation.LOCATE, Operation.GET}
    assert SECRET_DATA in {node.value for node in can.payload.all(Tag.OBJECT_TYPE)}

    vault, secret = unique("synology"), secrets.token_bytes(32)
    assert found_in(dsm.do(Operation.LOCATE, named(vault))) == []
    body = structure(Tag.SECRET_DATA, enumeration(Tag.SECRET_DATA_TYPE, 1), ask.key_block(secret, None, key_format=RAW))
    registered = dsm.do(
        Operation.REGISTER,
        enumeration(Tag.OBJECT_TYPE, SECRET_DATA),
        template(named(vault), number("Cryptographic Usage Mask", 0x0C), words("Operation Policy Name", "default")),
        body,
    )
    key = registered.unique_identifier
    dsm.do(Operation.ACTIVATE, uid(key))

    # After a restart of the appliance, on a new connection.
    booted = connect((1, 2))
    assert found_in(booted.do(Operation.LOCATE, named(vault))) == [key]
    old = f"{vault}-deprecated-1"
    renamed = booted.do(Operation.MODIFY_ATTRIBUTE, uid(key), named(old))
    assert attributes_in(renamed) == {"Name": (old, 1)}
    read = booted.do(Operation.GET_ATTRIBUTES, uid(key), asking("Name", "State", "Operation Policy Name"))
    assert attributes_in(read) == {"Name": (old, 1), "State": ACTIVE, "Operation Policy Name": "default"}
    got = booted.do(Operation.GET, uid(key))
    assert got.get(Tag.SECRET_DATA, Tag.SECRET_DATA_TYPE) == 1
    assert key_in(got, Tag.SECRET_DATA) == secret
    assert found_in(booted.do(Operation.LOCATE, named(vault))) == []
    assert found_in(booted.do(Operation.LOCATE, named(old))) == [key]
    booted.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
    booted.do(Operation.DESTROY, uid(key))


def test_vast_makes_names_polls_and_rotates_keys_over_https(connect: Connect) -> None:
    vast = connect((1, 4), https=True)
    offered = vast.do(Operation.DISCOVER_VERSIONS)
    assert offered.payload is not None
    assert offered.payload.value[0].tag == Tag.PROTOCOL_VERSION
    group, keys = unique("VAST_EKM"), {}
    for index in range(2):
        key = vast.do(Operation.CREATE, symmetric(AES_256)).unique_identifier
        name = f"VAST_EKM_KEY_2_{group}_{index}"
        given = (named(name), words("Object Group", group), words("Operation Policy Name", "default"))
        for one in given:
            added = vast.do(Operation.ADD_ATTRIBUTE, uid(key), one)
            assert added.payload is not None
            assert added.payload.find(Tag.ATTRIBUTE, Tag.ATTRIBUTE_NAME) is not None
        vast.do(Operation.ACTIVATE, uid(key))
        keys[name] = key
    for name, key in keys.items():
        assert found_in(vast.do(Operation.LOCATE, named(name))) == [key]
        assert len(key_in(vast.do(Operation.GET, uid(key)))) == 32
        polled = attributes_in(vast.do(Operation.GET_ATTRIBUTES, uid(key), asking("State", "Activation Date")))
        assert polled["State"] == ACTIVE
        assert polled["Activation Date"] <= time.time() + 1

    name, old = next(iter(keys.items()))
    new = vast.do(Operation.RE_KEY, uid(old)).unique_identifier
    assert new != old
    assert found_in(vast.do(Operation.LOCATE, named(name))) == [new]
    assert key_in(vast.do(Operation.GET, uid(new))) != key_in(vast.do(Operation.GET, uid(old)))
    for key in (old, new):
        assert attributes_in(vast.do(Operation.GET_ATTRIBUTES, uid(key), asking("State"))) == {"State": ACTIVE}
    for key in (new, *keys.values()):
        vast.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
        vast.do(Operation.DESTROY, uid(key))


NETAPP = {
    "x-NETAPP-ClusterName": words("x-NETAPP-ClusterName", "cluster1"),
    "x-NETAPP-ClusterId": words("x-NETAPP-ClusterId", "9fa0d9b2-22a8-11e9-8a6d-00a098f4a1b2"),
    "x-NETAPP-NodeName": words("x-NETAPP-NodeName", "cluster1-01"),
    "x-NETAPP-NodeId": words("x-NETAPP-NodeId", "4082367488"),
    "x-NETAPP-VserverId": number("x-NETAPP-VserverId", -1),
    "x-NETAPP-KeyId": blob("x-NETAPP-KeyId", bytes(range(48))),
    "x-NETAPP-KeyTag": words("x-NETAPP-KeyTag", "0x0000000000000002"),
    "x-NETAPP-KeyUsage": choice("x-NETAPP-KeyUsage", 3),
    "x-NETAPP-KeyVersion": number("x-NETAPP-KeyVersion", 1),
    "x-NETAPP-Encryption": truth("x-NETAPP-Encryption", True),
    "x-NETAPP-Restored": truth("x-NETAPP-Restored", False),
    "x-NETAPP-Created": moment("x-NETAPP-Created", 1_700_000_000),
    "x-NETAPP-Lifetime": attribute("x-NETAPP-Lifetime", interval(Tag.ATTRIBUTE_VALUE, 86_400)),
    "x-NETAPP-Serial": attribute("x-NETAPP-Serial", long_integer(Tag.ATTRIBUTE_VALUE, 2**40)),
    "x-NETAPP-Product": words("x-NETAPP-Product", "ONTAP 9.14.1"),
    "x-NETAPP-Comment": words("x-NETAPP-Comment", ""),
}


def test_netapp_describes_a_key_with_sixteen_custom_attributes_of_many_types(
    connect: Connect, password: tuple[str, str]
) -> None:
    node = connect((1, 1), fields=[credential(*password)])
    node_id = unique("4082")
    own = NETAPP | {"x-NETAPP-NodeId": words("x-NETAPP-NodeId", node_id)}
    key = node.do(Operation.CREATE, symmetric(AES_256, *own.values())).unique_identifier
    read = node.do(Operation.GET_ATTRIBUTES, uid(key), asking(*own))
    assert attributes_in(read) == {
        "x-NETAPP-ClusterName": "cluster1",
        "x-NETAPP-ClusterId": "9fa0d9b2-22a8-11e9-8a6d-00a098f4a1b2",
        "x-NETAPP-NodeName": "cluster1-01",
        "x-NETAPP-NodeId": node_id,
        "x-NETAPP-VserverId": -1,
        "x-NETAPP-KeyId": bytes(range(48)),
        "x-NETAPP-KeyTag": "0x0000000000000002",
        "x-NETAPP-KeyUsage": 3,
        "x-NETAPP-KeyVersion": 1,
        "x-NETAPP-Encryption": True,
        "x-NETAPP-Restored": False,
        "x-NETAPP-Created": 1_700_000_000,
        "x-NETAPP-Lifetime": 86_400,
        "x-NETAPP-Serial": 2**40,
        "x-NETAPP-Product": "ONTAP 9.14.1",
        "x-NETAPP-Comment": "",
    }
    for wanted in (own["x-NETAPP-NodeId"], own["x-NETAPP-NodeId"] + own["x-NETAPP-KeyId"] + own["x-NETAPP-Serial"]):
        assert found_in(node.do(Operation.LOCATE, wanted)) == [key]
    assert found_in(node.do(Operation.LOCATE, own["x-NETAPP-NodeId"], number("x-NETAPP-KeyVersion", 2))) == []
    assert len(key_in(node.do(Operation.GET, uid(key)))) == 32
    node.do(Operation.DESTROY, uid(key))


def test_netapp_is_refused_with_a_wrong_user_or_password(
    connect: Connect, make_client: Callable[..., Client], password: tuple[str, str]
) -> None:
    """A client of its own: wrong passwords make a client wait."""
    user, secret = password
    client = make_client("netapp")
    for given in (credential("nobody", secret), credential(user, "not the password")):
        refused = connect((1, 1), client=client, fields=[given]).try_(Operation.LOCATE, named("a key"))
        assert refused.reason == Reason.AUTHENTICATION_NOT_SUCCESSFUL


def test_a_san_array_finds_reads_and_describes_its_key_in_one_batch(connect: Connect) -> None:
    resource, system = unique("san01-pod1-las1 351538/351539"), unique("351538")
    array = connect((1, 0))
    marks = words("x-ResourceID", resource), words("x-SystemID", system)
    key = array.do(Operation.CREATE, symmetric(AES_256, *marks)).unique_identifier
    wanted = ("Unique Identifier", "Object Type", "Initial Date", "State", "x-ResourceID")
    for count in (1, 2):
        answers = array.ask(
            Request(Operation.QUERY, query(1, 2, 3, 4)),
            Request(Operation.LOCATE, b"".join(marks)),
            Request(Operation.GET, enumeration(Tag.KEY_FORMAT_TYPE, OPAQUE)),
            Request(Operation.GET_ATTRIBUTES, asking(*wanted)),
        ).results
        if count == 2:
            break
        assert [result.ok for result in answers] == [True] * 4
        assert answers[0].get(Tag.VENDOR_IDENTIFICATION)
        assert found_in(answers[1]) == [key]
        assert answers[2].unique_identifier == key
        assert answers[2].get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_FORMAT_TYPE) == OPAQUE
        assert len(key_in(answers[2])) == 32
        described = attributes_in(answers[3])
        assert set(described) == set(wanted)
        assert (described["Unique Identifier"], described["x-ResourceID"]) == (key, resource)
        # With a second key of the same marks there is no one object for the rest of the batch.
        array.do(Operation.CREATE, symmetric(AES_256, *marks))
    assert [result.ok for result in answers] == [True, True, False]
    assert len(found_in(answers[1])) == 2
    assert answers[2].reason == Reason.ITEM_NOT_FOUND


def tape_name(value: str) -> bytes:
    return attribute(
        "Alternative Name",
        structure(
            Tag.ALTERNATIVE_NAME,
            text(Tag.ALTERNATIVE_NAME_VALUE, value),
            enumeration(Tag.ALTERNATIVE_NAME_TYPE, 1),
        ),
    )


def test_an_ibm_tape_library_creates_and_locates_by_alternative_name_and_custom_attributes(connect: Connect) -> None:
    library, cartridge = connect((1, 2)), unique("VOL001L8")
    marks = tape_name(cartridge), words("x-DeviceSerialNumber", unique("0000078A1234")), words("x-Barcode", cartridge)
    key = library.do(Operation.CREATE, symmetric(AES_256, *marks)).unique_identifier
    library.do(Operation.ACTIVATE, uid(key))
    for wanted in (marks[:1], marks[1:], marks):
        assert found_in(library.do(Operation.LOCATE, *wanted)) == [key]
    assert found_in(library.do(Operation.LOCATE, tape_name(unique("VOL002L8")))) == []
    read = attributes_in(library.do(Operation.GET_ATTRIBUTES, uid(key), asking("Alternative Name", "x-Barcode")))
    assert read == {"Alternative Name": (cartridge, 1), "x-Barcode": cartridge}
    assert len(key_in(library.do(Operation.GET, uid(key)))) == 32


def test_an_ibm_tape_library_of_an_older_version_has_no_alternative_name(connect: Connect) -> None:
    refused = connect((1, 1)).try_(Operation.CREATE, symmetric(AES_256, tape_name("VOL003L8")))
    assert refused.reason == Reason.INVALID_FIELD


def test_a_client_that_knows_gklm_reads_another_vendor_and_no_server_type(connect: Connect) -> None:
    client = connect((1, 0))
    told = client.do(Operation.QUERY, query(1, 2, 3))
    assert "IBM" not in told.get(Tag.VENDOR_IDENTIFICATION)
    assert not told.get(Tag.SERVER_INFORMATION)
    key = client.do(Operation.CREATE, symmetric(AES_256, words("x-Group", unique("gklm")))).unique_identifier
    assert len(key_in(client.do(Operation.GET, uid(key)))) == 32


def lifecycle(client: Replay, *more: bytes) -> None:
    """Create, Activate, Locate, Get, Revoke and Destroy a key, as clients with nothing of their own do."""
    name = unique("plain")
    key = client.do(Operation.CREATE, symmetric(AES_256, named(name), *more)).unique_identifier
    client.do(Operation.ACTIVATE, uid(key))
    assert found_in(client.do(Operation.LOCATE, named(name))) == [key]
    assert len(key_in(client.do(Operation.GET, uid(key)))) == 32
    client.do(Operation.REVOKE, uid(key), revocation(ask.UNSPECIFIED, "replaced", None))
    client.do(Operation.DESTROY, uid(key))
    assert found_in(client.do(Operation.LOCATE, named(name))) == []
    again = client.do(Operation.CREATE, symmetric(AES_256, named(name), *more)).unique_identifier
    assert found_in(client.do(Operation.LOCATE, named(name))) == [again]


@pytest.mark.parametrize("minor", range(5))
def test_hitachi_vsp_lives_with_any_1x_version(connect: Connect, minor: int) -> None:
    array = connect((1, minor))
    array.do(Operation.QUERY, query(1, 2, 3))
    lifecycle(array, words("Object Group", unique("vsp")))


def test_hpe_nimble_keeps_one_master_key(connect: Connect) -> None:
    group = connect((1, 1), fields=[date_time(Tag.TIME_STAMP, int(time.time()))])
    lifecycle(group, words("x-Nimble-Group", unique("group")), words("Contact Information", "storage@example.org"))


def test_dell_idrac_keeps_the_newest_two_keys_of_a_server(connect: Connect) -> None:
    idrac, tag = connect((1, 1)), unique("SVCTAG")
    keys = []
    for _ in range(3):
        keys.append(idrac.do(Operation.CREATE, symmetric(AES_256, words("x-ServiceTag", tag))).unique_identifier)
        idrac.do(Operation.ACTIVATE, uid(keys[-1]))
        located = found_in(idrac.do(Operation.LOCATE, words("x-ServiceTag", tag)))
        assert located == keys[::-1][: len(located)]
        for old in located[2:]:
            idrac.do(Operation.REVOKE, uid(old), revocation(ask.CESSATION_OF_OPERATION))
            idrac.do(Operation.DESTROY, uid(old))
    assert found_in(idrac.do(Operation.LOCATE, words("x-ServiceTag", tag))) == [keys[2], keys[1]]
    newest = idrac.do(Operation.LOCATE, integer(Tag.MAXIMUM_ITEMS, 1), words("x-ServiceTag", tag))
    assert found_in(newest) == [keys[2]]


def test_hpe_ezmeral_reads_what_its_version_has_of_a_key(connect: Connect) -> None:
    for minor in range(5):
        cldb = connect((1, minor))
        if minor:
            cldb.do(Operation.DISCOVER_VERSIONS)
        group = unique("ezmeral")
        made = cldb.do(Operation.CREATE, symmetric(AES_256, named(group), words("Object Group", group)))
        key = made.unique_identifier
        cldb.do(Operation.ACTIVATE, uid(key))
        wanted = ["Lease Time", "Digest", "Last Change Date", "Object Group", *(["Fresh"] if minor else [])]
        read = attributes_in(cldb.do(Operation.GET_ATTRIBUTES, uid(key), asking(*wanted)))
        assert set(read) == set(wanted)
        assert read["Object Group"] == group
        assert len(read["Digest"]) == (3 if minor else 2)
        rotated = cldb.do(Operation.RE_KEY, uid(key)).unique_identifier
        assert found_in(cldb.do(Operation.LOCATE, named(group))) == [rotated]
        for each in (key, rotated):
            cldb.do(Operation.REVOKE, uid(each), revocation(ask.CESSATION_OF_OPERATION))
            cldb.do(Operation.DESTROY, uid(each))
