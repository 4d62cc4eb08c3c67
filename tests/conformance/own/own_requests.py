"""Requests of the operations that only these cases send, and the objects they work on.

Fields are in the order of the tables of KMIP 1.4 s4 and KMIP 2.1 s6.1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from support.numbers import Operation, Reason, Tag
from support.requests import (
    AES,
    RSA,
    Attribute,
    Request,
    Session,
    activate,
    activation_date,
    algorithm,
    attributes,
    create_key_pair,
    destroy,
    identifier,
    key_block,
    length,
    register_key,
    register_opaque,
    usage_mask,
)
from support.wire import (
    boolean,
    enumeration,
    integer,
    interval,
    long_integer,
    octets,
    structure,
    text,
)

SIGN, VERIFY, WRAP, MAC_GENERATE, MAC_VERIFY, DERIVE = 0x01, 0x02, 0x10, 0x80, 0x100, 0x200
NIST_KEY_WRAP, SHA_256, PSS, HMAC_SHA256 = 0x0D, 0x06, 0x0A, 0x09
ABSENT = "00000000-0000-4000-8000-000000000000"


class Refusal(NamedTuple):
    """A request that the standard refuses: how to make it, the reason in 2.1 and, if it is another, in 1.4."""

    request: Callable[[Session], Request]
    reason: Reason
    reason_1x: Reason | None = None

    def expected(self, session: Session) -> Reason:
        return self.reason_1x if self.reason_1x is not None and session.version < (2, 0) else self.reason


def refused(session: Session, refusal: Refusal) -> None:
    """The request fails with the standard's reason, and the connection goes on."""
    result = session.do(refusal.request(session))
    assert (result.status, result.reason) == (1, refusal.expected(session)), result
    assert session.do(Request(Operation.QUERY, enumeration(Tag.QUERY_FUNCTION, 1))).ok


# --- objects --------------------------------------------------------------------------------------------------------


def destroyed(session: Session) -> str:
    key = session.create_aes()
    session.do(destroy(key)).expect_success()
    return key


def archived(session: Session) -> str:
    key = session.create_aes()
    session.do(Request(Operation.ARCHIVE, identifier(key))).expect_success()
    return key


def opaque(session: Session, *, active: bool = True) -> str:
    """An Opaque Object with every use in its mask; Active by its Activation Date, unless told otherwise."""
    given = [usage_mask(0x3BF), *([activation_date(1)] if active else [])]
    return session.do(register_opaque(session.version, b"opaque", *given)).unique_identifier


def registered(session: Session, key: bytes, *more: Attribute, mask: int, active: bool = True) -> str:
    """A registered AES key, Active unless told otherwise."""
    made = session.do(register_key(session.version, key, *more, mask=mask)).unique_identifier
    if active:
        session.do(activate(made)).expect_success()
    return made


def key_pair(session: Session, *, active: bool = True) -> tuple[str, str]:
    """An RSA pair: the identifiers of the private key, which signs, and of the public key, which verifies."""
    made = session.do(create_key_pair(session.version, [algorithm(RSA), length(2048)], SIGN, VERIFY)).expect_success()
    pair = made.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), made.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)
    for half in pair if active else ():
        session.do(activate(half)).expect_success()
    return pair


def unique(prefix: str) -> str:
    """A name that no other test has."""
    return f"{prefix}-{time.time_ns()}"


# --- operations -----------------------------------------------------------------------------------------------------


def on(operation: int, unique_identifier: str | None, *fields: bytes) -> Request:
    """An operation on an object, with further fields."""
    return Request(operation, identifier(unique_identifier) + b"".join(fields))


def check(target: str, *, mask: int | None = None, count: int | None = None) -> Request:
    return on(
        Operation.CHECK,
        target,
        b"" if count is None else long_integer(Tag.USAGE_LIMITS_COUNT, count),
        b"" if mask is None else integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, mask),
    )


def get_usage_allocation(target: str, count: int) -> Request:
    return on(Operation.GET_USAGE_ALLOCATION, target, long_integer(Tag.USAGE_LIMITS_COUNT, count))


def usage_limits(total: int, unit: int = 1) -> Attribute:
    return Attribute(
        "Usage Limits",
        structure(
            Tag.USAGE_LIMITS,
            long_integer(Tag.USAGE_LIMITS_TOTAL, total),
            enumeration(Tag.USAGE_LIMITS_UNIT, unit),
        ),
    )


def sensitive() -> Attribute:
    return Attribute("Sensitive", boolean(Tag.SENSITIVE, True))


def not_extractable() -> Attribute:
    return Attribute("Extractable", boolean(Tag.EXTRACTABLE, False))


def delete_attribute(session: Session, target: str, name: str, tag: int) -> Request:
    if session.version < (2, 0):
        return on(Operation.DELETE_ATTRIBUTE, target, text(Tag.ATTRIBUTE_NAME, name))
    return on(Operation.DELETE_ATTRIBUTE, target, enumeration(Tag.ATTRIBUTE_REFERENCE, tag))


def set_attribute(target: str, attribute: Attribute) -> Request:
    return on(Operation.SET_ATTRIBUTE, target, structure(Tag.NEW_ATTRIBUTE, attribute.item))


def adjust_attribute(target: str, tag: int, kind: int, value: bytes = b"") -> Request:
    reference = enumeration(Tag.ATTRIBUTE_REFERENCE, tag)
    return on(Operation.ADJUST_ATTRIBUTE, target, reference, enumeration(Tag.ADJUSTMENT_TYPE, kind), value)


def get_formatted(target: str, *, key_format: int | None = None, compression: int | None = None) -> Request:
    return on(
        Operation.GET,
        target,
        b"" if key_format is None else enumeration(Tag.KEY_FORMAT_TYPE, key_format),
        b"" if compression is None else enumeration(Tag.KEY_COMPRESSION_TYPE, compression),
    )


def get_wrapped(target: str, wrapper: str, *names: str, encoding_option: int | None = None) -> Request:
    information = structure(
        Tag.ENCRYPTION_KEY_INFORMATION,
        text(Tag.UNIQUE_IDENTIFIER, wrapper),
        structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.BLOCK_CIPHER_MODE, NIST_KEY_WRAP)),
    )
    specification = structure(
        Tag.KEY_WRAPPING_SPECIFICATION,
        enumeration(Tag.WRAPPING_METHOD, 1),
        information,
        *(text(Tag.ATTRIBUTE_NAME, name) for name in names),
        b"" if encoding_option is None else enumeration(Tag.ENCODING_OPTION, encoding_option),
    )
    return on(Operation.GET, target, specification)


def derive_key(session: Session, base: str, bits: int = 256, method: int = 2) -> Request:
    """Derive an AES key, by a hash of the base unless told otherwise (KMIP 2.1 s6.1.12)."""
    parameters = structure(
        Tag.DERIVATION_PARAMETERS,
        structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, SHA_256)),
    )
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, 2)
        + identifier(base)
        + enumeration(Tag.DERIVATION_METHOD, method)
        + parameters
        + attributes(session.version, algorithm(AES), length(bits), usage_mask(0x0C)),
    )


def rekey(target: str, offset: int | None = None, more: bytes = b"") -> Request:
    return on(Operation.RE_KEY, target, b"" if offset is None else interval(Tag.OFFSET, offset), more)


def rekey_key_pair(private_key: str) -> Request:
    return Request(Operation.RE_KEY_KEY_PAIR, text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, private_key))


def import_key(target: str, key: bytes, *given: Attribute, replace: bool | None = None) -> Request:
    """Import of KMIP 2.1 s6.1.24."""
    return on(
        Operation.IMPORT,
        target,
        enumeration(Tag.OBJECT_TYPE, 2),
        b"" if replace is None else boolean(Tag.REPLACE_EXISTING, replace),
        structure(Tag.ATTRIBUTES, *(attribute.item for attribute in given)),
        structure(Tag.SYMMETRIC_KEY, key_block(key)),
    )


def with_parameters(operation: int, target: str | None, parameters: dict[int, int], *fields: bytes) -> Request:
    """A cryptographic operation with Cryptographic Parameters that are all enumerations."""
    given = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        *(enumeration(tag, parameters[tag]) for tag in sorted(parameters, key=_PLACE.index)),
    )
    return on(operation, target, given if parameters else b"", *fields)


_PLACE = [
    Tag.BLOCK_CIPHER_MODE,
    Tag.PADDING_METHOD,
    Tag.HASHING_ALGORITHM,
    Tag.KEY_ROLE_TYPE,
    Tag.DIGITAL_SIGNATURE_ALGORITHM,
    Tag.CRYPTOGRAPHIC_ALGORITHM,
]
SIGNING = {Tag.PADDING_METHOD: PSS, Tag.HASHING_ALGORITHM: SHA_256, Tag.CRYPTOGRAPHIC_ALGORITHM: RSA}
MACING = {Tag.CRYPTOGRAPHIC_ALGORITHM: HMAC_SHA256}


def data(value: bytes) -> bytes:
    return octets(Tag.DATA, value)


def sign(target: str, value: bytes) -> Request:
    return with_parameters(Operation.SIGN, target, SIGNING, data(value))


def signature_verify(target: str, value: bytes, signature: bytes) -> Request:
    return with_parameters(
        Operation.SIGNATURE_VERIFY, target, SIGNING, data(value), octets(Tag.SIGNATURE_DATA, signature)
    )


def mac(target: str, value: bytes) -> Request:
    return with_parameters(Operation.MAC, target, MACING, data(value))


def mac_verify(target: str, value: bytes, made: bytes) -> Request:
    return with_parameters(Operation.MAC_VERIFY, target, MACING, data(value), octets(Tag.MAC_DATA, made))


def attribute_of(session: Session, target: str, name: str, tag: int) -> object:
    """The value of one attribute, or None if the object does not have it."""
    wanted = text(Tag.ATTRIBUTE_NAME, name) if session.version < (2, 0) else enumeration(Tag.ATTRIBUTE_REFERENCE, tag)
    result = session.do(on(Operation.GET_ATTRIBUTES, target, wanted)).expect_success()
    if session.version < (2, 0):
        return result.get(Tag.ATTRIBUTE, Tag.ATTRIBUTE_VALUE)
    return result.get(Tag.ATTRIBUTES, tag)
