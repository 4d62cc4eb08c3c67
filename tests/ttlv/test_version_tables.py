"""The tables of the wire and of the attributes say what the specifications say, for every version."""

from __future__ import annotations

import pytest
from support import known_in
from support.wire import VERSIONS, Version

from kmip_server.objects.attributes import ATTRIBUTES
from kmip_server.ttlv import enumerations
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import ProtocolVersion

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))


@EVERY_VERSION
def test_a_version_has_the_tags_of_its_specification(version: Version) -> None:
    known = {tag - 0x420000 for tag in Tag if tag.known_in(ProtocolVersion(*version))}
    assert known == known_in.values_of(known_in.TAGS, version)


@EVERY_VERSION
@pytest.mark.parametrize("title", known_in.ENUMERATIONS)
def test_a_version_has_the_values_of_its_specification(title: str, version: Version) -> None:
    values = getattr(enumerations, title.replace(" ", ""))
    known = {int(value) for value in values if value.known_in(ProtocolVersion(*version)) and value < 0x80000000}
    assert known == known_in.values_of(known_in.ENUMERATIONS[title], version)


@EVERY_VERSION
@pytest.mark.parametrize("title", known_in.MASKS)
def test_a_version_has_the_bits_of_its_specification(title: str, version: Version) -> None:
    bits = getattr(enumerations, title.replace(" ", ""))
    assert sum(bit for bit in bits if bit.known_in(ProtocolVersion(*version))) == known_in.bits_of(title, version)


@EVERY_VERSION
def test_a_version_has_the_attributes_of_its_specification(version: Version) -> None:
    rows = [row for row in ATTRIBUTES.values() if row.known_in(ProtocolVersion(*version))]
    if version < (2, 0):
        names = {name for since, added in known_in.NAMES.items() if since <= version for name in added.split(", ")}
        assert {row.name for row in rows if row.tag is not Tag.ATTRIBUTE} == names
    else:
        assert {row.tag - 0x420000 for row in rows} == known_in.values_of(known_in.ATTRIBUTE_TAGS, version)
