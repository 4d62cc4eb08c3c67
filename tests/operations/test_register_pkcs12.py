"""Register of a PKCS#12 container (KMIP 2.1 s6.1.43.1, 1.4 s11.4): kept as it came, if its password is here too."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from support import requests as ask
from support.engine import EngineClient, EngineHarness
from support.keys import PKCS_8, block, get_as, key_bytes, material
from support.numbers import Operation, Reason, Tag
from support.requests import PRIVATE_KEY, Attribute, Request
from support.wire import Result, Version, octets, structure

PKCS12, ECDSA, SEED, PASSWORD_LINK = 0x16, 6, 2, 0x10D
VERSIONS: tuple[Version, ...] = ((1, 4), (2, 0), (2, 1))
CONTAINER = serialize_key_and_certificates(
    b"alias", ec.generate_private_key(ec.SECP256R1()), None, None, BestAvailableEncryption(b"a password")
)


def secret(client: EngineClient, *, kind: int = 1, active: bool = True) -> Attribute:
    made = client.do(ask.register_secret(client.version, b"a password", kind=kind)).unique_identifier
    if active:
        client.do(ask.activate(made)).expect_success()
    return ask.link(made, PASSWORD_LINK)


def register(client: EngineClient, *links: Attribute) -> Result:
    body = structure(Tag.PRIVATE_KEY, block(material(CONTAINER), key_format=PKCS12, algorithm=ECDSA, bits=256))
    return client.do(ask.register(client.version, PRIVATE_KEY, body, ask.usage_mask(1), *links))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_container_with_its_password_is_given_back_as_it_came(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = register(client, secret(client)).unique_identifier
    assert key_bytes(client.do(ask.get(made))) == CONTAINER
    assert key_bytes(client.do(get_as(made, PKCS12))) == CONTAINER


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_container_whose_password_is_not_here_is_refused(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    key = client.do(ask.create_aes(version)).unique_identifier
    expected = Reason.BAD_PASSWORD if version >= (2, 0) else Reason.INVALID_FIELD
    for links in (
        (),
        (secret(client), secret(client)),
        (secret(client, kind=SEED),),
        (ask.link(key, PASSWORD_LINK),),
    ):
        assert register(client, *links).reason == expected


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_the_password_is_active_since_2_0(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = register(client, secret(client, active=False))
    assert (made.ok, made.reason) == ((True, None) if version < (2, 0) else (False, Reason.BAD_PASSWORD))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_destroyed_password_is_none(engine: EngineHarness, version: Version) -> None:
    client = engine.client(version)
    made = client.do(ask.register_secret(version, b"a password")).unique_identifier
    client.do(ask.destroy(made)).expect_success()
    expected = Reason.BAD_PASSWORD if version >= (2, 0) else Reason.INVALID_FIELD
    assert register(client, ask.link(made, PASSWORD_LINK)).reason == expected


def test_the_key_in_a_container_computes_nothing_and_has_no_other_format(engine: EngineHarness) -> None:
    client = engine.client()
    made = register(client, secret(client)).unique_identifier
    client.do(ask.activate(made)).expect_success()
    signed = client.do(Request(Operation.SIGN, ask.identifier(made) + octets(Tag.DATA, b"data")))
    assert signed.reason == Reason.FEATURE_NOT_SUPPORTED
    assert client.do(get_as(made, PKCS_8)).reason == Reason.KEY_FORMAT_TYPE_NOT_SUPPORTED
