"""No key and no password is ever found outside the answers that are meant to hold it: not in the database, its log
files, the server's output, its command line or its environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import insert
from support import requests as ask
from support.canary import Canary, leaks
from support.databases import Databases, PostgresqlDatabases, SqliteDatabases
from support.numbers import Operation, Tag
from support.postgres import PostgresServer
from support.requests import Request, Session
from support.server import Client, MakeServer, RunningServer
from support.wire import (
    TEXT_STRING,
    PeerClosedError,
    Version,
    batch_item,
    credential,
    enumeration,
    header,
    integer,
    octets,
    raw,
    request,
    structure,
    text,
)

from kmip_server.storage import schema
from kmip_server.storage.database import Database

VERSIONS: list[Version] = [(1, 0), (1, 2), (1, 4), (2, 0), (2, 1)]
WRAP, UNWRAP, MAC, DERIVE, SIGN = 0x10, 0x20, 0x80, 0x200, 0x01
PKCS_1, PKCS_8, EC_PRIVATE_KEY = 3, 4, 6


@pytest.fixture(scope="module")
def databases(databases: Databases) -> Iterator[Databases]:
    """On PostgreSQL one of its own: the write-ahead log that is searched has nobody else's records."""
    if isinstance(databases, SqliteDatabases):
        yield databases
        return
    own = PostgresServer()
    yield PostgresqlDatabases(own)
    own.stop()


def searched(server: RunningServer) -> Iterator[Path]:
    """Everything the server writes, and what others see of its processes."""
    for path in server.data.rglob("*"):
        if path.is_file() and not {"clients", "pki"} & set(path.relative_to(server.data).parts):
            yield path
    yield from server.database_files
    yield server.stdout
    yield server.stderr
    if server.process is not None:
        for pid in server.processes():
            yield Path(f"/proc/{pid}/cmdline")
            yield Path(f"/proc/{pid}/environ")


def use_of_everything(session: Session, canaries: list[Canary]) -> None:
    """Send secrets through every kind of request, good and bad."""
    version = session.version

    def canary(name: str, size: int = 32) -> bytes:
        canaries.append(Canary.make(f"{name} in {version}", size))
        return canaries[-1].value

    aes = session.do(ask.register_key(version, canary("AES key"), mask=0x3C | MAC | DERIVE)).unique_identifier
    session.do(ask.activate(aes)).expect_success()
    word = Canary.word(f"password in {version}")
    canaries.append(word)
    secret = session.do(ask.register_secret(version, word.value, mask=DERIVE)).unique_identifier
    opaque = session.do(ask.register_opaque(version, canary("opaque data", 64))).unique_identifier
    private = _register_private_keys(session, canaries)
    for identifier in (aes, secret, opaque, *private):
        session.do(ask.get(identifier)).expect_success()
        session.do(ask.get_attributes(version, identifier)).expect_success()
        session.do(wrapped(identifier, aes))
        session.do(Request(Operation.EXPORT, ask.identifier(identifier)))
        session.do(ask.rekey(identifier))
    how = ask.parameters(ask.CBC, padding=3)
    encrypted = session.do(ask.encrypt(aes, canary("plain text", 48), how, bytes(16)))
    if encrypted.ok:
        session.do(ask.decrypt(aes, encrypted.get(Tag.DATA), how, bytes(16))).expect_success()
    session.do(Request(Operation.MAC, ask.identifier(aes) + octets(Tag.DATA, canary("data of a MAC"))))
    session.do(derive(version, secret))
    _mistakes(session, canary)
    for identifier in (secret, opaque):
        session.do(ask.destroy(identifier))


def _register_private_keys(session: Session, canaries: list[Canary]) -> list[str]:
    """An RSA and an EC key; the canaries are their private exponents."""
    version = session.version
    rsa_key, ec_key = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    identifiers = []
    for name, key, number, form, encoding in (
        ("RSA d", rsa_key, rsa_key.private_numbers().d, PKCS_1, serialization.PrivateFormat.TraditionalOpenSSL),
        ("RSA p", rsa_key, rsa_key.private_numbers().p, PKCS_8, serialization.PrivateFormat.PKCS8),
        ("EC d", ec_key, ec_key.private_numbers().private_value, PKCS_8, serialization.PrivateFormat.PKCS8),
    ):
        canaries.append(Canary(f"{name} in {version}", number.to_bytes((number.bit_length() + 7) // 8, "big")))
        der = key.private_bytes(serialization.Encoding.DER, encoding, serialization.NoEncryption())
        algorithm, bits = (ask.RSA, 2048) if key is rsa_key else (0x06, 256)
        body = structure(Tag.PRIVATE_KEY, ask.key_block(der, algorithm, bits, form))
        result = session.do(ask.register(version, ask.PRIVATE_KEY, body, ask.usage_mask(SIGN)))
        identifiers.append(result.unique_identifier)
    return identifiers


def _mistakes(session: Session, canary) -> None:  # type: ignore[no-untyped-def]
    """Requests that fail, each with a secret in it."""
    version = session.version
    for asked in (
        ask.register(
            version,
            ask.SYMMETRIC_KEY,
            structure(Tag.SYMMETRIC_KEY, ask.key_block(canary("key of a wrong length"), bits=128)),
            ask.usage_mask(12),
        ),
        ask.register(
            version,
            ask.SYMMETRIC_KEY,
            structure(Tag.SYMMETRIC_KEY, ask.key_block(canary("key of an unknown algorithm"), 0x7777)),
        ),
        ask.register(
            version, ask.SECRET_DATA, structure(Tag.SYMMETRIC_KEY, ask.key_block(canary("key of a wrong type")))
        ),
        Request(Operation.REGISTER, structure(Tag.SYMMETRIC_KEY, ask.key_block(canary("key alone")))),
        Request(Operation.GET, octets(Tag.KEY_MATERIAL, canary("key where none belongs"))),
        ask.decrypt("no such key", canary("data to decrypt"), ask.parameters(ask.CBC)),
    ):
        assert not session.do(asked).ok
    authentication = credential("somebody", canary("password of a credential").hex())
    assert not session.do(ask.discover_versions(), fields=(authentication,)).ok


def _broken_messages(client: Client, canaries: list[Canary]) -> None:
    """Bytes that are no message, each with a secret in it; the server may close the connection."""
    for name, build in (
        ("key in a cut message", lambda key: request((2, 1), Operation.REGISTER, octets(Tag.KEY_MATERIAL, key))[:-8]),
        ("key as broken text", lambda key: request((2, 1), Operation.GET, raw(Tag.PASSWORD, TEXT_STRING, 32, key))),
        ("key instead of a message", lambda key: key),
        ("key in a broken header", lambda key: structure(Tag.REQUEST_MESSAGE, octets(Tag.NONCE_VALUE, key))),
        (
            "key in an item too many",
            lambda key: structure(
                Tag.REQUEST_MESSAGE, header((2, 1), 5), batch_item(Operation.GET, octets(Tag.KEY_MATERIAL, key))
            ),
        ),
    ):
        canaries.append(Canary.make(name))
        with client.connect(timeout=2) as connection:
            try:
                connection.exchange(build(canaries[-1].value))
            except (PeerClosedError, TimeoutError):
                continue


def wrapped(identifier: str, by: str) -> Request:
    """Get an object wrapped by a key, with AES Key Wrap."""
    specification = structure(
        Tag.KEY_WRAPPING_SPECIFICATION,
        enumeration(Tag.WRAPPING_METHOD, 1),
        structure(
            Tag.ENCRYPTION_KEY_INFORMATION,
            text(Tag.UNIQUE_IDENTIFIER, by),
            structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.BLOCK_CIPHER_MODE, 0x0D)),
        ),
    )
    return Request(Operation.GET, ask.identifier(identifier) + specification)


def derive(version: Version, base: str) -> Request:
    """Derive an AES key from a password by PBKDF2."""
    parameters = structure(
        Tag.DERIVATION_PARAMETERS,
        structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.HASHING_ALGORITHM, 6)),
        octets(Tag.SALT, bytes(16)),
        integer(Tag.ITERATION_COUNT, 1000),
    )
    return Request(
        Operation.DERIVE_KEY,
        enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + ask.identifier(base)
        + enumeration(Tag.DERIVATION_METHOD, 1)
        + parameters
        + ask.attributes(version, ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_secrets_are_found_nowhere(make_server: MakeServer, log_format: str) -> None:
    server = make_server("--trace", environment={"KMIP_LOG__LEVEL": "debug", "KMIP_LOG__FORMAT": log_format})
    server.start()
    client = server.add_client("canary")
    canaries: list[Canary] = []
    for version in VERSIONS:
        with client.session(version) as session:
            use_of_everything(session, canaries)
    _broken_messages(client, canaries)
    assert leaks(canaries, searched(server)) == [], "while the server runs"
    assert server.stderr.stat().st_size > 0, "the log that was searched is empty"
    server.kill()
    assert leaks(canaries, searched(server)) == [], "after it was killed"
    server.start()
    assert server.stop() == 0
    assert leaks(canaries, searched(server)) == [], "after it was stopped"


def test_what_the_server_makes_is_not_in_its_files_either(fresh_server: RunningServer) -> None:
    client = fresh_server.add_client("canary")
    canaries = []
    with client.session((2, 1)) as session:
        for number in range(20):
            key = session.create_aes(active=True)
            canaries.append(Canary(f"made key {number}", session.key_material(key)))
        session.do(ask.revoke(key)).expect_success()
        session.do(ask.destroy(key)).expect_success()
    assert leaks(canaries, searched(fresh_server)) == []


@pytest.mark.parametrize("form", Canary.make("any").forms())
def test_the_search_finds_what_is_there(tmp_path: Path, form: str) -> None:
    """The negative control."""
    canary = Canary.make("planted")
    file = tmp_path / "file"
    file.write_bytes(b"before" + canary.forms()[form] + b"after")
    assert any(form in leak for leak in leaks([canary], [file]))
    file.write_bytes(b"before and after")
    assert leaks([canary], [file]) == []


def test_the_search_finds_what_is_in_the_database(databases: Databases, tmp_path: Path) -> None:
    canary, url = Canary.make("planted"), databases.store(tmp_path)
    database = Database(url)
    with database.writing() as connection:
        assert leaks([canary], databases.files(url)) == []
        connection.execute(insert(schema.server_state).values(key="planted", value=canary.value.hex()))
    assert leaks([canary], databases.files(url)) != []
