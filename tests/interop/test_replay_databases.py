"""What databases and their drivers send: MongoDB, Percona, libkmip, MySQL, Oracle, EDB Postgres, InterSystems IRIS."""

from __future__ import annotations

import secrets
import time

import pytest
from conftest import Connect
from replaying import (
    AES_256,
    Replay,
    asking,
    attribute,
    attributes_in,
    choice,
    found_in,
    key_in,
    named,
    number,
    revocation,
    template,
    uid,
    unique,
    words,
)
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, PRE_ACTIVE, SECRET_DATA, SYMMETRIC_KEY, Request
from support.wire import Version, boolean, date_time, enumeration, integer, octets, structure, text

OPAQUE, RAW, SEED, PASSWORD = 2, 1, 2, 1
AES, CBC, PKCS5 = 3, 1, 3


def secret_data(secret: bytes, kind: int, key_format: int) -> bytes:
    body = ask.key_block(secret, None, key_format=key_format)
    return structure(Tag.SECRET_DATA, enumeration(Tag.SECRET_DATA_TYPE, kind), body)


def symmetric_key(secret: bytes) -> bytes:
    return structure(Tag.SYMMETRIC_KEY, ask.key_block(secret))


def creating(*attributes: bytes) -> bytes:
    return enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + template(*attributes)


def registering(kind: int, body: bytes, *attributes: bytes) -> bytes:
    return enumeration(Tag.OBJECT_TYPE, kind) + template(*attributes) + body


def test_mongodb_drivers_keep_96_bytes_as_secret_data_that_is_for_nothing(connect: Connect) -> None:
    """Each request on a connection of its own, as the drivers' state machine has it."""
    secret = secrets.token_bytes(96)
    no_usage = number("Cryptographic Usage Mask", 0)
    registered = connect((1, 0)).do(
        Operation.REGISTER, registering(SECRET_DATA, secret_data(secret, SEED, OPAQUE), no_usage)
    )
    key = registered.unique_identifier
    assert connect((1, 0)).do(Operation.ACTIVATE, uid(key)).unique_identifier == key
    got = connect((1, 0)).do(Operation.GET, uid(key))
    assert got.get(Tag.OBJECT_TYPE) == SECRET_DATA
    block = got.payload and got.payload.find(Tag.SECRET_DATA, Tag.KEY_BLOCK)
    assert block is not None
    assert [child.tag for child in block.value] == [Tag.KEY_FORMAT_TYPE, Tag.KEY_VALUE]
    assert key_in(got, Tag.SECRET_DATA) == secret


def parameters(*, random_iv: bool = False) -> bytes:
    """AES in CBC with padding."""
    return structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        enumeration(Tag.BLOCK_CIPHER_MODE, CBC),
        enumeration(Tag.PADDING_METHOD, PKCS5),
        enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, AES),
        boolean(Tag.RANDOM_IV, True) if random_iv else b"",
    )


def test_mongodb_drivers_delegate_encryption_to_the_server(connect: Connect) -> None:
    driver = connect((1, 2))
    key = driver.do(Operation.CREATE, creating(AES_256)).unique_identifier
    driver.do(Operation.ACTIVATE, uid(key))
    data_key = secrets.token_bytes(96)
    made = driver.do(Operation.ENCRYPT, uid(key), parameters(random_iv=True), octets(Tag.DATA, data_key))
    iv, ciphertext = made.get(Tag.IV_COUNTER_NONCE), made.get(Tag.DATA)
    assert (len(iv), len(ciphertext)) == (16, 112)
    back = driver.do(
        Operation.DECRYPT, uid(key), parameters(), octets(Tag.DATA, ciphertext), octets(Tag.IV_COUNTER_NONCE, iv)
    )
    assert back.get(Tag.DATA) == data_key


@pytest.mark.parametrize("registers", [False, True], ids=["creates", "registers"])
def test_percona_server_for_mongodb_polls_the_state_of_its_master_key(connect: Connect, registers: bool) -> None:
    mongod, name, secret = connect((1, 0)), unique("psmdb"), secrets.token_bytes(32)
    if registers:
        asked = registering(SYMMETRIC_KEY, symmetric_key(secret), number("Cryptographic Usage Mask", 0x0C), named(name))
        key = mongod.do(Operation.REGISTER, asked).unique_identifier
    else:
        key = mongod.do(Operation.CREATE, creating(AES_256, named(name))).unique_identifier
    assert attributes_in(mongod.do(Operation.GET_ATTRIBUTES, uid(key), asking("State"))) == {"State": PRE_ACTIVE}
    mongod.do(Operation.ACTIVATE, uid(key))
    assert attributes_in(mongod.do(Operation.GET_ATTRIBUTES, uid(key), asking("State"))) == {"State": ACTIVE}
    got = key_in(mongod.do(Operation.GET, uid(key)))
    assert got == secret if registers else len(got) == 32
    everything = attributes_in(mongod.do(Operation.GET_ATTRIBUTES, uid(key)))
    assert everything["State"] == ACTIVE
    assert "Fresh" not in everything


def libkmip(connect: Connect, version: Version) -> Replay:
    """libkmip says how much it can take and what its time is."""
    fields = [integer(Tag.MAXIMUM_RESPONSE_SIZE, 8192), date_time(Tag.TIME_STAMP, int(time.time()))]
    return connect(version, fields=fields)


def page_of(client: Replay, group: str, size: int, offset: int | None) -> list[str]:
    paging = integer(Tag.MAXIMUM_ITEMS, size) + (b"" if offset is None else integer(Tag.OFFSET_ITEMS, offset))
    only_keys = choice("Object Type", SYMMETRIC_KEY)
    return found_in(client.do(Operation.LOCATE, paging, only_keys, words("Object Group", group)))


def test_libkmip_mixes_two_versions_on_one_connection(connect: Connect) -> None:
    old = libkmip(connect, (1, 0))
    new = Replay(old.channel, (1, 4), old.fields)
    group, secret, password = unique("percona"), secrets.token_bytes(32), secrets.token_bytes(20)
    in_group = words("Object Group", group)
    keys = {}
    for index in range(4):
        name = f"{group}-{index}"
        asked = registering(
            SYMMETRIC_KEY, symmetric_key(secret), number("Cryptographic Usage Mask", 0x0C), named(name), in_group
        )
        keys[name] = (old, new)[index % 2].do(Operation.REGISTER, asked).unique_identifier
    made = new.do(Operation.CREATE, creating(AES_256, named(f"{group}-made"), in_group)).unique_identifier
    stored = old.do(
        Operation.REGISTER,
        registering(
            SECRET_DATA,
            secret_data(password, PASSWORD, OPAQUE),
            number("Cryptographic Usage Mask", 0x240),
            named(f"{group}-password"),
            in_group,
        ),
    ).unique_identifier

    like = choice("Cryptographic Algorithm", AES) + choice("Object Type", SYMMETRIC_KEY)
    like += number("Cryptographic Usage Mask", 0x0C)
    for name, key in keys.items():
        assert found_in(old.do(Operation.LOCATE, like, named(name))) == [key]
        new.do(Operation.ACTIVATE, uid(key))
        assert key_in(old.do(Operation.GET, uid(key))) == secret
        read = attributes_in(new.do(Operation.GET_ATTRIBUTES, uid(key), asking("Name", "State")))
        assert read == {"Name": (name, 1), "State": ACTIVE}
    assert key_in(new.do(Operation.GET, uid(stored)), Tag.SECRET_DATA) == password

    newest_first = [made, *reversed(keys.values())]
    assert page_of(old, group, 100, None) == newest_first
    pages = [page_of(new, group, 2, offset) for offset in (0, 2, 4, 6)]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    everything = old.do(Operation.LOCATE, integer(Tag.MAXIMUM_ITEMS, 100), in_group)
    assert set(found_in(everything)) == {*newest_first, stored}

    for key in (made, stored):
        old.do(Operation.ACTIVATE, uid(key))
    for key in (*newest_first, stored):
        old.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION, "rotated"))
        new.do(Operation.DESTROY, uid(key))
    assert found_in(new.do(Operation.LOCATE, in_group)) == []


def test_libkmip_gets_nothing_longer_than_it_can_take(connect: Connect) -> None:
    small = connect((1, 0), fields=[integer(Tag.MAXIMUM_RESPONSE_SIZE, 200)])
    key = small.do(Operation.CREATE, creating(AES_256)).unique_identifier
    refused = small.try_(Operation.GET, uid(key))
    assert refused.reason == Reason.RESPONSE_TOO_LARGE
    # What does not fit did not happen: there is no key of this name.
    name = unique("percona")
    tiny = connect((1, 0), fields=[integer(Tag.MAXIMUM_RESPONSE_SIZE, 100)])
    assert tiny.try_(Operation.CREATE, creating(AES_256, named(name))).reason == Reason.RESPONSE_TOO_LARGE
    assert found_in(libkmip(connect, (1, 0)).do(Operation.LOCATE, named(name))) == []


def test_the_newer_percona_client_first_asks_what_the_server_can_do(connect: Connect) -> None:
    client = libkmip(connect, (1, 4))
    offered = client.do(Operation.DISCOVER_VERSIONS)
    assert offered.payload is not None
    majors = [node.get(Tag.PROTOCOL_VERSION_MAJOR) for node in offered.payload.all(Tag.PROTOCOL_VERSION)]
    assert majors == sorted(majors, reverse=True)
    told = client.do(Operation.QUERY, b"".join(enumeration(Tag.QUERY_FUNCTION, function) for function in range(1, 13)))
    assert told.payload is not None
    assert {Operation.LOCATE, Operation.REGISTER} <= {node.value for node in told.payload.all(Tag.OPERATION)}


def test_mysql_numbers_its_attributes_and_says_how_much_it_can_take(connect: Connect) -> None:
    """The keyring plug-in gives each attribute an index, which is always 0."""
    mysqld = connect((1, 1), fields=[integer(Tag.MAXIMUM_RESPONSE_SIZE, 280_000)])
    name = unique("mysql-INNODBKey")
    asked = creating(
        choice("Cryptographic Algorithm", AES, 0),
        number("Cryptographic Length", 256, 0),
        number("Cryptographic Usage Mask", 0x0C, 0),
        named(name, 0),
    )
    key = mysqld.do(Operation.CREATE, asked).unique_identifier
    mysqld.do(Operation.ACTIVATE, uid(key))
    online = integer(Tag.STORAGE_STATUS_MASK, 1)
    active = choice("State", ACTIVE, 0)
    assert found_in(mysqld.do(Operation.LOCATE, online, named(name, 0), active)) == [key]
    assert attributes_in(mysqld.do(Operation.GET_ATTRIBUTES, uid(key), asking("Name"))) == {"Name": (name, 1)}
    assert len(key_in(mysqld.do(Operation.GET, uid(key), enumeration(Tag.KEY_FORMAT_TYPE, RAW)))) == 32
    mysqld.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
    mysqld.do(Operation.DESTROY, uid(key))
    assert found_in(mysqld.do(Operation.LOCATE, online, named(name, 0), active)) == []


def test_oracle_keeps_its_master_keys_and_changes_their_attributes(connect: Connect) -> None:
    oracle, name, wallet = connect((1, 1)), unique("ORACLE.TDE.HSM.MK"), unique("wallet")
    told = oracle.do(Operation.QUERY, enumeration(Tag.QUERY_FUNCTION, 1))
    assert told.payload is not None
    operations = {node.value for node in told.payload.all(Tag.OPERATION)}
    assert not operations & {Operation.ENCRYPT, Operation.DECRYPT, Operation.SIGN, Operation.SIGNATURE_VERIFY}

    marks = words("x-Wallet", wallet), words("Object Group", wallet), words("Contact Information", "dba@example.org")
    key = oracle.do(Operation.CREATE, creating(AES_256, named(name), *marks)).unique_identifier
    added = oracle.do(Operation.ADD_ATTRIBUTE, uid(key), words("x-Tag", "first"))
    assert attributes_in(added) == {"x-Tag": "first"}
    changed = oracle.do(
        Operation.MODIFY_ATTRIBUTE, uid(key), attribute("x-Tag", text(Tag.ATTRIBUTE_VALUE, "second"), 0)
    )
    assert attributes_in(changed) == {"x-Tag": "second"}
    deleted = oracle.do(Operation.DELETE_ATTRIBUTE, uid(key), asking("Contact Information"))
    assert attributes_in(deleted) == {"Contact Information": "dba@example.org"}
    listed = oracle.do(Operation.GET_ATTRIBUTE_LIST, uid(key))
    assert listed.payload is not None
    names = {node.value for node in listed.payload.all(Tag.ATTRIBUTE_NAME)}
    assert {"Name", "x-Tag", "x-Wallet", "Object Group"} <= names
    assert "Contact Information" not in names
    oracle.do(Operation.ACTIVATE, uid(key))

    # TDE rotation: a new master key of the same wallet; both stay readable.
    rotated = oracle.do(Operation.RE_KEY, uid(key)).unique_identifier
    assert set(found_in(oracle.do(Operation.LOCATE, words("x-Wallet", wallet)))) == {key, rotated}
    assert key_in(oracle.do(Operation.GET, uid(key))) != key_in(oracle.do(Operation.GET, uid(rotated)))
    blob = oracle.do(
        Operation.REGISTER,
        registering(
            8,
            structure(
                Tag.OPAQUE_OBJECT,
                enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000001),
                octets(Tag.OPAQUE_DATA_VALUE, b"cwallet.sso"),
            ),
            words("x-Wallet", wallet),
        ),
    ).unique_identifier
    assert oracle.do(Operation.GET, uid(blob)).get(Tag.OPAQUE_OBJECT, Tag.OPAQUE_DATA_VALUE) == b"cwallet.sso"
    for each in (key, rotated):
        oracle.do(Operation.REVOKE, uid(each), revocation(ask.CESSATION_OF_OPERATION))
    for each in (key, rotated, blob):
        oracle.do(Operation.DESTROY, uid(each))


def test_oracle_is_told_in_its_version_what_its_version_does_not_have(connect: Connect) -> None:
    oracle = connect((1, 1))
    key = oracle.do(Operation.CREATE, creating(AES_256)).unique_identifier
    refused = oracle.ask(Request(Operation.ENCRYPT, uid(key) + octets(Tag.DATA, b"data"))).result
    assert refused.reason == Reason.OPERATION_NOT_SUPPORTED
    extractable = attribute("Extractable", boolean(Tag.ATTRIBUTE_VALUE, False))
    assert oracle.try_(Operation.CREATE, creating(AES_256, extractable)).reason == Reason.INVALID_FIELD
    templates = structure(Tag.TEMPLATE, named(unique("template")))
    assert not oracle.try_(Operation.REGISTER, registering(6, templates)).ok


def edb_encrypt(client: Replay, key: str, data: bytes) -> bytes:
    """What the wrap command writes into its file: the server's IV, then the ciphertext."""
    made = client.do(Operation.ENCRYPT, uid(key), parameters(random_iv=True), octets(Tag.DATA, data))
    iv: bytes = made.get(Tag.IV_COUNTER_NONCE)
    assert len(iv) == 16
    return iv + bytes(made.get(Tag.DATA))


@pytest.mark.parametrize("version", [(1, 2), (2, 0)], ids=str)
@pytest.mark.parametrize("variant", ["pykmip", "thales"])
def test_edb_postgres_wraps_its_data_key_under_an_iv_of_the_server(
    connect: Connect, version: Version, variant: str
) -> None:
    initdb = connect(version)
    made = initdb.ask(ask.create_aes(version, ask.name(unique("edb")))).result
    key = made.unique_identifier
    initdb.do(Operation.ACTIVATE, uid(key))
    data_key = secrets.token_bytes(48)
    file = edb_encrypt(initdb, key, data_key)
    assert edb_encrypt(initdb, key, data_key) != file

    postgres = connect(version)
    how = parameters(random_iv=True)
    if variant == "pykmip":
        iv, data = octets(Tag.IV_COUNTER_NONCE, file[:16]), octets(Tag.DATA, file[16:])
        assert postgres.do(Operation.DECRYPT, uid(key), how, data, iv).get(Tag.DATA) == data_key
    else:
        # The whole file goes as Data, without an IV: the plaintext is expected after one block of anything.
        opened = postgres.do(Operation.DECRYPT, uid(key), how, octets(Tag.DATA, file)).get(Tag.DATA)
        assert opened[16:] == data_key


def test_edb_postgres_learns_nothing_from_a_damaged_file(connect: Connect) -> None:
    client = connect((1, 2))
    key = client.do(Operation.CREATE, creating(AES_256)).unique_identifier
    client.do(Operation.ACTIVATE, uid(key))
    file = edb_encrypt(client, key, secrets.token_bytes(48))
    bad_padding = file[:-17] + bytes([file[-17] ^ 0xFF]) + file[-16:]
    answers = set()
    for damaged in (bad_padding, file[:-1]):
        refused = client.try_(Operation.DECRYPT, uid(key), parameters(random_iv=True), octets(Tag.DATA, damaged))
        answers.add((refused.reason, refused.message))
    assert [reason for reason, _ in answers] == [Reason.CRYPTOGRAPHIC_FAILURE]


def test_intersystems_iris_manages_its_keys_in_2_0(connect: Connect) -> None:
    iris, name = connect((2, 0)), unique("iris")
    key = iris.ask(ask.create_aes((2, 0), ask.name(name))).result.unique_identifier
    located = iris.ask(ask.locate((2, 0), ask.name(name), ask.object_type(SYMMETRIC_KEY))).result
    assert found_in(located) == [key]
    got = iris.do(Operation.GET, uid(key))
    assert (got.get(Tag.OBJECT_TYPE), got.unique_identifier, len(key_in(got))) == (SYMMETRIC_KEY, key, 32)
    everything = iris.do(Operation.GET_ATTRIBUTES, uid(key))
    assert everything.get(Tag.ATTRIBUTES, Tag.STATE) == PRE_ACTIVE
    iris.do(Operation.DESTROY, uid(key))
    assert found_in(iris.ask(ask.locate((2, 0), ask.name(name))).result) == []
    assert iris.ask(Request(Operation.GET, uid(key))).result.reason == Reason.OBJECT_DESTROYED
