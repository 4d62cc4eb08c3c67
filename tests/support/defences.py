"""What the tests of the numbered defences share: requests of every operation about an object, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from support import keys
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.wire import OPERATION_FAILED, Node, Result, Version, boolean, enumeration, long_integer, octets, structure

VERSION: Final[Version] = (2, 1)
IV: Final = bytes(range(16))
IN_CBC: Final = ask.parameters(ask.CBC, padding=3)
IN_GCM: Final = ask.parameters(ask.GCM, tag_length=16)
HMAC: Final = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, ask.HMAC_SHA256))
BY_RSA: Final = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.DIGITAL_SIGNATURE_ALGORITHM, 5))
SHA: Final = keys.cryptographic_parameters(hashing=keys.SHA_256)
MAC_GENERATE, MAC_VERIFY = 0x80, 0x100
DATA: Final = octets(Tag.DATA, bytes(16))
NOBODYS: Final = "01234567-89ab-7def-8123-456789abcdef"
"""An identifier in the form of ours that was never given."""


def derived(*bases: str, bits: int = 256, kind: int = ask.SYMMETRIC_KEY, data: bytes | None = b"label") -> Request:
    """Derive Key by HMAC with SHA-256."""
    how = SHA + (b"" if data is None else octets(Tag.DERIVATION_DATA, data))
    of_key = (ask.algorithm(ask.AES), ask.length(bits), ask.usage_mask(ask.ENCRYPT | ask.DECRYPT))
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, kind)
        + b"".join(ask.identifier(base) for base in bases)
        + enumeration(Tag.DERIVATION_METHOD, 3)
        + structure(Tag.DERIVATION_PARAMETERS, how)
        + ask.attributes(VERSION, *(of_key if kind == ask.SYMMETRIC_KEY else of_key[1:2])),
    )


def imported(key: str, *given: ask.Attribute, replace: bool | None = None, content: bytes = bytes(32)) -> Request:
    """Import of an AES key."""
    return Request(
        Operation.IMPORT,
        ask.identifier(key)
        + enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + (b"" if replace is None else boolean(Tag.REPLACE_EXISTING, replace))
        + ask.attributes(VERSION, ask.usage_mask(ask.ENCRYPT | ask.DECRYPT), *given)
        + structure(Tag.SYMMETRIC_KEY, ask.key_block(content)),
    )


def set_attribute(key: str, attribute: ask.Attribute) -> Request:
    return Request(Operation.SET_ATTRIBUTE, ask.identifier(key) + structure(Tag.NEW_ATTRIBUTE, attribute.item))


def delete_attribute(key: str, tag: int) -> Request:
    return Request(Operation.DELETE_ATTRIBUTE, ask.identifier(key) + enumeration(Tag.ATTRIBUTE_REFERENCE, tag))


def adjust_attribute(key: str, tag: int) -> Request:
    """Adjust Attribute: increment it by one."""
    fields = enumeration(Tag.ATTRIBUTE_REFERENCE, tag) + enumeration(Tag.ADJUSTMENT_TYPE, 1)
    return Request(Operation.ADJUST_ATTRIBUTE, ask.identifier(key) + fields)


def with_data(operation: int, how: bytes, *more: bytes) -> Callable[[str], Request]:
    """An operation with a key on some data."""
    return lambda key: Request(operation, ask.identifier(key) + how + DATA + b"".join(more))


def naming(operation: int, *more: bytes) -> Callable[[str], Request]:
    """An operation that says little more than which object is meant."""
    return lambda key: Request(operation, ask.identifier(key) + b"".join(more))


ABOUT_AN_OBJECT: Final[Mapping[Operation, Callable[[str], Request]]] = {
    Operation.ACTIVATE: ask.activate,
    Operation.ADD_ATTRIBUTE: lambda key: ask.add_attribute(VERSION, key, ask.contact_information("me")),
    Operation.SET_ATTRIBUTE: lambda key: set_attribute(key, ask.contact_information("me")),
    Operation.ADJUST_ATTRIBUTE: lambda key: adjust_attribute(key, Tag.ACTIVATION_DATE),
    Operation.MODIFY_ATTRIBUTE: lambda key: ask.modify_attribute(VERSION, key, ask.contact_information("me")),
    Operation.DELETE_ATTRIBUTE: lambda key: delete_attribute(key, Tag.CONTACT_INFORMATION),
    Operation.ARCHIVE: naming(Operation.ARCHIVE),
    Operation.CHECK: naming(Operation.CHECK),
    Operation.DECRYPT: with_data(Operation.DECRYPT, IN_CBC, octets(Tag.IV_COUNTER_NONCE, IV)),
    Operation.DERIVE_KEY: derived,
    Operation.DESTROY: ask.destroy,
    Operation.ENCRYPT: with_data(Operation.ENCRYPT, IN_CBC),
    Operation.EXPORT: naming(Operation.EXPORT),
    Operation.GET: ask.get,
    Operation.GET_ATTRIBUTE_LIST: naming(Operation.GET_ATTRIBUTE_LIST),
    Operation.GET_ATTRIBUTES: naming(Operation.GET_ATTRIBUTES),
    Operation.GET_USAGE_ALLOCATION: naming(Operation.GET_USAGE_ALLOCATION, long_integer(Tag.USAGE_LIMITS_COUNT, 1)),
    Operation.MAC: with_data(Operation.MAC, HMAC),
    Operation.MAC_VERIFY: with_data(Operation.MAC_VERIFY, HMAC, octets(Tag.MAC_DATA, bytes(32))),
    Operation.OBTAIN_LEASE: naming(Operation.OBTAIN_LEASE),
    Operation.RE_KEY: ask.rekey,
    Operation.RE_KEY_KEY_PAIR: lambda key: Request(
        Operation.RE_KEY_KEY_PAIR,
        Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER.to_bytes(3, "big") + ask.identifier(key)[3:],
    ),
    Operation.RECOVER: naming(Operation.RECOVER),
    Operation.REVOKE: ask.revoke,
    Operation.SIGN: with_data(Operation.SIGN, BY_RSA),
    Operation.SIGNATURE_VERIFY: with_data(Operation.SIGNATURE_VERIFY, BY_RSA, octets(Tag.SIGNATURE_DATA, bytes(256))),
}
"""A request of each operation that names an object, about one of them."""

OBJECT_NOT_FOUND: Final = {
    operation: Reason.ITEM_NOT_FOUND if operation is Operation.ADJUST_ATTRIBUTE else Reason.OBJECT_NOT_FOUND
    for operation in ABOUT_AN_OBJECT
}
"""How each says that there is no such object (docs/decisions/result-reasons.md, 1)."""


def refused(session: Session, asked: Request, reason: Reason) -> Result:
    """Ask, and be refused for this reason."""
    result = session.do(asked)
    assert (result.status, result.reason) == (OPERATION_FAILED, reason), f"{result}; expected {reason.name}"
    assert result.payload is None or result.operation == Operation.CHECK, result
    return result


def attributes_of(session: Session, key: str) -> Node:
    """All attributes of an object."""
    found = session.do(ask.get_attributes(VERSION, key)).expect_success().payload
    assert found is not None
    return found


def attribute(session: Session, key: str, tag: int) -> object:
    """The value of an attribute that has one, or None."""
    return attributes_of(session, key).get(Tag.ATTRIBUTES, tag)


def made(session: Session, asked: Request, *, active: bool = True) -> str:
    """The Unique Identifier of an object that is made now, and Active."""
    key = session.do(asked).unique_identifier
    if active:
        session.do(ask.activate(key)).expect_success()
    return key


def aes(session: Session, *given: ask.Attribute, mask: int = ask.ENCRYPT | ask.DECRYPT, active: bool = True) -> str:
    return made(session, ask.create_aes(VERSION, *given, mask=mask), active=active)


def key_pair(session: Session, bits: int = 2048, private: int = 1, public: int = 2) -> tuple[str, str]:
    """The private and the public key of an RSA key pair, both Active."""
    common = [ask.algorithm(ask.RSA), ask.length(bits), ask.activation_date(1)]
    pair = session.do(ask.create_key_pair(VERSION, common, private, public)).expect_success()
    return pair.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), pair.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)
