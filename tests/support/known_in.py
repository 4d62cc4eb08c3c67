"""What each version of KMIP has: tags, enumeration values, bits of masks, attributes; whether a message keeps to it.

Read off the tables of the specifications (KMIP 1.0 to 1.4 s9.1.3 and s3, KMIP 2.0 and 2.1 s4, s11 and s12), so that no
test depends on the tables of the server it tests. A row says what holds from a version on, until the next row.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from support.numbers import Tag
from support.wire import ENUMERATION, INTEGER, STRUCTURE, Node, Response, Version

Rows = Mapping[Version, str]

TAGS: Rows = {
    (1, 0): "1-A1",
    (1, 1): "1-B7",
    (1, 2): "1-D3",
    (1, 3): "1-F7",
    (1, 4): "1-124",
    (2, 0): "1-8 A-13 18-19 1D-1E 20-2C 2E-3A 3C-5C 5E-64 66-6D 6F-86 88-8F 92-136 138-13D 140-165",
    (2, 1): "1-8 A-13 18-19 1D-1E 20-2C 2E-3A 3C-5C 5E-64 66-6D 6F-86 88-8F 92-136 138-13D 140-176",
}
"""The last two bytes of the tags, in hexadecimal; the first is always 42. Reserved ones are left out."""

ENUMERATIONS: Mapping[str, Rows] = {
    "Adjustment Type": {(2, 0): "1-3"},
    "Alternative Name Type": {(1, 2): "1-7"},
    "Asynchronous Indicator": {(2, 0): "1-3"},
    "Attestation Type": {(1, 2): "1-3"},
    "Batch Error Continuation Option": {(1, 0): "1-3"},
    "Block Cipher Mode": {(1, 0): "1-11", (1, 4): "1-12"},
    "Cancellation Result": {(1, 0): "1-5"},
    "Certificate Request Type": {(1, 0): "1-4", (2, 0): "1-3"},
    "Certificate Type": {(1, 0): "1-2"},
    "Client Registration Method": {(1, 3): "1-5"},
    "Credential Type": {(1, 0): "1", (1, 1): "1-2", (1, 2): "1-3", (2, 0): "1-6"},
    "Cryptographic Algorithm": {(1, 0): "1-19", (1, 2): "1-1A", (1, 3): "1-1B", (1, 4): "1-28", (2, 0): "1-38"},
    "DRBG Algorithm": {(1, 3): "1-5"},
    "Derivation Method": {(1, 0): "1-7", (1, 4): "1-8", (2, 0): "1-A"},
    "Destroy Action": {(1, 3): "1-7"},
    "Digital Signature Algorithm": {(1, 1): "1-10", (1, 4): "1-13"},
    "Encoding Option": {(1, 1): "1-2"},
    "Endpoint Role": {(2, 0): "1-2"},
    "FIPS186 Variation": {(1, 3): "1-7"},
    "Hashing Algorithm": {(1, 0): "1-B", (1, 2): "1-D", (1, 4): "1-11"},
    "Interop Function": {(2, 0): "1-3"},
    "Key Compression Type": {(1, 0): "1-4"},
    "Key Format Type": {(1, 0): "1-13", (1, 3): "1-15", (1, 4): "1-16", (2, 0): "1-D 14-17"},
    "Key Role Type": {(1, 0): "1-15", (1, 4): "1-18"},
    "Key Value Location Type": {(1, 2): "1-2"},
    "Key Wrap Type": {(1, 4): "1-2"},
    "Link Type": {(1, 0): "101-107", (1, 2): "101-10B", (1, 4): "101-10D", (2, 0): "101-10E"},
    "Mask Generator": {(1, 4): "1"},
    "NIST Key Type": {(2, 0): "1-13"},
    "Name Type": {(1, 0): "1-2"},
    "Object Group Member": {(1, 1): "1-2"},
    "Object Type": {(1, 0): "1-8", (1, 2): "1-9", (2, 0): "1-5 7-A"},
    "Operation": {(1, 0): "1-1C", (1, 1): "1-1E", (1, 2): "1-29", (1, 4): "1-2B", (2, 0): "1-35", (2, 1): "1-3B"},
    "Padding Method": {(1, 0): "1-A"},
    "Profile Name": {(1, 3): "1-78", (1, 4): "1-9C", (2, 0): "104-117 11C-12C"},
    "Protection Level": {(2, 0): "1-2"},
    "Put Function": {(1, 0): "1-2"},
    "Query Function": {(1, 0): "1-4", (1, 1): "1-6", (1, 2): "1-7", (1, 3): "1-C", (2, 0): "1-E"},
    "RNG Algorithm": {(1, 3): "1-6"},
    "RNG Mode": {(1, 3): "1-3"},
    "Recommended Curve": {(1, 0): "1-F", (1, 2): "1-44", (2, 0): "1-46"},
    "Result Reason": {
        (1, 0): "1-11 100",
        (1, 1): "1-12 100",
        (1, 2): "1-15 100",
        (1, 4): "1-18 100",
        (2, 0): "1-A C-D F-26 28-30 32 34-37 39-49 100",
        (2, 1): "1-A C-D F-26 28-30 32 34-37 39-4C 100",
    },
    "Result Status": {(1, 0): "0-3"},
    "Revocation Reason Code": {(1, 0): "1-7"},
    "Secret Data Type": {(1, 0): "1-2"},
    "Shredding Algorithm": {(1, 3): "1-3"},
    "Split Key Method": {(1, 0): "1-3", (1, 2): "1-4"},
    "State": {(1, 0): "1-6"},
    "Ticket Type": {(2, 0): "1"},
    "Unique Identifier": {(2, 0): "1-11"},
    "Unwrap Mode": {(1, 3): "1-3"},
    "Usage Limits Unit": {(1, 0): "1-2"},
    "Validation Authority Type": {(1, 3): "1-3"},
    "Validation Type": {(1, 3): "1-5"},
    "Validity Indicator": {(1, 0): "1-3"},
    "Wrapping Method": {(1, 0): "1-5"},
}
"""The values in hexadecimal. Those with the highest bit set are vendors' own."""

MASKS: Mapping[str, Rows] = {
    "Cryptographic Usage Mask": {(1, 0): "FFFFF", (2, 0): "F03BBF"},
    "Protection Storage Mask": {(2, 0): "3FFF"},
    "Storage Status Mask": {(1, 0): "3", (2, 0): "7"},
}
"""All defined bits, in hexadecimal."""

NAMES: Mapping[Version, str] = {
    (1, 0): "Unique Identifier, Name, Object Type, Cryptographic Algorithm, Cryptographic Length,"
    " Cryptographic Parameters, Cryptographic Domain Parameters, Certificate Type, Certificate Identifier,"
    " Certificate Subject, Certificate Issuer, Digest, Operation Policy Name, Cryptographic Usage Mask, Lease Time,"
    " Usage Limits, State, Initial Date, Activation Date, Process Start Date, Protect Stop Date, Deactivation Date,"
    " Destroy Date, Compromise Occurrence Date, Compromise Date, Revocation Reason, Archive Date, Object Group, Link,"
    " Application Specific Information, Contact Information, Last Change Date",
    (1, 1): "Certificate Length, X.509 Certificate Identifier, X.509 Certificate Subject, X.509 Certificate Issuer,"
    " Digital Signature Algorithm, Fresh",
    (1, 2): "Alternative Name, Key Value Present, Key Value Location, Original Creation Date",
    (1, 3): "Random Number Generator",
    (1, 4): "PKCS#12 Friendly Name, Description, Comment, Sensitive, Always Sensitive, Extractable, Never Extractable",
}
"""The attributes that each version of 1.x adds, by their names."""

ATTRIBUTE_TAGS: Rows = {
    (2, 0): "1 4-5 8 1D 20-22 28-2C 2F 33-34 39 42 48-4A 53 56-57 59 67-68 81 8D 94-95 A8 AD-AE B5-B8 BB-BC BF DE"
    " FB-FD 108-123 136 13A 145-147 15E",
    (2, 1): "1 4-5 8 1D 20-22 28-2C 2F 33-34 39 42 48-4A 53 56-57 59 67-68 81 8D 94-95 A8 AD-AE B5-B8 BB-BC BF DE"
    " FB-FD 108-123 136 13A 145-147 15E 16A-16F 172",
}
"""The tags that are attributes since 2.0, as in TAGS."""

LATER_THAN_THEIR_TAGS: Mapping[tuple[int, int], Version] = {
    (Tag.DIGEST, Tag.KEY_FORMAT_TYPE): (1, 1),
    (Tag.CRYPTOGRAPHIC_PARAMETERS, Tag.CRYPTOGRAPHIC_ALGORITHM): (1, 2),
    (Tag.CRYPTOGRAPHIC_PARAMETERS, Tag.DIGITAL_SIGNATURE_ALGORITHM): (1, 2),
}
"""Fields, (structure, field), that came to their structures after the field's tag existed."""


def assert_known(response: Response, version: Version) -> None:
    """The response is of this version, and so is everything in it."""
    assert response.version == version
    found = unknown(response.node, version)
    assert not found, f"KMIP {version[0]}.{version[1]} does not have: {', '.join(found)}"


def attribute_is_known(name: str, version: Version) -> bool:
    """Whether a version of 1.x has this attribute; custom attributes are known to all of them."""
    return name.startswith(("x-", "y-")) or any(
        since <= version and name in names.split(", ") for since, names in NAMES.items()
    )


def unknown(node: Node, version: Version, meaning: int | None = None) -> list[str]:
    """What a message holds that a version does not have, in words. `meaning`: what an Attribute Value stands for."""
    means = node.tag if meaning is None else meaning
    found = [] if node.tag - 0x420000 in values_of(TAGS, version) else [f"tag {node.tag:06X}"]
    if node.type != STRUCTURE:
        return found + _unknown_value(node, means, version)
    name = node.get(Tag.ATTRIBUTE_NAME) if node.tag == Tag.ATTRIBUTE and version < (2, 0) else None
    if name is not None and not attribute_is_known(name, version):
        found.append(f"attribute {name!r}")
    for child in node.value:
        if version < LATER_THAN_THEIR_TAGS.get((means, child.tag), version):
            found.append(f"{Tag(child.tag).name} in {Tag(means).name}")
        if node.tag == Tag.ATTRIBUTES and child.tag - 0x420000 not in values_of(ATTRIBUTE_TAGS, version):
            found.append(f"attribute {child.tag:06X}")
        is_value = name is not None and child.tag == Tag.ATTRIBUTE_VALUE
        found += unknown(child, version, _tag_named(name) if is_value and name is not None else None)
    return found


def _unknown_value(node: Node, means: int, version: Version) -> list[str]:
    """What is wrong with a value that is no structure."""
    if node.tag == Tag.ATTRIBUTE_NAME and version < (2, 0) and not attribute_is_known(node.value, version):
        return [f"attribute {node.value!r}"]
    if node.type == ENUMERATION and node.tag == Tag.ATTRIBUTE_REFERENCE:
        known = node.value - 0x420000 in values_of(ATTRIBUTE_TAGS, version)
    elif node.type == ENUMERATION and node.value < 0x80000000 and means != Tag.ATTRIBUTE_VALUE:
        known = node.value in values_of(_OF_TAG.get(means, {}), version)
    elif node.type == INTEGER and means in _OF_MASK:
        known = node.value & ~bits_of(_OF_MASK[means], version) == 0
    else:
        known = True
    return [] if known else [f"{node.value:X} of {means:06X}"]


def _constant(title: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in title.upper())


def _tag_named(attribute: str) -> int:
    """The tag that an attribute of 1.x has elsewhere; Attribute Value itself for custom ones, of any meaning."""
    return Tag.__members__.get(_constant(attribute), Tag.ATTRIBUTE_VALUE)


_OF_TAG = {Tag[_constant(title)]: rows for title, rows in ENUMERATIONS.items()}
_OF_MASK = {Tag[_constant(title)]: title for title in MASKS}


def values_of(rows: Rows, version: Version) -> frozenset[int]:
    """The values that the rows give a version."""
    return _values(_row(rows, version))


def bits_of(title: str, version: Version) -> int:
    """The bits of a mask that a version defines."""
    return int(_row(MASKS[title], version) or "0", 16)


def _row(rows: Rows, version: Version) -> str:
    """What holds in a version: the last row that does not begin after it."""
    return next((row for since, row in reversed(rows.items()) if since <= version), "")


@cache
def _values(row: str) -> frozenset[int]:
    found: set[int] = set()
    for part in row.split():
        first, _, last = part.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(found)
