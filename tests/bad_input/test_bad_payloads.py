"""B58 to B71: payloads that are well formed and mean nothing, too much, or something else."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import pytest
from support import requests as ask
from support.bad import (
    INVALID_FIELD,
    INVALID_VALUE,
    LIMIT,
    UNKNOWN_ENUMERATION,
    assert_alive,
    assert_refused,
)
from support.numbers import Operation, Reason, Tag
from support.requests import Attribute, Request
from support.server import Client
from support.wire import (
    Version,
    date_time,
    enumeration,
    integer,
    octets,
    structure,
    text,
)

VERSIONS: list[Version] = [(1, 4), (2, 1)]
DERIVE_KEY = 0x200
PBKDF2 = 1
SHA_256 = 6
_numbers = count()
Build = Callable[[Version], Request]


def a_name() -> Attribute:
    return ask.name(f"bad payload {next(_numbers)} {time.monotonic_ns()}")


def aes(*attributes: Attribute) -> Build:
    """Create with these attributes alone."""
    return lambda version: ask.create(version, *attributes)


def registered(key: bytes, *, bits: int | None = None, algorithm: int = ask.AES, key_format: int = ask.RAW) -> Build:
    body = structure(Tag.SYMMETRIC_KEY, ask.key_block(key, algorithm, bits, key_format))
    return lambda version: ask.register(version, ask.SYMMETRIC_KEY, body, ask.usage_mask(12))


def state_in_template(attribute: Attribute) -> Build:
    return lambda version: ask.create_aes(version, attribute)


AES, LENGTH, MASK = ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12)
READ_ONLY = frozenset({Reason.ATTRIBUTE_READ_ONLY})
SINGLE_VALUED = frozenset({Reason.ATTRIBUTE_SINGLE_VALUED})
NO_SUCH_JOB = frozenset({Reason.INVALID_ASYNCHRONOUS_CORRELATION_VALUE})

REFUSED: dict[str, tuple[Build, frozenset[Reason]]] = {
    **{
        f"B58 AES of {bits} bits": (aes(AES, ask.length(bits), MASK), INVALID_VALUE)
        for bits in (-256, -1, 0, 1, 127, 129, 1024, 2**31 - 1, -(2**31))
    },
    "B59 material shorter than declared": (registered(bytes(16), bits=256), INVALID_FIELD),
    "B59 material longer than declared": (registered(bytes(32), bits=128), INVALID_FIELD),
    "B59 empty material": (registered(b"", bits=0), INVALID_FIELD),
    "B59 AES of 15 bytes": (registered(bytes(15), bits=120), INVALID_FIELD),
    "B59 RSA as a raw symmetric key": (
        registered(bytes(32), algorithm=ask.RSA),
        INVALID_FIELD,
    ),
    "B59 X.509 as the format of a symmetric key": (
        registered(bytes(32), key_format=5),
        INVALID_FIELD,
    ),
    "B59 certificate that is none": (
        lambda version: ask.register(
            version,
            ask.CERTIFICATE,
            structure(
                Tag.CERTIFICATE, enumeration(Tag.CERTIFICATE_TYPE, 1), octets(Tag.CERTIFICATE_VALUE, b"\x30\x82\xff")
            ),
            ask.usage_mask(2),
        ),
        INVALID_FIELD,
    ),
    "B59 object is not of the type announced": (
        lambda version: ask.register(
            version, ask.SECRET_DATA, structure(Tag.SYMMETRIC_KEY, ask.key_block(bytes(32))), ask.usage_mask(12)
        ),
        frozenset({Reason.INVALID_OBJECT_TYPE}),
    ),
    "B60 algorithm": (aes(ask.algorithm(0x7777), LENGTH, MASK), UNKNOWN_ENUMERATION),
    "B60 object type": (
        lambda version: ask.create(version, AES, LENGTH, MASK, kind=0x77),
        UNKNOWN_ENUMERATION,
    ),
    "B60 name type": (
        lambda version: ask.create_aes(version, ask.name("x", kind=0x77)),
        UNKNOWN_ENUMERATION,
    ),
    "B60 key format": (
        lambda _: Request(Operation.GET, ask.identifier("x") + enumeration(Tag.KEY_FORMAT_TYPE, 0x77)),
        UNKNOWN_ENUMERATION,
    ),
    "B60 revocation reason": (lambda _: ask.revoke("x", code=0x77), UNKNOWN_ENUMERATION),
    "B60 query function": (lambda _: ask.query(0x77), UNKNOWN_ENUMERATION),
    "B60 block cipher mode": (
        lambda _: ask.encrypt("x", bytes(16), ask.parameters(0x77)),
        UNKNOWN_ENUMERATION,
    ),
    "B61 undefined bits in the usage mask": (aes(AES, LENGTH, ask.usage_mask(0x40000000 | 12)), INVALID_VALUE),
    "B61 negative usage mask": (aes(AES, LENGTH, ask.usage_mask(-1)), INVALID_VALUE),
    "B62 length twice": (
        aes(AES, LENGTH, ask.length(128), MASK),
        SINGLE_VALUED,
    ),
    "B62 the same algorithm twice": (
        aes(AES, AES, LENGTH, MASK),
        SINGLE_VALUED,
    ),
    "B63 state": (state_in_template(ask.state(ask.ACTIVE)), READ_ONLY),
    "B63 initial date": (
        state_in_template(Attribute("Initial Date", date_time(Tag.INITIAL_DATE, 0))),
        READ_ONLY,
    ),
    "B63 unique identifier": (
        state_in_template(Attribute("Unique Identifier", text(Tag.UNIQUE_IDENTIFIER, "mine"))),
        READ_ONLY,
    ),
    "B65 2,000 links": (
        lambda version: ask.create_aes(version, *[ask.link(f"object {number}") for number in range(2000)]),
        LIMIT,
    ),
    **{
        f"B69 {size} random bytes": (
            lambda _, size=size: Request(  # type: ignore[misc]
                Operation.RNG_RETRIEVE, integer(Tag.DATA_LENGTH, size)
            ),
            LIMIT if size > 0 else INVALID_FIELD,
        )
        for size in (2**31 - 1, 1 << 20, -1, -(2**31))
    },
    "B70 negative maximum": (lambda version: ask.locate(version, maximum=-1), INVALID_FIELD),
    "B70 negative offset": (lambda version: ask.locate(version, offset=-1), INVALID_FIELD),
    "B71 forged correlation value": (
        lambda _: Request(Operation.POLL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, b"\xff" * 16)),
        NO_SUCH_JOB,
    ),
    "B71 empty correlation value": (
        lambda _: Request(Operation.CANCEL, octets(Tag.ASYNCHRONOUS_CORRELATION_VALUE, b"")),
        NO_SUCH_JOB,
    ),
}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(("build", "reasons"), REFUSED.values(), ids=REFUSED.keys())
def test_a_meaningless_payload_is_refused(
    client: Client, build: Build, reasons: frozenset[Reason], version: Version
) -> None:
    with client.session(version) as session:
        assert_refused(session.do(build(version)), version, reasons)
        session.do(ask.discover_versions()).expect_success()
    assert_alive(client)


def test_the_good_payloads_of_these_tests_are_good(client: Client) -> None:
    """The negative control: the same builders, unbent."""
    for version in VERSIONS:
        with client.session(version) as session:
            for build in (aes(AES, LENGTH, MASK), registered(bytes(range(32)))):
                session.do(build(version)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(("mode", "size"), [(ask.CBC, 0), (ask.CBC, 5), (ask.CBC, 17), (ask.GCM, 0)])
def test_b67_an_iv_of_a_wrong_size_is_refused(client: Client, version: Version, mode: int, size: int) -> None:
    how = ask.parameters(mode, padding=3) if mode == ask.CBC else ask.parameters(mode, tag_length=16)
    with client.session(version) as session:
        key = session.create_aes(active=True)
        refused = session.do(ask.encrypt(key, bytes(16), how, bytes(size)))
        reason = Reason.BAD_CRYPTOGRAPHIC_PARAMETERS if size else Reason.MISSING_INITIALIZATION_VECTOR
        assert_refused(refused, version, frozenset({reason}))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("size", [0, 3, 17, -1, 2**31 - 1])
def test_b67_a_tag_of_a_wrong_size_is_refused(client: Client, version: Version, size: int) -> None:
    """With General Failure, as the published case CS-BC-M-GCM-1 has it."""
    with client.session(version) as session:
        key = session.create_aes(active=True)
        refused = session.do(ask.encrypt(key, bytes(16), ask.parameters(ask.GCM, tag_length=size), bytes(12)))
        assert_refused(refused, version, frozenset({Reason.GENERAL_FAILURE}))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b67_much_additional_data_is_no_harm(client: Client, version: Version) -> None:
    with client.session(version) as session:
        key = session.create_aes(active=True)
        asked = ask.encrypt(key, bytes(16), ask.parameters(ask.GCM, tag_length=16, random_iv=True))
        much = octets(Tag.AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, bytes(900_000))
        session.do(Request(asked.operation, asked.payload + much)).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("iterations", [0, -1, -(2**31), 2**31 - 1])
def test_b68_the_work_of_a_derivation_is_limited(client: Client, version: Version, iterations: int) -> None:
    with client.session(version) as session:
        base = session.do(ask.register_secret(version, b"a password", mask=DERIVE_KEY))
        parameters = structure(
            Tag.DERIVATION_PARAMETERS,
            structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, SHA_256)),
            octets(Tag.SALT, bytes(16)),
            integer(Tag.ITERATION_COUNT, iterations),
        )
        payload = (
            enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
            + ask.identifier(base.unique_identifier)
            + enumeration(Tag.DERIVATION_METHOD, PBKDF2)
            + parameters
            + ask.attributes(version, AES, LENGTH, MASK)
        )
        began = time.monotonic()
        refused = session.do(Request(Operation.DERIVE_KEY, payload))
        assert_refused(refused, version, INVALID_FIELD)
        assert time.monotonic() - began < 20
    assert_alive(client)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b69_a_digest_of_much_data_is_no_harm(client: Client, version: Version) -> None:
    how = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, SHA_256))
    with client.session(version) as session:
        session.do(Request(Operation.HASH, how + octets(Tag.DATA, bytes(1_000_000)))).expect_success()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b70_a_thousand_filters_find_what_has_them_all(client: Client, version: Version) -> None:
    with client.session(version) as session:
        session.create_aes(ask.object_group("group 1"))
        assert session.located(*[ask.object_group(f"group {number}") for number in range(1000)]) == []


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_b70_a_reversed_range_is_the_same_range(client: Client, version: Version) -> None:
    """Two dates are a range in whichever order they come (docs/decisions/locate.md)."""
    group = ask.object_group(f"reversed in {version}")
    dates = [Attribute("Activation Date", date_time(Tag.ACTIVATION_DATE, at)) for at in (1_000_000_000, 1_400_000_000)]
    with client.session(version) as session:
        inside, _ = (session.create_aes(group, ask.activation_date(at)) for at in (1_200_000_000, 1_500_000_000))
        assert session.located(group, *dates) == session.located(group, *reversed(dates)) == [inside]
    assert_alive(client)
