"""Without a lease from the nodes a shared key is used for nothing, and nobody gets a longer lease on it than the site.

The table says of every operation whether it uses key bytes: a new one has to be put into it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support import keys
from support import requests as ask
from support.engine import EngineClient, EngineHarness, MakeEngine
from support.keys import block_of, get_as, wrapping_specification
from support.negotiated import NEGOTIATED, mark_negotiated
from support.numbers import Operation, Reason, Tag
from support.requests import Request
from support.wire import Version, boolean, enumeration, integer, interval, octets, structure

import kmip_server
from kmip_server.operations.registry import REGISTRY
from kmip_server.storage.lease import put_lease

V21: Version = (2, 1)
DATA, IV = b"sixteen bytes...", bytes(range(16))
IN_CBC = ask.parameters(keys.CBC)
HMAC_SHA256 = 9
MASK = ask.ENCRYPT | ask.DECRYPT | 0x80 | 0x100 | keys.WRAP | keys.UNWRAP | keys.DERIVE
HKDF = 10
LEASE_S = 30


@pytest.fixture
def engine(make_engine: MakeEngine) -> EngineHarness:
    """An engine that a gateway has a lease for."""
    made = make_engine()
    lease(made, LEASE_S)
    return made


def lease(engine: EngineHarness, seconds: int) -> None:
    """Have a lease for so long from now on; 0: none."""
    put_lease(engine.store.database, engine.now + seconds if seconds else 0)


def shared(engine: EngineHarness, key: str) -> str:
    """Make a key look like one that the peer has taken."""
    mark_negotiated(engine.store, key, {**NEGOTIATED, "ConfirmedAt": str(engine.now)})
    return key


def active(client: EngineClient, *more: ask.Attribute) -> str:
    key = client.do(ask.create_aes(V21, *more, mask=MASK)).unique_identifier
    client.do(ask.activate(key)).expect_success()
    return key


class Uses:
    """Requests that use the bytes of a key, once each, prepared while it can be used."""

    def __init__(self, engine: EngineHarness) -> None:
        self.client = client = engine.client()
        self.key, self.other = active(client), active(client)
        hmac = structure(Tag.CRYPTOGRAPHIC_PARAMETERS, enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, HMAC_SHA256))
        self._mac = ask.identifier(self.key) + hmac + octets(Tag.DATA, DATA)
        mac = client.do(Request(Operation.MAC, self._mac)).get(Tag.MAC_DATA)
        self._verify = self._mac + octets(Tag.MAC_DATA, mac)
        made = client.do(get_as(self.other, specification=wrapping_specification(self.key)))
        blob = block_of(made).get(Tag.KEY_VALUE)
        self._wrapped = structure(Tag.SYMMETRIC_KEY, keys.wrapped_block(blob, keys.wrapping_data(self.key)))
        self._stream = client.do(self._part(boolean(Tag.INIT_INDICATOR, True))).get(Tag.CORRELATION_VALUE)

    def _part(self, *more: bytes) -> Request:
        asked = ask.encrypt(self.key, DATA, IN_CBC, IV)
        return Request(Operation.ENCRYPT, asked.payload + b"".join(more))

    def all(self) -> dict[str, Request]:
        """By a name for each."""
        return {
            "Get": ask.get(self.key),
            "Export": get_as(self.key, operation=Operation.EXPORT),
            "Get of another, wrapped with it": get_as(self.other, specification=wrapping_specification(self.key)),
            "Export of another, wrapped with it": get_as(
                self.other, operation=Operation.EXPORT, specification=wrapping_specification(self.key)
            ),
            "Get of it, wrapped with another": get_as(self.key, specification=wrapping_specification(self.other)),
            "Encrypt": ask.encrypt(self.key, DATA, IN_CBC, IV),
            "Encrypt, a later part": self._part(octets(Tag.CORRELATION_VALUE, self._stream)),
            "Decrypt": ask.decrypt(self.key, DATA, IN_CBC, IV),
            "MAC": Request(Operation.MAC, self._mac),
            "MAC Verify": Request(Operation.MAC_VERIFY, self._verify),
            "Derive Key": Request(
                Operation.DERIVE_KEY,
                enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
                + ask.identifier(self.key)
                + enumeration(Tag.DERIVATION_METHOD, HKDF)
                + structure(
                    Tag.DERIVATION_PARAMETERS,
                    keys.cryptographic_parameters(hashing=keys.SHA_256),
                    octets(Tag.DERIVATION_DATA, b"for"),
                )
                + ask.attributes(V21, ask.algorithm(ask.AES), ask.length(256), ask.usage_mask(12)),
            ),
            "Register, wrapped with it": ask.register(V21, ask.SYMMETRIC_KEY, self._wrapped, ask.usage_mask(12)),
            "Import, to be unwrapped with it": Request(
                Operation.IMPORT,
                ask.identifier("imported")
                + enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
                + enumeration(Tag.KEY_WRAP_TYPE, keys.NOT_WRAPPED)
                + structure(Tag.ATTRIBUTES, ask.usage_mask(12).item)
                + self._wrapped,
            ),
        }


NO_KEY_BYTES = {
    *("ACTIVATE", "ADD_ATTRIBUTE", "SET_ATTRIBUTE", "ADJUST_ATTRIBUTE", "ARCHIVE", "POLL", "CANCEL", "OBTAIN_LEASE"),
    *("CHECK", "CREATE", "CREATE_KEY_PAIR", "DELETE_ATTRIBUTE", "DESTROY", "DISCOVER_VERSIONS", "GET_ATTRIBUTE_LIST"),
    *("GET_ATTRIBUTES", "GET_USAGE_ALLOCATION", "HASH", "LOCATE", "MODIFY_ATTRIBUTE", "QUERY", "RE_KEY"),
    *("RE_KEY_KEY_PAIR", "RECOVER", "REVOKE", "RNG_RETRIEVE", "RNG_SEED"),
}
"""Operations for which no key bytes are read."""
ASYMMETRIC = {"SIGN", "SIGNATURE_VERIFY"}
"""They compute with a Private Key, a Public Key or a Certificate: none of them is negotiated."""


def test_each_operation_is_in_the_table() -> None:
    used = {"GET", "EXPORT", "ENCRYPT", "DECRYPT", "MAC", "MAC_VERIFY", "DERIVE_KEY", "REGISTER", "IMPORT"}
    assert {operation.name for operation in REGISTRY} == used | NO_KEY_BYTES | ASYMMETRIC


def test_key_bytes_are_read_in_one_place() -> None:
    """Behind the storage port, `Unit.material` is what unseals them; `Call.stored` alone calls it."""
    package = Path(kmip_server.__file__).parent
    reading = {
        file.relative_to(package).as_posix(): file.read_text().count(".material(")
        for file in package.rglob("*.py")
        if ".material(" in file.read_text() and "storage" not in file.relative_to(package).parts
    }
    assert reading == {"operations/call.py": 1}


def test_without_a_lease_a_shared_key_is_used_for_nothing(engine: EngineHarness) -> None:
    uses = Uses(engine)
    shared(engine, uses.key)
    lease(engine, 0)
    for use, asked in uses.all().items():
        refused = uses.client.do(asked)
        assert refused.reason == Reason.PERMISSION_DENIED, use
        assert "has not heard from enough nodes" in (refused.message or ""), use
    lease(engine, LEASE_S)
    for use, asked in uses.all().items():
        answer = uses.client.do(asked)
        assert answer.ok or "nodes" not in (answer.message or ""), use


def test_a_lease_ends_at_its_second(engine: EngineHarness) -> None:
    uses = Uses(engine)
    shared(engine, uses.key)
    engine.now += LEASE_S - 1
    uses.client.do(ask.get(uses.key)).expect_success()
    engine.now += 1
    for use, asked in uses.all().items():
        assert uses.client.do(asked).reason == Reason.PERMISSION_DENIED, use


def test_what_a_peer_has_not_taken_yet_is_used_for_nothing(engine: EngineHarness) -> None:
    uses = Uses(engine)
    mark_negotiated(engine.store, uses.key)
    for use, asked in uses.all().items():
        answer = uses.client.do(asked)
        assert not answer.ok, use
        assert "the other site has not taken this key yet" in (answer.message or ""), use


def test_a_key_of_this_site_alone_needs_no_lease(engine: EngineHarness) -> None:
    uses = Uses(engine)
    lease(engine, 0)
    for use, asked in uses.all().items():
        answer = uses.client.do(asked)
        assert answer.ok or answer.reason == Reason.CRYPTOGRAPHIC_FAILURE, (use, answer)


# Leases for clients. --------------------------------------------------------------------------------------------------


def obtain_lease(key: str) -> Request:
    return Request(Operation.OBTAIN_LEASE, ask.identifier(key))


def check(key: str, seconds: int | None = None) -> Request:
    asked = b"" if seconds is None else interval(Tag.LEASE_TIME, seconds)
    return Request(Operation.CHECK, ask.identifier(key) + asked)


@pytest.mark.parametrize(("own", "granted"), [(0, LEASE_S), (3600, LEASE_S), (20, 20)])
def test_no_lease_is_longer_than_the_sites(make_engine: MakeEngine, own: int, granted: int) -> None:
    engine = make_engine(lease_seconds=own)
    client = engine.client()
    key, local = shared(engine, active(client)), active(client)
    lease(engine, LEASE_S)
    assert client.do(obtain_lease(key)).get(Tag.LEASE_TIME) == granted
    engine.now += LEASE_S - 1
    assert client.do(obtain_lease(key)).get(Tag.LEASE_TIME) == 1
    assert client.do(obtain_lease(local)).get(Tag.LEASE_TIME) == own


def test_there_is_no_lease_without_the_sites(engine: EngineHarness) -> None:
    client = engine.client()
    key, local = shared(engine, active(client)), active(client)
    lease(engine, 0)
    assert client.do(obtain_lease(key)).reason == Reason.PERMISSION_DENIED
    client.do(obtain_lease(local)).expect_success()


def test_check_answers_by_the_lease(engine: EngineHarness) -> None:
    client = engine.client()
    key, local = shared(engine, active(client)), active(client)
    client.do(check(key)).expect_success()
    client.do(check(key, LEASE_S)).expect_success()
    too_long = client.do(check(key, LEASE_S + 1))
    assert too_long.reason == Reason.PERMISSION_DENIED
    assert f"at most {LEASE_S} seconds" in (too_long.message or "")
    lease(engine, 0)
    assert client.do(check(key)).reason == Reason.PERMISSION_DENIED
    client.do(check(local, 2 * LEASE_S)).expect_success()


# One key under one identifier. ----------------------------------------------------------------------------------------


def test_no_import_puts_another_key_in_the_place_of_a_shared_one(engine: EngineHarness) -> None:
    client = engine.client()
    key = shared(engine, active(client))
    before = engine.material(key)
    body = structure(Tag.SYMMETRIC_KEY, keys.block(keys.material(bytes(32)), bits=256))
    asked = Request(
        Operation.IMPORT,
        ask.identifier(key)
        + enumeration(Tag.OBJECT_TYPE, ask.SYMMETRIC_KEY)
        + boolean(Tag.REPLACE_EXISTING, True)
        + structure(Tag.ATTRIBUTES, integer(Tag.CRYPTOGRAPHIC_USAGE_MASK, 12))
        + body,
    )
    answer = client.do(asked)
    assert answer.reason == Reason.PERMISSION_DENIED
    assert "other sites have" in (answer.message or "")
    assert engine.material(key) == before
