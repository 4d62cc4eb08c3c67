"""What hypervisors send: VMware vCenter and vSAN (KMIP 1.1), Nutanix AOS."""

from __future__ import annotations

from conftest import Connect
from replaying import (
    Replay,
    asking,
    attributes_in,
    choice,
    found_in,
    key_in,
    named,
    number,
    revocation,
    template,
    uid,
    unique,
    words,
)
from support import requests as ask
from support.numbers import Operation, Tag
from support.requests import ACTIVE, SYMMETRIC_KEY
from support.wire import enumeration, integer, text

ALL_VERSIONS = {(2, 1), (2, 0), (1, 4), (1, 3), (1, 2), (1, 1), (1, 0)}
QUERY_SERVER_INFORMATION = 3


def versions(client: Replay) -> set[tuple[int, int]]:
    """The versions that the server names in Discover Versions."""
    result = client.do(Operation.DISCOVER_VERSIONS)
    assert result.payload is not None
    return {
        (node.get(Tag.PROTOCOL_VERSION_MAJOR), node.get(Tag.PROTOCOL_VERSION_MINOR))
        for node in result.payload.all(Tag.PROTOCOL_VERSION)
    }


def test_vcenter_asks_for_versions_before_each_step_and_marks_a_key_as_its_own(connect: Connect) -> None:
    probe, vcenter = connect((1, 1)), connect((1, 1), item_id=b"QLKC")
    assert versions(probe) == ALL_VERSIONS

    def step(client: Replay = vcenter) -> Replay:
        assert versions(client) == ALL_VERSIONS
        return client

    about = step().do(Operation.QUERY, enumeration(Tag.QUERY_FUNCTION, QUERY_SERVER_INFORMATION))
    assert about.get(Tag.VENDOR_IDENTIFICATION)
    created = step().do(
        Operation.CREATE,
        enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY),
        template(
            choice("Cryptographic Algorithm", ask.AES),
            number("Cryptographic Usage Mask", 0x0C),
            number("Cryptographic Length", 256),
        ),
    )
    assert created.get(Tag.OBJECT_TYPE) == SYMMETRIC_KEY
    key = created.unique_identifier
    step().do(Operation.ACTIVATE, uid(key))
    unmarked = step().do(Operation.GET_ATTRIBUTES, uid(key), asking("x-Product_Version"))
    assert (unmarked.unique_identifier, attributes_in(unmarked)) == (key, {})
    marks = {
        "x-Product_Version": "8.0.3 build-24022515",
        "x-Vendor": "VMware, Inc.",
        "x-Product": "VMware vSphere",
    }
    marked = step().ask(
        *[ask.Request(Operation.ADD_ATTRIBUTE, uid(key) + words(*mark)) for mark in marks.items()],
    )
    for result, mark in zip(marked.results, marks.items(), strict=True):
        assert result.unique_identifier == key
        assert attributes_in(result) == dict([mark])
    read = step().do(Operation.GET_ATTRIBUTES, uid(key), asking("x-Product_Version", "State"))
    assert attributes_in(read) == {"x-Product_Version": marks["x-Product_Version"], "State": ACTIVE}

    # Another host of the cluster reads the key on a connection of its own.
    host = connect((1, 1), item_id=b"QLKC")
    got = step(host).do(Operation.GET, uid(key))
    assert (got.get(Tag.OBJECT_TYPE), got.unique_identifier) == (SYMMETRIC_KEY, key)
    block = got.payload and got.payload.find(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK)
    assert block is not None
    assert [child.tag for child in block.value] == [
        Tag.KEY_FORMAT_TYPE,
        Tag.KEY_VALUE,
        Tag.CRYPTOGRAPHIC_ALGORITHM,
        Tag.CRYPTOGRAPHIC_LENGTH,
    ]
    assert len(key_in(got)) == 32

    step().do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
    step().do(Operation.DESTROY, uid(key))
    gone = step().try_(Operation.GET, uid(key))
    assert not gone.ok


def test_vcenter_gets_no_answer_newer_than_its_version_when_it_lists_a_key(connect: Connect) -> None:
    """A key made by a newer client has attributes that 1.1 does not know."""
    newer = connect((2, 1))
    described = ask.Attribute("Description", text(Tag.DESCRIPTION, "a key of a newer client"))
    request = ask.create_aes((2, 1), ask.name(unique("vcenter")), described)
    key = newer.ask(request).result.unique_identifier
    vcenter = connect((1, 1), item_id=b"QLKC")
    listed = vcenter.do(Operation.GET_ATTRIBUTE_LIST, uid(key))
    names = [node.value for node in listed.payload.all(Tag.ATTRIBUTE_NAME)] if listed.payload else []
    assert "Fresh" in names
    assert "Description" not in names
    everything = attributes_in(vcenter.do(Operation.GET_ATTRIBUTES, uid(key)))
    assert everything["Fresh"] is True
    assert not set(everything) - set(names)


def test_nutanix_reads_the_keys_of_its_cluster_at_boot(connect: Connect) -> None:
    cluster, keys = unique("nutanix"), []
    prism = connect((1, 2))
    for disk in range(3):
        made = prism.do(
            Operation.CREATE,
            enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY),
            template(
                choice("Cryptographic Algorithm", ask.AES),
                number("Cryptographic Length", 256),
                number("Cryptographic Usage Mask", 0x0C),
                named(f"{cluster}/disk-{disk}"),
                words("Object Group", cluster),
            ),
        )
        keys.append(made.unique_identifier)
        prism.do(Operation.ACTIVATE, uid(keys[-1]))
    node = connect((1, 2))
    located = node.do(Operation.LOCATE, integer(Tag.MAXIMUM_ITEMS, 100), words("Object Group", cluster))
    assert set(found_in(located)) == set(keys)
    secrets = {key_in(node.do(Operation.GET, uid(key))) for key in keys}
    assert {len(secret) for secret in secrets} == {32}
    assert len(secrets) == 3
