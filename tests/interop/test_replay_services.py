"""What security services send: FortiGate, Ceph RGW, Veeam, OpenStack Barbican, OpenBao, Krill and Cascade."""

from __future__ import annotations

import hashlib
import secrets
import ssl
import time
from collections.abc import Callable

import pytest
from conftest import Connect
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from replaying import (
    AES_256,
    OverTls,
    Replay,
    asking,
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
)
from support import requests as ask
from support.numbers import Operation, Reason, Tag
from support.requests import ACTIVE, PRE_ACTIVE, PUBLIC_KEY, SECRET_DATA, SYMMETRIC_KEY
from support.server import Client
from support.wire import (
    Connection,
    Node,
    Result,
    Version,
    boolean,
    credential,
    date_time,
    enumeration,
    integer,
    octets,
    structure,
)

AES, RSA = 3, 4
RAW, OPAQUE, PKCS_1, PKCS_8, X_509 = 1, 2, 3, 4, 5
GCM, OAEP, MGF1, SHA_256, PKCS1_V1_5 = 9, 2, 1, 6, 8


def creating(*attributes: bytes) -> bytes:
    return enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + template(*attributes)


def pair(common: bytes, private: bytes = b"", public: bytes = b"") -> bytes:
    """The payload of a Create Key Pair request; a template that is empty is left out."""
    parts = (
        (Tag.COMMON_TEMPLATE_ATTRIBUTE, common),
        (Tag.PRIVATE_KEY_TEMPLATE_ATTRIBUTE, private),
        (Tag.PUBLIC_KEY_TEMPLATE_ATTRIBUTE, public),
    )
    return b"".join(structure(tag, content) for tag, content in parts if content)


def identifiers(result: Result) -> tuple[str, str]:
    """The private and the public key of an answer to Create Key Pair."""
    result.expect_success()
    return result.get(Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER), result.get(Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


@pytest.mark.parametrize("minor", range(5))
def test_fortigate_finds_each_ipsec_key_by_its_name_inside_a_template(
    connect: Connect, password: tuple[str, str], minor: int
) -> None:
    gate, tunnel = connect((1, minor), fields=[credential(*password)]), unique("fortigate")
    keys = {}
    for use in ("ENC-in", "ENC-out", "AUTH-in", "AUTH-out"):
        name = f"{tunnel}-{use}"
        keys[name] = gate.do(Operation.CREATE, creating(AES_256, named(name))).unique_identifier
        gate.do(Operation.ACTIVATE, uid(keys[name]))
    secrets_found = set()
    for name, key in keys.items():
        located = gate.do(Operation.LOCATE, integer(Tag.MAXIMUM_ITEMS, 1), template(named(name)))
        assert found_in(located) == [key]
        secrets_found.add(key_in(gate.do(Operation.GET, uid(key))))
    assert len(secrets_found) == 4
    assert found_in(gate.do(Operation.LOCATE, template(named(f"{tunnel}-ENC")))) == []
    name, old = next(iter(keys.items()))
    new = gate.do(Operation.RE_KEY, uid(old)).unique_identifier
    assert found_in(gate.do(Operation.LOCATE, template(named(name)))) == [new]
    assert key_in(gate.do(Operation.GET, uid(new))) not in secrets_found
    for key in (new, *keys.values()):
        gate.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
        gate.do(Operation.DESTROY, uid(key))


def test_ceph_rgw_creates_locates_and_gets_on_pooled_connections(connect: Connect, password: tuple[str, str]) -> None:
    """Authentication comes between Maximum Response Size and Time Stamp, as the header's order has it."""

    def handle() -> Replay:
        fields = [
            integer(Tag.MAXIMUM_RESPONSE_SIZE, 8192),
            credential(*password),
            date_time(Tag.TIME_STAMP, int(time.time())),
        ]
        return connect((1, 0), fields=fields)

    pool, name = [handle(), handle()], unique("rgw-kek")
    assert found_in(pool[0].do(Operation.LOCATE, named(name))) == []
    created = pool[1].do(Operation.CREATE, creating(AES_256, named(name)))
    assert created.get(Tag.OBJECT_TYPE) == SYMMETRIC_KEY
    for member in pool * 2:
        assert found_in(member.do(Operation.LOCATE, named(name))) == [created.unique_identifier]
        got = member.do(Operation.GET, uid(created.unique_identifier))
        assert got.get(Tag.SYMMETRIC_KEY, Tag.KEY_BLOCK, Tag.KEY_FORMAT_TYPE) == RAW
        assert len(key_in(got)) == 32


RSA_2048 = choice("Cryptographic Algorithm", RSA) + number("Cryptographic Length", 2048)


def material(result: Result, kind: int, key_format: int) -> bytes:
    """The Key Material of a key in the format it should be in; with nothing beside it, or Veeam stops reading."""
    block = result.payload and result.payload.find(kind, Tag.KEY_BLOCK)
    assert block is not None
    assert block.get(Tag.KEY_FORMAT_TYPE) == key_format
    assert (block.get(Tag.CRYPTOGRAPHIC_ALGORITHM), block.get(Tag.CRYPTOGRAPHIC_LENGTH)) == (RSA, 2048)
    return key_in(result, kind)


@pytest.mark.parametrize("tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_veeam_keeps_a_key_pair_and_resumes_its_tls_session(client: Client, tls: ssl.TLSVersion) -> None:
    context = client.credentials.context(tls)
    first, name = Connection(client.server.kmip, context), unique("veeam")
    with first:
        veeam = Replay(OverConnection(first), (1, 4))
        assert found_in(veeam.do(Operation.LOCATE, choice("Object Type", PUBLIC_KEY), named(name))) == []
        made = veeam.do(
            Operation.CREATE_KEY_PAIR,
            pair(
                RSA_2048,
                number("Cryptographic Usage Mask", 0x28) + named(f"{name}-private"),
                number("Cryptographic Usage Mask", 0x14) + named(name),
            ),
        )
        private, public = identifiers(made)
        for key in (private, public):
            veeam.do(Operation.ACTIVATE, uid(key))
        session = first.socket.session
    with Connection(client.server.kmip, context, resume=session) as second:
        assert second.socket.session_reused
        veeam = Replay(OverConnection(second), (1, 4))
        located = veeam.do(Operation.LOCATE, choice("Object Type", PUBLIC_KEY), named(name))
        assert found_in(located) == [public]
        encoded = veeam.do(Operation.GET, uid(public), enumeration(Tag.KEY_FORMAT_TYPE, X_509))
        lock = load_der_public_key(material(encoded, Tag.PUBLIC_KEY, X_509))
        encoded = veeam.do(Operation.GET, uid(private), enumeration(Tag.KEY_FORMAT_TYPE, PKCS_8))
        unlock = load_der_private_key(material(encoded, Tag.PRIVATE_KEY, PKCS_8), None)
        assert isinstance(lock, RSAPublicKey)
        assert isinstance(unlock, RSAPrivateKey)
        secret = secrets.token_bytes(32)
        assert unlock.decrypt(lock.encrypt(secret, padding.PKCS1v15()), padding.PKCS1v15()) == secret
        for key, kind in ((private, Tag.PRIVATE_KEY), (public, Tag.PUBLIC_KEY)):
            default = veeam.do(Operation.GET, uid(key))
            assert key_in(default, kind)
            veeam.do(Operation.REVOKE, uid(key), revocation(ask.CESSATION_OF_OPERATION))
            veeam.do(Operation.DESTROY, uid(key))


class OverConnection(OverTls):
    """A connection that the test opened."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


def barbican_template(title: str, bits: int) -> bytes:
    """The plug-in gives algorithm, mask and length, in this order."""
    return template(
        choice("Cryptographic Algorithm", AES),
        number("Cryptographic Usage Mask", 0x0C),
        number("Cryptographic Length", bits),
        named(title),
    )


def test_barbican_reads_keys_that_it_never_activates(make_client: Callable[..., Client], connect: Connect) -> None:
    conductor = make_client("barbican")
    conductor.credentials.key.chmod(0o400)
    plugin = connect((1, 2), client=conductor, tls=ssl.TLSVersion.TLSv1_2)
    asked = enumeration(Tag.OBJECT_TYPE, SYMMETRIC_KEY) + barbican_template(unique("barbican"), 256)
    key = plugin.do(Operation.CREATE, asked).unique_identifier
    assert attributes_in(plugin.do(Operation.GET_ATTRIBUTES, uid(key), asking("State"))) == {"State": PRE_ACTIVE}
    got = plugin.do(Operation.GET, uid(key))
    assert len(key_in(got)) == 32
    plugin.do(Operation.DESTROY, uid(key))


def test_barbican_makes_a_key_pair_without_saying_what_it_is_for(connect: Connect) -> None:
    plugin = connect((1, 2))
    private, public = identifiers(plugin.do(Operation.CREATE_KEY_PAIR, pair(RSA_2048)))
    for key, kind, load in (
        (private, Tag.PRIVATE_KEY, lambda data: load_der_private_key(data, None)),
        (public, Tag.PUBLIC_KEY, load_der_public_key),
    ):
        got = plugin.do(Operation.GET, uid(key))
        load(key_in(got, kind))
        plugin.do(Operation.DESTROY, uid(key))


def test_barbican_stores_secrets_of_every_type_and_gets_them_as_they_were(connect: Connect) -> None:
    plugin, password, key = connect((1, 2)), secrets.token_bytes(9), secrets.token_bytes(32)
    stored = {
        SECRET_DATA: structure(
            Tag.SECRET_DATA, enumeration(Tag.SECRET_DATA_TYPE, 1), ask.key_block(password, None, key_format=OPAQUE)
        ),
        SYMMETRIC_KEY: structure(Tag.SYMMETRIC_KEY, ask.key_block(key)),
        8: structure(
            Tag.OPAQUE_OBJECT,
            enumeration(Tag.OPAQUE_DATA_TYPE, 0x80000000),
            octets(Tag.OPAQUE_DATA_VALUE, b"any bytes"),
        ),
    }
    for kind, body in stored.items():
        mask = b"" if kind == 8 else number("Cryptographic Usage Mask", 0x0C)
        asked = enumeration(Tag.OBJECT_TYPE, kind) + template(mask, named(unique("barbican"))) + body
        identifier = plugin.do(Operation.REGISTER, asked).unique_identifier
        got = plugin.do(Operation.GET, uid(identifier))
        assert got.payload is not None
        assert got.payload.value[-1] == read(body)
        plugin.do(Operation.DESTROY, uid(identifier))


def read(item: bytes) -> Node:
    from support.wire import parse

    return parse(item)


@pytest.mark.parametrize("version", [(1, 2), (1, 3), (1, 4)], ids=str)
def test_openbao_seals_its_root_key_with_an_aes_key(connect: Connect, version: Version) -> None:
    """The tag travels beside the ciphertext in 1.4, and behind it before."""
    bao = connect(version)
    key = bao.do(Operation.CREATE, creating(AES_256, named(unique("openbao")))).unique_identifier
    bao.do(Operation.ACTIVATE, uid(key))
    root, aad = secrets.token_bytes(32), b"openbao"
    how = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        enumeration(Tag.BLOCK_CIPHER_MODE, GCM),
        enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, AES),
        boolean(Tag.RANDOM_IV, True),
        integer(Tag.IV_LENGTH, 96),
        integer(Tag.TAG_LENGTH, 16),
    )
    bound = octets(Tag.AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, aad) if version >= (1, 4) else b""
    sealed = bao.do(Operation.ENCRYPT, uid(key), how, octets(Tag.DATA, root), bound)
    iv, ciphertext = sealed.get(Tag.IV_COUNTER_NONCE), sealed.get(Tag.DATA)
    tag = sealed.get(Tag.AUTHENTICATED_ENCRYPTION_TAG)
    assert (len(iv), len(ciphertext), tag is None) == (12, 32 if tag else 48, version < (1, 4))

    def unseal(data: bytes) -> Result:
        beside = b"" if tag is None else bound + octets(Tag.AUTHENTICATED_ENCRYPTION_TAG, tag)
        nonce = octets(Tag.IV_COUNTER_NONCE, iv)
        return bao.try_(Operation.DECRYPT, uid(key), how, octets(Tag.DATA, data), nonce, beside)

    assert unseal(ciphertext).get(Tag.DATA) == root
    assert unseal(ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])).reason == Reason.CRYPTOGRAPHIC_FAILURE


@pytest.mark.parametrize("version", [(1, 2), (1, 4)], ids=str)
def test_openbao_seals_its_root_key_with_an_rsa_key(connect: Connect, version: Version) -> None:
    bao = connect(version)
    asked = pair(RSA_2048, number("Cryptographic Usage Mask", 0x08), number("Cryptographic Usage Mask", 0x04))
    private, public = identifiers(bao.do(Operation.CREATE_KEY_PAIR, asked))
    for key in (private, public):
        bao.do(Operation.ACTIVATE, uid(key))
    how = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        enumeration(Tag.PADDING_METHOD, OAEP),
        enumeration(Tag.HASHING_ALGORITHM, SHA_256),
        enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, RSA),
    )
    root = secrets.token_bytes(32)
    sealed = bao.do(Operation.ENCRYPT, uid(public), how, octets(Tag.DATA, root)).get(Tag.DATA)
    assert bao.do(Operation.DECRYPT, uid(private), how, octets(Tag.DATA, sealed)).get(Tag.DATA) == root


@pytest.mark.parametrize("version", [(1, 2), (1, 4)], ids=str)
def test_krill_and_cascade_sign_with_a_key_pair_that_they_name_afterwards(connect: Connect, version: Version) -> None:
    signer = connect(version, item_id=b"")
    told = signer.do(Operation.QUERY, enumeration(Tag.QUERY_FUNCTION, 1), enumeration(Tag.QUERY_FUNCTION, 3))
    assert told.payload is not None
    assert {node.value for node in told.payload.all(Tag.OPERATION)} >= {Operation.SIGN, Operation.CREATE_KEY_PAIR}
    signer.do(Operation.DISCOVER_VERSIONS)
    temporary = unique("krill")
    made = signer.do(
        Operation.CREATE_KEY_PAIR,
        pair(
            RSA_2048,
            named(f"{temporary}-private") + number("Cryptographic Usage Mask", 0x01),
            named(f"{temporary}-public") + number("Cryptographic Usage Mask", 0x02),
        ),
    )
    private, public = identifiers(made)
    encoded = signer.do(Operation.GET, uid(public), enumeration(Tag.KEY_FORMAT_TYPE, PKCS_1))
    pkcs_1 = material(encoded, Tag.PUBLIC_KEY, PKCS_1)
    # The names that the keys keep are made from the public key, which is known only now.
    final = hashlib.sha1(pkcs_1, usedforsecurity=False).hexdigest()
    for key, kind in ((private, "private"), (public, "public")):
        renamed = signer.do(Operation.MODIFY_ATTRIBUTE, uid(key), named(f"{final}-{kind}"))
        assert attributes_in(renamed) == {"Name": (f"{final}-{kind}", 1)}
    signer.do(Operation.ACTIVATE, uid(private))
    state = signer.do(Operation.GET_ATTRIBUTES, uid(private), asking("State"))
    assert attributes_in(state) == {"State": ACTIVE}
    how = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS,
        enumeration(Tag.PADDING_METHOD, PKCS1_V1_5),
        enumeration(Tag.HASHING_ALGORITHM, SHA_256),
        enumeration(Tag.CRYPTOGRAPHIC_ALGORITHM, RSA),
    )
    record = b"a resource record set"
    signed = signer.do(Operation.SIGN, uid(private), how, octets(Tag.DATA, record))
    verifier = load_der_public_key(
        material(signer.do(Operation.GET, uid(public), enumeration(Tag.KEY_FORMAT_TYPE, X_509)), Tag.PUBLIC_KEY, X_509)
    )
    assert isinstance(verifier, RSAPublicKey)
    verifier.verify(signed.get(Tag.SIGNATURE_DATA), record, padding.PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        verifier.verify(signed.get(Tag.SIGNATURE_DATA), record + b"!", padding.PKCS1v15(), SHA256())
    signer.do(Operation.REVOKE, uid(private), revocation(ask.CESSATION_OF_OPERATION))
    refused = signer.try_(Operation.SIGN, uid(private), how, octets(Tag.DATA, record))
    assert refused.reason == Reason.PERMISSION_DENIED
    for key in (private, public):
        signer.do(Operation.DESTROY, uid(key))
