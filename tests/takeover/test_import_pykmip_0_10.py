"""Taking over the database of PyKMIP 0.10, made here table by table as that version makes it under SQLAlchemy 1.3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pykmip_server import PyKmipServer
from support import requests as ask
from support.databases import Databases
from support.numbers import Operation, Reason, Tag
from support.requests import Request, Session
from support.server import RunningServer
from support.wire import BYTE_STRING, Connection, Credentials, Node

UNSET = -1
BORN = 1_600_000_000
PRE_ACTIVE, ACTIVE, DEACTIVATED, COMPROMISED = 1, 2, 3, 4
CERTIFICATE, SYMMETRIC, PUBLIC, PRIVATE, SECRET, OPAQUE = 1, 2, 3, 4, 7, 8
RAW, PKCS_1, PKCS_8, X_509 = 1, 3, 4, 5
AES, RSA = 3, 4
ENCRYPT, SIGN, VERIFY = 4, 1, 2
PASSWORD, NO_OPAQUE_TYPE = 1, 0x80000000

_WHERE = ("eki", "mski")
_ENUMERATED = (
    "block_cipher_mode", "padding_method", "hashing_algorithm", "key_role_type", "digital_signature_algorithm",
    "cryptographic_algorithm",
)  # fmt: skip
_LENGTHS = (
    "iv_length", "tag_length", "fixed_field_length", "invocation_field_length", "counter_length",
    "initial_counter_value",
)  # fmt: skip
_WRAPPING = ", ".join(
    f"_kdw_{where}_unique_identifier VARCHAR, "
    + "".join(f"_kdw_{where}_cp_{name} INTEGER, " for name in (*_ENUMERATED, *_LENGTHS))
    + f"_kdw_{where}_cp_random_iv BOOLEAN CHECK (_kdw_{where}_cp_random_iv IN (0, 1))"
    for where in _WHERE
)
NOT_WRAPPED = dict.fromkeys(
    ("_kdw_wrapping_method", "_kdw_encoding_option", *(f"_kdw_{w}_cp_{name}" for w in _WHERE for name in _ENUMERATED)),
    UNSET,
)
SCHEMA = f"""
CREATE TABLE managed_objects (uid INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, object_type INTEGER,
    class_type VARCHAR(50), value VARBINARY(1024), name_index INTEGER, operation_policy_name VARCHAR(50),
    sensitive BOOLEAN CHECK (sensitive IN (0, 1)), initial_date INTEGER, owner VARCHAR(50));
CREATE TABLE managed_object_names (id INTEGER NOT NULL PRIMARY KEY, mo_uid INTEGER REFERENCES managed_objects (uid),
    name VARCHAR, name_index INTEGER, name_type INTEGER);
CREATE TABLE object_groups (id INTEGER NOT NULL PRIMARY KEY, object_group VARCHAR NOT NULL);
CREATE TABLE object_group_map (managed_object_id INTEGER, object_group_id INTEGER);
CREATE TABLE app_specific_info (id INTEGER NOT NULL PRIMARY KEY, application_namespace VARCHAR,
    application_data VARCHAR);
CREATE TABLE app_specific_info_map (managed_object_id INTEGER, app_specific_info_id INTEGER);
CREATE TABLE opaque_objects (uid INTEGER NOT NULL PRIMARY KEY, opaque_type INTEGER);
CREATE TABLE crypto_objects (uid INTEGER NOT NULL PRIMARY KEY, cryptographic_usage_mask INTEGER, state INTEGER);
CREATE TABLE certificates (uid INTEGER NOT NULL PRIMARY KEY, certificate_type INTEGER);
CREATE TABLE x509_certificates (uid INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE secret_data_objects (uid INTEGER NOT NULL PRIMARY KEY, data_type INTEGER);
CREATE TABLE keys (uid INTEGER NOT NULL PRIMARY KEY, cryptographic_algorithm INTEGER, cryptographic_length INTEGER,
    key_format_type INTEGER, _kdw_wrapping_method INTEGER, {_WRAPPING}, _kdw_mac_signature VARBINARY(1024),
    _kdw_iv_counter_nonce VARBINARY(1024), _kdw_encoding_option INTEGER);
CREATE TABLE symmetric_keys (uid INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE public_keys (uid INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE private_keys (uid INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE split_keys (uid INTEGER NOT NULL PRIMARY KEY, _split_key_parts INTEGER, _key_part_identifier INTEGER,
    _split_key_threshold INTEGER, _split_key_method INTEGER, _prime_field_size BIGINT);
"""

_PAIR = rsa.generate_private_key(65537, 2048)
_DER = _PAIR.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
_PKCS_8 = _PAIR.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
_PUBLIC = _PAIR.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
_SPKI = _PAIR.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
WRAPPED = {
    **NOT_WRAPPED,
    "_kdw_wrapping_method": 1,
    "_kdw_encoding_option": 1,
    "_kdw_eki_unique_identifier": "1",
    "_kdw_eki_cp_block_cipher_mode": 0x0D,
}
KINDS = {
    CERTIFICATE: ("X509Certificate", "x509_certificates"),
    SYMMETRIC: ("SymmetricKey", "symmetric_keys"),
    PUBLIC: ("PublicKey", "public_keys"),
    PRIVATE: ("PrivateKey", "private_keys"),
    SECRET: ("SecretData", None),
    OPAQUE: ("OpaqueData", None),
}


class Stored(NamedTuple):
    """One object as PyKMIP stores it; its identifier is its place in OBJECTS."""

    kind: int
    value: bytes
    name: str
    state: int | None = PRE_ACTIVE
    mask: int = ENCRYPT
    key: tuple[int, int, int] | None = None
    """Algorithm, length, format."""
    wrapping: dict[str, object] = NOT_WRAPPED
    sensitive: bool = False
    owner: str = "alice"


OBJECTS = (
    Stored(SYMMETRIC, bytes(range(32)), "pre-active", key=(AES, 256, RAW)),
    Stored(SYMMETRIC, b"\x02" * 16, "active", ACTIVE, key=(AES, 128, RAW)),
    Stored(SYMMETRIC, b"\x03" * 24, "deactivated", DEACTIVATED, key=(AES, 192, RAW)),
    Stored(SYMMETRIC, b"\x04" * 32, "compromised", COMPROMISED, key=(AES, 256, RAW)),
    Stored(SYMMETRIC, b"\x05" * 32, "sensitive", ACTIVE, key=(AES, 256, RAW), sensitive=True),
    Stored(SYMMETRIC, b"\x06" * 24, "wrapped", key=(AES, 128, RAW), wrapping=WRAPPED),
    Stored(PUBLIC, _PUBLIC, "public", ACTIVE, VERIFY, (RSA, 2048, PKCS_1)),
    Stored(PUBLIC, _SPKI, "public too", mask=VERIFY, key=(RSA, 2048, X_509)),
    Stored(PRIVATE, _DER, "private", ACTIVE, SIGN, (RSA, 2048, PKCS_1)),
    Stored(PRIVATE, _PKCS_8, "private too", mask=SIGN, key=(RSA, 2048, PKCS_8)),
    Stored(CERTIFICATE, b"", "certificate", mask=VERIFY),
    Stored(SECRET, b"a password", "secret", mask=VERIFY),
    Stored(OPAQUE, b"any bytes", "opaque", None),
    Stored(SYMMETRIC, b"\x0e" * 32, "bob's", key=(AES, 256, RAW), owner="bob"),
)


def write(path: Path, certificate: bytes) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)

        def insert(table: str, **row: object) -> None:
            places = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))

        insert("object_groups", id=1, object_group="a group")
        insert("app_specific_info", id=1, application_namespace="ssl", application_data="www.example.org")
        for uid, stored in enumerate(OBJECTS, 1):
            name, table = KINDS[stored.kind]
            insert(
                "managed_objects",
                uid=uid,
                object_type=stored.kind,
                class_type=name,
                value=stored.value or certificate,
                name_index=1,
                operation_policy_name="default",
                sensitive=stored.sensitive,
                initial_date=BORN + uid,
                owner=stored.owner,
            )
            insert("managed_object_names", mo_uid=uid, name=stored.name, name_index=0, name_type=1)
            insert("object_group_map", managed_object_id=uid, object_group_id=1)
            insert("app_specific_info_map", managed_object_id=uid, app_specific_info_id=1)
            if stored.state is not None:
                insert("crypto_objects", uid=uid, cryptographic_usage_mask=stored.mask, state=stored.state)
            if stored.key is not None:
                described = ("cryptographic_algorithm", "cryptographic_length", "key_format_type")
                insert("keys", uid=uid, **dict(zip(described, stored.key, strict=True)), **stored.wrapping)
            if stored.kind == CERTIFICATE:
                insert("certificates", uid=uid, certificate_type=1)
            if stored.kind == SECRET:
                insert("secret_data_objects", uid=uid, data_type=PASSWORD)
            if stored.kind == OPAQUE:
                insert("opaque_objects", uid=uid, opaque_type=NO_OPAQUE_TYPE)
            if table is not None:
                insert(table, uid=uid)


@pytest.fixture(scope="module")
def pykmip(tmp_path_factory: pytest.TempPathFactory) -> PyKmipServer:
    server = PyKmipServer(tmp_path_factory.mktemp("pykmip"))
    write(server.folder / "pykmip.database", server.authority.certificate_der)
    return server


@pytest.fixture(scope="module")
def taken_over(
    databases: Databases, pykmip: PyKmipServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    running = RunningServer(databases, tmp_path_factory.mktemp("ours"))
    done = running.command("import-pykmip", str(running.data), "--config", str(pykmip.configuration))
    assert "7 Symmetric Key" in done.stdout
    running.start()
    yield running
    running.kill()


def session_of(owner: str, pykmip: PyKmipServer, server: RunningServer) -> Session:
    pykmip.client(owner)
    folder = pykmip.folder
    files = Credentials(folder / f"{owner}.pem", folder / f"{owner}.key", folder / "ca.pem")
    return Session(Connection(server.kmip, files.context()), (2, 1))


def listing(session: Session, uid: str) -> dict[int, list[object]]:
    payload = session.do(Request(Operation.GET_ATTRIBUTES, ask.identifier(uid))).expect_success().payload
    found: dict[int, list[object]] = {}
    for node in payload.find(Tag.ATTRIBUTES).value:
        found.setdefault(node.tag, []).append(node.value)
    return found


def plain(value: object) -> object:
    return [plain(each.value) for each in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize("uid", range(1, len(OBJECTS) + 1), ids=[stored.name for stored in OBJECTS])
def test_an_object_of_0_10_is_what_it_was(pykmip: PyKmipServer, taken_over: RunningServer, uid: int) -> None:
    stored = OBJECTS[uid - 1]
    session = session_of(stored.owner, pykmip, taken_over)
    with session.connection:
        found = listing(session, str(uid))
        assert session.located(ask.name(stored.name)) == [str(uid)]
        got = session.do(ask.get(str(uid)))
    expected: dict[int, object] = {
        Tag.OBJECT_TYPE: stored.kind,
        Tag.NAME: [stored.name, 1],
        Tag.OBJECT_GROUP: "a group",
        Tag.APPLICATION_SPECIFIC_INFORMATION: ["ssl", "www.example.org"],
        Tag.INITIAL_DATE: BORN + uid,
        Tag.SENSITIVE: stored.sensitive,
    }
    if stored.state is not None:
        expected |= {Tag.STATE: stored.state, Tag.CRYPTOGRAPHIC_USAGE_MASK: stored.mask}
    if stored.key is not None:
        described = (Tag.CRYPTOGRAPHIC_ALGORITHM, Tag.CRYPTOGRAPHIC_LENGTH, Tag.KEY_FORMAT_TYPE)
        expected |= dict(zip(described, stored.key, strict=True))
    assert {tag: plain(found[tag][0]) for tag in expected} == expected
    if stored.sensitive:
        assert got.reason == Reason.SENSITIVE
    else:
        assert (stored.value or pykmip.authority.certificate_der) in byte_strings(got.expect_success().payload)


def byte_strings(payload: Node | None) -> list[bytes]:
    assert payload is not None
    return [node.value for node in payload.walk() if node.type == BYTE_STRING]


def test_a_wrapped_key_says_how_it_is_wrapped(pykmip: PyKmipServer, taken_over: RunningServer) -> None:
    session = session_of("alice", pykmip, taken_over)
    with session.connection:
        payload = session.do(ask.get("6")).expect_success().payload
    assert payload is not None
    (wrapping,) = (node for node in payload.walk() if node.tag == Tag.KEY_WRAPPING_DATA)
    information = Tag.ENCRYPTION_KEY_INFORMATION
    assert wrapping.get(Tag.WRAPPING_METHOD) == 1
    assert wrapping.get(information, Tag.UNIQUE_IDENTIFIER) == "1"
    assert wrapping.get(information, Tag.CRYPTOGRAPHIC_PARAMETERS, Tag.BLOCK_CIPHER_MODE) == 0x0D


def test_the_objects_of_another_owner_are_not_there(pykmip: PyKmipServer, taken_over: RunningServer) -> None:
    session = session_of("bob", pykmip, taken_over)
    with session.connection:
        assert session.do(ask.get("1")).reason == Reason.OBJECT_NOT_FOUND
        assert session.located(ask.object_group("a group")) == [str(len(OBJECTS))]


def test_the_store_is_in_order(taken_over: RunningServer) -> None:
    assert "Everything is in order" in taken_over.command("check", str(taken_over.data)).stdout
