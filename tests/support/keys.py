"""Requests about keys and their material, as bytes, and what the answers say; on top of support.requests."""

from __future__ import annotations

from typing import Any

from support.engine import EngineClient
from support.numbers import Operation, Tag
from support.requests import AES, RAW, Attribute, Request, attributes, identifier
from support.wire import Node, Result, Version, date_time, enumeration, integer, interval, octets, structure, text

NIST_KEY_WRAP, AES_KEY_WRAP_PADDING, GCM, CBC = 0x0D, 0x0C, 0x09, 0x01
NO_ENCODING, TTLV_ENCODING = 1, 2
NOT_WRAPPED, AS_REGISTERED = 1, 2
SIGN, VERIFY, WRAP, UNWRAP, DERIVE = 0x01, 0x02, 0x10, 0x20, 0x200
SHA_256 = 6
OPAQUE, PKCS_1, PKCS_8, X_509, EC_PRIVATE_KEY, TRANSPARENT_SYMMETRIC = 2, 3, 4, 5, 6, 7
TRANSPARENT_EC_PRIVATE, TRANSPARENT_EC_PUBLIC = 0x14, 0x15


def sensitive(value: bool) -> Attribute:
    return Attribute("Sensitive", _boolean(Tag.SENSITIVE, value))


def extractable(value: bool) -> Attribute:
    return Attribute("Extractable", _boolean(Tag.EXTRACTABLE, value))


def _boolean(tag: int, value: bool) -> bytes:
    return tag.to_bytes(3, "big") + b"\x06\x00\x00\x00\x08" + int(value).to_bytes(8, "big")


def deactivation_date(at: int) -> Attribute:
    return Attribute("Deactivation Date", date_time(Tag.DEACTIVATION_DATE, at))


def process_start_date(at: int) -> Attribute:
    return Attribute("Process Start Date", date_time(Tag.PROCESS_START_DATE, at))


def cryptographic_parameters(mode: int | None = None, hashing: int | None = None, padding: int | None = None) -> bytes:
    return structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        b"" if mode is None else enumeration(Tag.BLOCK_CIPHER_MODE, mode),
        b"" if padding is None else enumeration(Tag.PADDING_METHOD, padding),
        b"" if hashing is None else enumeration(Tag.HASHING_ALGORITHM, hashing),
    )


def block(
    material: bytes | None,
    *,
    key_format: int = RAW,
    algorithm: int | None = AES,
    bits: int | None = None,
    after: bytes = b"",
) -> bytes:
    """A Key Block. `material` is a Key Material item, or None for no Key Value; `after` is Key Wrapping Data."""
    return structure(
        Tag.KEY_BLOCK,
        enumeration(Tag.KEY_FORMAT_TYPE, key_format),
        b"" if material is None else structure(Tag.KEY_VALUE, material),
        b"" if algorithm is None else enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, algorithm),
        b"" if bits is None else integer(Tag.CRYPTOGRAPHIC_LENGTH, bits),
        after,
    )


def material(key: bytes) -> bytes:
    return octets(Tag.KEY_MATERIAL, key)


def wrapped_block(wrapped: bytes, data: bytes, *, algorithm: int | None = AES, bits: int | None = 256) -> bytes:
    """A Key Block whose Key Value is wrapped."""
    return structure(
        Tag.KEY_BLOCK,
        enumeration(Tag.KEY_FORMAT_TYPE, RAW),
        octets(Tag.KEY_VALUE, wrapped),
        b"" if algorithm is None else enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, algorithm),
        b"" if bits is None else integer(Tag.CRYPTOGRAPHIC_LENGTH, bits),
        data,
    )


def _wrapping(tag: int, by: str, how: bytes, encoding: int | None, names: tuple[str, ...], method: int) -> bytes:
    return structure(
        tag,
        enumeration(Tag.WRAPPING_METHOD, method),
        structure(Tag.ENCRYPTION_KEY_INFORMATION, identifier(by), how),
        b"".join(text(Tag.ATTRIBUTE_NAME, name) for name in names),
        b"" if encoding is None else enumeration(Tag.ENCODING_OPTION, encoding),
    )


NIST = cryptographic_parameters(NIST_KEY_WRAP)


def wrapping_specification(
    by: str, how: bytes = NIST, *, encoding: int | None = None, names: tuple[str, ...] = (), method: int = 1
) -> bytes:
    return _wrapping(Tag.KEY_WRAPPING_SPECIFICATION, by, how, encoding, names, method)


def wrapping_data(by: str, how: bytes = NIST, *, encoding: int | None = None) -> bytes:
    return _wrapping(Tag.KEY_WRAPPING_DATA, by, how, encoding, (), 1)


def get_as(
    target: str | None,
    key_format: int | None = None,
    *,
    wrap_type: int | None = None,
    compression: int | None = None,
    specification: bytes = b"",
    operation: int = Operation.GET,
) -> Request:
    """Get, or Export, in some form."""
    return Request(
        operation,
        identifier(target)
        + (b"" if key_format is None else enumeration(Tag.KEY_FORMAT_TYPE, key_format))
        + (b"" if wrap_type is None else enumeration(Tag.KEY_WRAP_TYPE, wrap_type))
        + (b"" if compression is None else enumeration(Tag.KEY_COMPRESSION_TYPE, compression))
        + specification,
    )


def re_key(version: Version, target: str | None, *given: Attribute, offset: int | None = None) -> Request:
    return Request(
        Operation.RE_KEY,
        identifier(target)
        + (b"" if offset is None else interval(Tag.OFFSET, offset))
        + (attributes(version, *given) if given else b""),
    )


def block_of(result: Result) -> Node:
    """The Key Block in an answer to Get or Export."""
    payload = result.expect_success().payload
    assert payload is not None
    found = [node for node in payload.walk() if node.tag == Tag.KEY_BLOCK]
    assert len(found) == 1
    return found[0]


def key_bytes(result: Result) -> bytes:
    """The Key Material in an answer to Get or Export, which is a Byte String in the clear."""
    return bytes(block_of(result).get(Tag.KEY_VALUE, Tag.KEY_MATERIAL))


def attributes_of(client: EngineClient, target: str) -> dict[int, list[Any]]:
    """Every attribute that the owner's newest client sees: values by tag."""
    newest = client.harness.client((2, 1), client.caller.name)
    payload = newest.do(Request(Operation.GET_ATTRIBUTES, identifier(target))).expect_success().payload
    assert payload is not None
    found: dict[int, list[Any]] = {}
    listed = payload.find(Tag.ATTRIBUTES)
    assert listed is not None
    for node in listed.value:
        found.setdefault(node.tag, []).append(node.value)
    return found


def links_of(client: EngineClient, target: str) -> list[tuple[int, str]]:
    """The Links of an object: type and Unique Identifier."""
    return [(parts[0].value, parts[1].value) for parts in attributes_of(client, target).get(Tag.LINK, [])]
