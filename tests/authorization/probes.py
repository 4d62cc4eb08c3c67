"""What is asked about an object: one well-formed request an operation, or several where the rules differ by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from authorization.cast import OBJECT_OPERATIONS
from authorization.things import KEY
from support import requests as ask
from support.attributes import sensitive
from support.keys import SHA_256, cryptographic_parameters
from support.numbers import Operation, Tag
from support.requests import Request, identifier
from support.wire import Version, enumeration, integer, long_integer, octets, structure

VERSION: Version = (2, 1)
DATA: Final = bytes(16)
_LATER: Final = 4_000_000_000
_GCM = ask.parameters(ask.GCM, tag_length=16)
_SHA = cryptographic_parameters(hashing=SHA_256)


class Probe(NamedTuple):
    """A request: `build` takes the object's Unique Identifier and a number that no other request has."""

    name: str
    operation: str
    build: Callable[[str, int], Request]


def _plain(operation: str) -> Probe:
    return Probe(operation, operation, lambda to, _: Request(Operation[operation], identifier(to)))


def _attribute(operation: str, tag: Tag = Tag.NEW_ATTRIBUTE) -> Callable[[str, ask.Attribute], Request]:
    return lambda to, given: Request(Operation[operation], identifier(to) + structure(tag, given.item))


def _use(operation: str, *more: bytes) -> Probe:
    return Probe(operation, operation, lambda to, _: Request(Operation[operation], b"".join((identifier(to), *more))))


def _adjust(to: str, _: int) -> Request:
    count = structure(
        Tag.ATTRIBUTE_REFERENCE,
        ask.text(Tag.VENDOR_IDENTIFICATION, "x"),
        ask.text(Tag.ATTRIBUTE_NAME, "count"),
    )
    return Request(Operation.ADJUST_ATTRIBUTE, identifier(to) + count + enumeration(Tag.ADJUSTMENT_TYPE, 1))


def _derive(to: str, _: int) -> Request:
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + identifier(to)
        + enumeration(Tag.DERIVATION_METHOD, 3)
        + structure(Tag.DERIVATION_PARAMETERS, _SHA, octets(Tag.DERIVATION_DATA, DATA))
        + ask.attributes(VERSION, ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12)),
    )


def _import(to: str, _: int) -> Request:
    return Request(
        Operation.IMPORT,
        identifier(to)
        + enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + ask.boolean(Tag.REPLACE_EXISTING, True)
        + ask.attributes(VERSION, ask.usage_mask(12))
        + structure(Tag.SYMMETRIC_KEY, ask.key_block(KEY)),
    )


def _locate(to: str, number: int) -> Request:
    status = integer(Tag.STORAGE_STATUS_MASK, 7)
    return Request(
        Operation.LOCATE,
        status + structure(Tag.ATTRIBUTES, ask.text(Tag.UNIQUE_IDENTIFIER, to)),
    )


def _check(to: str, _: int) -> Request:
    return Request(Operation.CHECK, identifier(to) + integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, ask.ENCRYPT))


PROBES: Final = (
    *(
        _plain(each)
        for each in (
            "RE_KEY", "GET", "GET_ATTRIBUTES", "GET_ATTRIBUTE_LIST", "OBTAIN_LEASE", "ACTIVATE", "DESTROY", "ARCHIVE",
            "RECOVER", "EXPORT",
        )
    ),
    Probe(
        "RE_KEY_KEY_PAIR", "RE_KEY_KEY_PAIR",
        lambda to, _: Request(Operation.RE_KEY_KEY_PAIR, ask.text(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, to)),
    ),
    Probe("DERIVE_KEY", "DERIVE_KEY", _derive),
    Probe("LOCATE", "LOCATE", _locate),
    Probe("CHECK", "CHECK", _check),
    Probe("IMPORT", "IMPORT", _import),
    Probe("REVOKE", "REVOKE", lambda to, _: ask.revoke(to)),
    Probe("REVOKE: compromise", "REVOKE", lambda to, _: ask.revoke(to, ask.KEY_COMPROMISE)),
    Probe(
        "GET_USAGE_ALLOCATION", "GET_USAGE_ALLOCATION",
        lambda to, _: Request(Operation.GET_USAGE_ALLOCATION, identifier(to) + long_integer(Tag.USAGE_LIMITS_COUNT, 2)),
    ),
    Probe("ADD_ATTRIBUTE", "ADD_ATTRIBUTE", lambda to, n: _attribute("ADD_ATTRIBUTE")(to, ask.name(f"more-{n}"))),
    Probe(
        "MODIFY_ATTRIBUTE", "MODIFY_ATTRIBUTE",
        lambda to, n: _attribute("MODIFY_ATTRIBUTE")(to, ask.contact_information(f"{n}")),
    ),
    Probe(
        "MODIFY_ATTRIBUTE: Sensitive", "MODIFY_ATTRIBUTE",
        lambda to, _: _attribute("MODIFY_ATTRIBUTE")(to, sensitive(False)),
    ),
    Probe(
        "DELETE_ATTRIBUTE", "DELETE_ATTRIBUTE",
        lambda to, _: Request(
            Operation.DELETE_ATTRIBUTE, identifier(to) + enumeration(Tag.ATTRIBUTE_REFERENCE, Tag.CONTACT_INFORMATION)
        ),
    ),
    Probe(
        "SET_ATTRIBUTE", "SET_ATTRIBUTE",
        lambda to, n: _attribute("SET_ATTRIBUTE")(to, ask.contact_information(f"{n}")),
    ),
    Probe(
        "SET_ATTRIBUTE: Activation Date", "SET_ATTRIBUTE",
        lambda to, _: _attribute("SET_ATTRIBUTE")(to, ask.activation_date(_LATER)),
    ),
    Probe(
        "SET_ATTRIBUTE: Deactivation Date", "SET_ATTRIBUTE",
        lambda to, _: _attribute("SET_ATTRIBUTE")(to, ask.Attribute("", ask.date_time(Tag.DEACTIVATION_DATE, _LATER))),
    ),
    Probe("ADJUST_ATTRIBUTE", "ADJUST_ATTRIBUTE", _adjust),
    _use("ENCRYPT", _GCM, octets(Tag.DATA, DATA)),
    _use("DECRYPT", _GCM, octets(Tag.DATA, DATA), octets(Tag.IV_COUNTER_NONCE, bytes(12)),
         octets(Tag.AUTHENTICATED_ENCRYPTION_TAG, bytes(16))),
    _use("SIGN", _SHA, octets(Tag.DATA, DATA)),
    _use("SIGNATURE_VERIFY", _SHA, octets(Tag.DATA, DATA), octets(Tag.SIGNATURE_DATA, bytes(256))),
    _use("MAC", structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, ask.HMAC_SHA256)),
         octets(Tag.DATA, DATA)),
    _use("MAC_VERIFY",
         structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, ask.HMAC_SHA256)),
         octets(Tag.DATA, DATA), octets(Tag.MAC_DATA, bytes(32))),
)  # fmt: skip

assert {probe.operation for probe in PROBES} == set(OBJECT_OPERATIONS)

_UNKNOWN_JOB = octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, bytes(16))
SERVER_REQUESTS: Final[dict[str, Request]] = {
    "CREATE": ask.create_aes(VERSION),
    "CREATE_KEY_PAIR": ask.create_key_pair(VERSION, [ask.algorithm(ask.RSA), ask.length(2048)], 1, 2),
    "REGISTER": ask.register_key(VERSION, KEY),
    "QUERY": ask.query(1),
    "DISCOVER_VERSIONS": ask.discover_versions(),
    "POLL": Request(Operation.POLL, _UNKNOWN_JOB),
    "CANCEL": Request(Operation.CANCEL, _UNKNOWN_JOB),
    "HASH": Request(Operation.HASH, _SHA + octets(Tag.DATA, DATA)),
    "RNG_RETRIEVE": Request(Operation.RNG_RETRIEVE, integer(Tag.DATA_LENGTH, 16)),
    "RNG_SEED": Request(Operation.RNG_SEED, octets(Tag.DATA, DATA)),
    "PING": Request(Operation.PING, b""),
}
"""A request for each operation that is asked of the server itself."""
