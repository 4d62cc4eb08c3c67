"""Attributes on the wire: by name in 1.x, by tag since 2.0, in one form between them (KMIP 1.4 s2.1.1, 2.1 s5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from kmip_server.errors import KmipError
from kmip_server.messages import structures as s
from kmip_server.messages.fields import Payload
from kmip_server.messages.kinds import EnumerationKind, MaskKind, Primitive, StructureKind
from kmip_server.objects.attribute_fields import (
    AttributeReference,
    attribute_list,
    one_attribute,
    read_named,
    read_tagged,
    reference,
    reference_to,
    references,
    template,
    write_named,
    write_tagged,
)
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.attributes import ATTRIBUTES, Attribute
from kmip_server.ttlv import binary
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.enumerations import ObjectType, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS, V1_0, V1_2, V1_3, V1_4, V2_0, V2_1, ProtocolVersion


def said(attribute: AttributeValue, version: ProtocolVersion) -> Item | None:
    """An attribute as it is written, in the form of its version."""
    written = (write_tagged if version >= V2_0 else write_named)(attribute, version)
    return None if written is None else binary.decode(written)


def items(payload: Payload, version: ProtocolVersion) -> tuple[Item, ...]:
    """A payload's items as they are written."""
    children: tuple[Item, ...] = binary.decode(binary.structure(Tag.REQUEST_PAYLOAD, payload.encode(version))).value
    return children


VALUE = Item(Tag.ATTRIBUTE_VALUE, Type.TEXT_STRING, "disk")
SAMPLES: dict[type[Payload], Payload] = {
    s.Name: s.Name(name_value="a", name_type=enums.NameType.URI),
    s.CryptographicParameters: s.CryptographicParameters(block_cipher_mode=enums.BlockCipherMode.CBC),
    s.CryptographicDomainParameters: s.CryptographicDomainParameters(qlength=256),
    s.Digest: s.Digest(hashing_algorithm=enums.HashingAlgorithm.SHA_256, digest_value=bytes(32)),
    s.UsageLimits: s.UsageLimits(
        usage_limits_total=9, usage_limits_count=8, usage_limits_unit=enums.UsageLimitsUnit.BYTE
    ),
    s.RevocationReason: s.RevocationReason(revocation_reason_code=enums.RevocationReasonCode.SUPERSEDED),
    s.Link: s.Link(link_type=enums.LinkType.PUBLIC_KEY_LINK, linked_object_identifier="id"),
    s.ApplicationSpecificInformation: s.ApplicationSpecificInformation(
        application_namespace="ssl", application_data="d"
    ),
    s.AlternativeName: s.AlternativeName(
        alternative_name_value="a", alternative_name_type=enums.AlternativeNameType.URI
    ),
    s.KeyValueLocation: s.KeyValueLocation(
        key_value_location_value="there", key_value_location_type=enums.KeyValueLocationType.URI
    ),
    s.RNGParameters: s.RNGParameters(rng_algorithm=enums.RNGAlgorithm.UNSPECIFIED),
    s.RotateName: s.RotateName(rotate_name_value="a", rotate_name_type=enums.RotateNameType.URI),
    s.VendorAttribute: s.VendorAttribute(vendor_identification="x", attribute_name="a-b", attribute_value=VALUE),
    s.X509CertificateIdentifier: s.X509CertificateIdentifier(
        issuer_distinguished_name=b"i", certificate_serial_number=b"1"
    ),
    s.X509CertificateIssuer: s.X509CertificateIssuer(issuer_distinguished_name=b"i"),
    s.X509CertificateSubject: s.X509CertificateSubject(subject_distinguished_name=b"s"),
    s.CertificateIdentifier: s.CertificateIdentifier(issuer="i", serial_number="1"),
    s.CertificateSubject: s.CertificateSubject(certificate_subject_distinguished_name="s"),
    s.CertificateIssuer: s.CertificateIssuer(certificate_issuer_distinguished_name="i"),
}
PRIMITIVES: dict[Type, Any] = {
    Type.INTEGER: 7,
    Type.BOOLEAN: True,
    Type.TEXT_STRING: "text",
    Type.BYTE_STRING: b"bytes",
    Type.DATE_TIME: 1_700_000_000,
    Type.INTERVAL: 60,
}


def sample(row: Attribute, version: ProtocolVersion) -> Any:
    """A value of the attribute that the version can say, or None if there is none."""
    kind = row.kind
    if isinstance(kind, StructureKind):
        return SAMPLES[kind.structure]
    if isinstance(kind, MaskKind):
        return 1 if next(iter(kind.bits)).known_in(version) else 0
    if isinstance(kind, EnumerationKind):
        if kind.extensible:
            return 0x80000001
        return next((value for value in kind.values if value.known_in(version)), None)
    assert isinstance(kind, Primitive)
    return PRIMITIVES[kind.type]


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS, ids=str)
def test_every_attribute_of_a_version_is_read_as_it_was_written(version: ProtocolVersion) -> None:
    read = read_tagged if version >= V2_0 else read_named
    written = 0
    for row in ATTRIBUTES.values():
        value = sample(row, version)
        if value is None:
            continue
        attribute = AttributeValue(row.tag, value)
        item = said(attribute, version)
        if not row.known_in(version):
            assert item is None, row.name
            continue
        assert item is not None, row.name
        assert read(item, version) == attribute, row.name
        written += 1
    assert written > 30


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS, ids=str)
def test_an_attribute_that_a_version_does_not_have_is_refused(version: ProtocolVersion) -> None:
    for row in ATTRIBUTES.values():
        if row.known_in(version) or row.tag is Tag.ATTRIBUTE:
            continue
        with pytest.raises(KmipError) as refused:
            if version >= V2_0:
                read_tagged(Item(row.tag, Type.TEXT_STRING, "x"), version)
            else:
                read_named(named(row.name), version)
        assert refused.value.reason is ResultReason.INVALID_ATTRIBUTE


def named(name: str, *more: Item, value: Item = VALUE) -> Item:
    """A 1.x Attribute structure."""
    return Item(Tag.ATTRIBUTE, Type.STRUCTURE, (Item(Tag.ATTRIBUTE_NAME, Type.TEXT_STRING, name), *more, value))


def index(value: int) -> Item:
    return Item(Tag.ATTRIBUTE_INDEX, Type.INTEGER, value)


@pytest.mark.parametrize(
    ("name", "vendor", "rest"), [("x-disk", "x", "disk"), ("y-a-b", "y", "a-b"), ("x-é", "x", "é")]
)
def test_a_custom_attribute_of_1_x_is_the_vendor_attribute_of_its_prefix(name: str, vendor: str, rest: str) -> None:
    attribute = read_named(named(name), V1_0)
    assert reference_to(attribute) == AttributeReference(Tag.ATTRIBUTE, vendor, rest)
    assert attribute.value.attribute_value == VALUE
    assert said(attribute, V1_4) == named(name)


@pytest.mark.parametrize("name", ["", "disk", "x-", "x", "X-disk", "z-disk", "-disk", "name", "Name ", "State\0"])
def test_any_other_name_is_no_attribute(name: str) -> None:
    with pytest.raises(KmipError) as refused:
        read_named(named(name), V1_4)
    assert refused.value.reason is ResultReason.INVALID_ATTRIBUTE


def test_a_vendor_s_own_attribute_is_not_said_in_1_x() -> None:
    value = s.VendorAttribute(vendor_identification="acme", attribute_name="a", attribute_value=VALUE)
    assert said(AttributeValue(Tag.ATTRIBUTE, value), V1_4) is None


def test_index_0_is_left_out_and_any_other_is_written() -> None:
    assert said(AttributeValue(Tag.OBJECT_GROUP, "disk", 0), V1_4) == named("Object Group")
    assert said(AttributeValue(Tag.OBJECT_GROUP, "disk", None), V1_4) == named("Object Group")
    assert said(AttributeValue(Tag.OBJECT_GROUP, "disk", 3), V1_4) == named("Object Group", index(3))
    assert read_named(named("Object Group", index(3)), V1_4) == AttributeValue(Tag.OBJECT_GROUP, "disk", 3)


@pytest.mark.parametrize(
    "item",
    [
        Item(Tag.ATTRIBUTE, Type.TEXT_STRING, "x"),
        Item(Tag.ATTRIBUTE, Type.STRUCTURE, ()),
        Item(Tag.ATTRIBUTE, Type.STRUCTURE, (VALUE,)),
        Item(Tag.ATTRIBUTE, Type.STRUCTURE, (Item(Tag.ATTRIBUTE_NAME, Type.INTEGER, 1), VALUE)),
        Item(Tag.ATTRIBUTE, Type.STRUCTURE, (Item(Tag.ATTRIBUTE_NAME, Type.TEXT_STRING, "x-a"),)),
        named("x-a", Item(Tag.ATTRIBUTE_INDEX, Type.TEXT_STRING, "0")),
        named("x-a", index(-1)),
        named("x-a", VALUE),
        named("x-a", index(0), index(0)),
        named("State"),
    ],
)
def test_an_attribute_structure_that_is_not_well_formed_is_refused(item: Item) -> None:
    with pytest.raises(KmipError):
        read_named(item, V1_4)


def test_a_tag_that_is_unknown_or_no_attribute_is_refused() -> None:
    for tag, reason in ((0x42FFFF, ResultReason.UNKNOWN_TAG), (int(Tag.BATCH_COUNT), ResultReason.INVALID_ATTRIBUTE)):
        with pytest.raises(KmipError) as refused:
            read_tagged(Item(tag, Type.INTEGER, 1), V2_1)
        assert refused.value.reason is reason


def test_an_enumeration_value_of_a_later_version_is_not_said() -> None:
    attribute = AttributeValue(Tag.OBJECT_TYPE, ObjectType.PGP_KEY)
    assert said(attribute, V1_0) is None
    assert said(attribute, V1_2) is not None


def test_bits_of_a_later_version_are_not_said() -> None:
    attribute = AttributeValue(Tag.CRYPTOGRAPHIC_USAGE_MASK, 0x20000C)
    in_1_4 = said(attribute, V1_4)
    assert in_1_4 is not None
    assert in_1_4.value[1].value == 0x0C


# Payloads. ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Everything(Payload):
    """A payload with every form of attribute field."""

    wanted: tuple[AttributeValue, ...] = template()
    listed: tuple[AttributeValue, ...] = attribute_list()
    current: AttributeValue | None = one_attribute(Tag.CURRENT_ATTRIBUTE, in_1x=False)
    names: tuple[AttributeReference, ...] = references()


@dataclass(frozen=True, kw_only=True)
class OneReference(Payload):
    """A payload with one reference."""

    name: AttributeReference | None = reference()


@dataclass(frozen=True, kw_only=True)
class Answer(Payload):
    """A payload with an attribute in 1.x alone."""

    attribute: AttributeValue = one_attribute(None, required=True)


GROUP = AttributeValue(Tag.OBJECT_GROUP, "g")
CUSTOM = AttributeValue(
    Tag.ATTRIBUTE, s.VendorAttribute(vendor_identification="x", attribute_name="a", attribute_value=VALUE)
)


def test_a_template_is_a_template_attribute_in_1_x_and_attributes_since_2_0() -> None:
    payload = Everything(wanted=(GROUP, CUSTOM), names=(reference_to(GROUP), reference_to(CUSTOM)))
    in_1_4, in_2_1 = items(payload, V1_4), items(payload, V2_1)
    assert [item.tag for item in in_1_4] == [Tag.TEMPLATE_ATTRIBUTE, Tag.ATTRIBUTE_NAME, Tag.ATTRIBUTE_NAME]
    assert [item.tag for item in in_2_1] == [Tag.ATTRIBUTES, Tag.ATTRIBUTE_REFERENCE, Tag.ATTRIBUTE_REFERENCE]
    assert [item.type for item in in_2_1[1:]] == [Type.ENUMERATION, Type.STRUCTURE]


def test_references_are_read_as_they_were_written() -> None:
    for version in (V1_0, V1_4, V2_0, V2_1):
        for attribute in (GROUP, CUSTOM):
            payload = OneReference(name=reference_to(attribute))
            assert OneReference.decode(items(payload, version), version) == payload
    later = OneReference(name=AttributeReference(Tag.RANDOM_NUMBER_GENERATOR))
    assert items(later, V1_2) == ()
    assert len(items(later, V1_3)) == 1


@pytest.mark.parametrize(
    "item",
    [
        Item(Tag.ATTRIBUTE_REFERENCE, Type.TEXT_STRING, "Object Group"),
        Item(Tag.ATTRIBUTE_REFERENCE, Type.ENUMERATION, int(Tag.BATCH_COUNT)),
        Item(Tag.ATTRIBUTE_REFERENCE, Type.ENUMERATION, int(Tag.OPERATION_POLICY_NAME)),
        Item(Tag.ATTRIBUTE_REFERENCE, Type.STRUCTURE, ()),
        Item(
            Tag.ATTRIBUTE_REFERENCE,
            Type.STRUCTURE,
            (
                Item(Tag.VENDOR_IDENTIFICATION, Type.TEXT_STRING, "x"),
                Item(Tag.ATTRIBUTE_NAME, Type.TEXT_STRING, "a"),
                VALUE,
            ),
        ),
    ],
)
def test_a_reference_that_names_no_attribute_is_refused(item: Item) -> None:
    with pytest.raises(KmipError):
        OneReference.decode((item,), V2_1)


def test_the_form_of_one_generation_is_not_understood_in_the_other() -> None:
    in_1_4, in_2_1 = items(Everything(wanted=(GROUP,)), V1_4), items(Everything(wanted=(GROUP,)), V2_1)
    for form, version in ((in_1_4, V2_1), (in_2_1, V1_4)):
        with pytest.raises(KmipError):
            Everything.decode(form, version)


@pytest.mark.parametrize("count", [0, 2])
def test_a_structure_for_one_attribute_holds_exactly_one(count: int) -> None:
    group = Item(Tag.OBJECT_GROUP, Type.TEXT_STRING, "g")
    with pytest.raises(KmipError):
        Everything.decode((Item(Tag.CURRENT_ATTRIBUTE, Type.STRUCTURE, (group,) * count),), V2_1)


def test_an_attribute_of_1_x_alone_is_not_said_since_2_0() -> None:
    answer = Answer(attribute=GROUP)
    assert [item.tag for item in items(answer, V1_4)] == [Tag.ATTRIBUTE]
    assert items(answer, V2_1) == ()


def test_a_template_that_does_not_exist_is_not_found() -> None:
    name = items(SAMPLES[s.Name], V1_0)
    item = Item(Tag.TEMPLATE_ATTRIBUTE, Type.STRUCTURE, (Item(Tag.NAME, Type.STRUCTURE, name),))
    with pytest.raises(KmipError) as refused:
        Everything.decode((item,), V1_0)
    assert refused.value.reason is ResultReason.ITEM_NOT_FOUND


def test_values_to_compare_with_may_lack_required_fields_and_nothing_else_may() -> None:
    name = Item(Tag.NAME, Type.STRUCTURE, (Item(Tag.NAME_VALUE, Type.TEXT_STRING, "a"),))
    assert read_tagged(name, V2_1, True).value == s.Name(name_value="a", name_type=None)  # type: ignore[arg-type]
    with pytest.raises(KmipError):
        read_tagged(name, V2_1)
    empty = Item(Tag.ATTRIBUTE_VALUE, Type.STRUCTURE, ())
    assert read_named(named("Usage Limits", value=empty), V1_4, True).value.usage_limits_total is None
    strange = Item(Tag.NAME, Type.STRUCTURE, (Item(Tag.BATCH_COUNT, Type.INTEGER, 1),))
    with pytest.raises(KmipError):
        read_tagged(strange, V2_1, True)
