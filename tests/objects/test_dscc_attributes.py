"""The attributes of negotiated keys: their names in each version, and what a client may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmip_server.errors import KmipError
from kmip_server.messages.structures import VendorAttribute
from kmip_server.objects.attribute_fields import read_named, read_tagged, write_named, write_tagged
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.attributes import SetBy
from kmip_server.objects.dscc_attributes import (
    ROWS,
    asked_in,
    canonical,
    check_asked,
    dscc_value,
    with_dscc,
    without_dscc,
)
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import ObjectType, Operation, ResultReason
from kmip_server.ttlv.item import Item, Limits, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_0, V1_4, V2_0, V2_1, ProtocolVersion
from policy.sharing import Asked

R = ResultReason
EXAMPLES = {
    "Peer": "site-b",
    "Group": "sites",
    "Purpose": "wrap",
    "Policy": "gold",
    "Paths": "2/3",
    "Hybrid": "mlkem768",
}
CLIENTS = [name for name, row in ROWS.items() if row.set_by is SetBy.CLIENT]
SERVERS = [name for name, row in ROWS.items() if row.set_by is SetBy.SERVER]


def vendor_attribute(vendor: str, name: str, value: object = "v", kind: Type = Type.TEXT_STRING) -> AttributeValue:
    item = Item(Tag.ATTRIBUTE_VALUE, kind, value)
    return AttributeValue(
        Tag.ATTRIBUTE, VendorAttribute(vendor_identification=vendor, attribute_name=name, attribute_value=item)
    )


def asking(**values: object) -> AttributeSet:
    return AttributeSet.of([vendor_attribute("DSCC", name, value) for name, value in values.items()])


def refusal(
    attributes: AttributeSet, of: ObjectType = ObjectType.SYMMETRIC_KEY, by: Operation = Operation.CREATE
) -> KmipError:
    with pytest.raises(KmipError) as refused:
        check_asked(attributes, of, by)
    return refused.value


def name_on_the_wire(data: bytes) -> str:
    item = binary.decode(data, Limits())
    return str(item.value[0].value)


@pytest.mark.parametrize("version", [V1_0, V1_4], ids=str)
@pytest.mark.parametrize("name", ROWS)
def test_each_has_one_name_in_1_x_which_is_read_as_the_same(version: ProtocolVersion, name: str) -> None:
    attribute = vendor_attribute("DSCC", name)
    written = write_named(attribute, version)
    assert written is not None
    assert name_on_the_wire(written) == f"{'x' if name in CLIENTS else 'y'}-DSCC-{name}"
    assert read_named(binary.decode(written, Limits()), version) == attribute


@pytest.mark.parametrize("version", [V2_0, V2_1], ids=str)
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("as_in_1_x", [False, True])
def test_since_2_0_its_vendor_is_dscc_or_the_one_of_1_x(version: ProtocolVersion, name: str, as_in_1_x: bool) -> None:
    attribute = vendor_attribute("DSCC", name)
    sent = vendor_attribute("x" if name in CLIENTS else "y", f"DSCC-{name}") if as_in_1_x else attribute
    written = write_tagged(sent, version)
    assert written is not None
    assert read_tagged(binary.decode(written, Limits()), version) == attribute


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_s_attribute_has_no_name_of_the_server_s(name: str) -> None:
    assert canonical("y", f"DSCC-{name}") == ("y", f"DSCC-{name}")


@pytest.mark.parametrize(
    ("vendor", "name"), [("x", "DSCCPeer"), ("x", "dscc-Peer"), ("acme", "DSCC-Peer"), ("x", "Peer"), ("y", "KeyId")]
)
def test_other_names_stay_as_they_are(vendor: str, name: str) -> None:
    assert canonical(vendor, name) == (vendor, name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_client_asks_for_it_with_a_symmetric_key_that_create_makes(name: str) -> None:
    attributes = asking(**{name: EXAMPLES[name]})
    check_asked(attributes, ObjectType.SYMMETRIC_KEY, Operation.CREATE)
    assert asked_in(attributes) == Asked(**{name.lower(): EXAMPLES[name]})


@pytest.mark.parametrize(
    ("of", "by"),
    [
        (ObjectType.SECRET_DATA, Operation.CREATE),
        (ObjectType.SYMMETRIC_KEY, Operation.REGISTER),
        (ObjectType.SYMMETRIC_KEY, Operation.IMPORT),
        (ObjectType.SYMMETRIC_KEY, Operation.DERIVE_KEY),
        (ObjectType.SYMMETRIC_KEY, Operation.RE_KEY),
        (ObjectType.PRIVATE_KEY, Operation.CREATE_KEY_PAIR),
    ],
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_no_other_object_has_it(of: ObjectType, by: Operation, name: str) -> None:
    refused = refusal(asking(**{name: EXAMPLES[name]}), of, by)
    assert refused.reason is R.INVALID_ATTRIBUTE
    assert "Symmetric Key that Create makes" in refused.message


WRONG = [
    *[(name, value) for name in ("Peer", "Group", "Policy") for value in ("", "x" * 65, "a\nb", "a\0", "\u202e")],
    *[("Purpose", value) for value in ("", "Tunnel", "anything")],
    *[("Paths", value) for value in ("", "3/2", "0/1", "1/17", "2 / 3", "2/3\n", "two of three")],
    *[("Hybrid", value) for value in ("", "rsa", "MLKEM768")],
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_in_words_that_do_not_repeat_it(name: str, value: str) -> None:
    refused = refusal(asking(**{name: value}))
    assert refused.reason is R.INVALID_ATTRIBUTE_VALUE
    assert f"DSCC-{name}" in refused.message


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_value_is_text(name: str) -> None:
    number = AttributeSet.of([vendor_attribute("DSCC", name, 1, Type.INTEGER)])
    assert refusal(number).reason is R.INVALID_ATTRIBUTE_VALUE


@pytest.mark.parametrize("name", SERVERS)
def test_what_the_server_says_is_not_asked_for(name: str) -> None:
    assert refusal(asking(**{name: "v"})).reason is R.ATTRIBUTE_READ_ONLY


def test_an_unknown_name_is_refused_and_the_known_ones_are_said() -> None:
    refused = refusal(asking(Pear="site-b"))
    assert refused.reason is R.INVALID_ATTRIBUTE
    assert all(name in refused.message for name in ROWS)


@pytest.mark.parametrize(
    ("vendor", "name"),
    [("x", "dscc-peer"), ("x", "Dscc-Peer"), ("x", "DSCCPeer"), ("x", "DSCC_Peer"), ("dscc", "Peer"), ("Dscc", "peer")],
)
def test_a_name_in_other_letters_is_refused_too(vendor: str, name: str) -> None:
    refused = refusal(AttributeSet.of([vendor_attribute(vendor, name, "site-b")]))
    assert refused.reason is R.INVALID_ATTRIBUTE
    assert f"not '{vendor}-{name}'" in refused.message


def test_a_second_instance_is_refused() -> None:
    twice = AttributeSet.of([vendor_attribute("DSCC", "Peer", peer) for peer in ("site-b", "site-c")])
    assert refusal(twice).reason is R.ATTRIBUTE_SINGLE_VALUED


def test_a_peer_and_a_group_are_not_asked_for_together() -> None:
    assert refusal(asking(Peer="site-b", Group="sites")).reason is R.INVALID_ATTRIBUTE_VALUE


def test_other_vendor_attributes_are_not_looked_at() -> None:
    others = AttributeSet.of([vendor_attribute("x", "Peer"), vendor_attribute("acme", "KeyId")])
    check_asked(others, ObjectType.CERTIFICATE, Operation.REGISTER)
    assert asked_in(others) is None
    assert asked_in(AttributeSet.of([])) is None


@given(st.dictionaries(st.sampled_from(SERVERS), st.text("abc 123", min_size=1, max_size=8)))
def test_what_is_given_is_there_and_the_rest_stays(values: dict[str, str]) -> None:
    before = AttributeSet.of([vendor_attribute("x", "mine"), vendor_attribute("DSCC", "Peer", "site-b")])
    after = with_dscc(before, values)
    assert {name: dscc_value(after, name) for name in ROWS} == dict.fromkeys(ROWS) | {"Peer": "site-b"} | values
    assert AttributeSet.from_bytes(after.to_bytes()) == after
    assert without_dscc(after, values) == before
    assert with_dscc(after, values) == after


@pytest.mark.parametrize(("name", "value"), [("Pear", "v"), ("KeyId", ""), ("KeyId", "a\nb"), ("Paths", "3/2")])
def test_the_server_says_only_what_the_table_has(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        with_dscc(AttributeSet.of([]), {name: value})
