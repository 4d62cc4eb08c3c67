"""The real PyKMIP client, unmodified, in every version it speaks: each of its calls (KMIP 1.0 to 1.4, and 2.0).

What it cannot do in some version is in test_pykmip_limits.py.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from kmip.core import attributes as core_attributes
from kmip.core import enums
from kmip.core import objects as core_objects
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages.contents import ProtocolVersion
from kmip.core.misc import KeyFormatType
from kmip.pie import objects
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure
from pykmip_support import AES, EVERY_VERSION, RSA, Mask, OpenClient, registered_objects, since
from replaying import unique
from support.wire import Version

CBC, ECB, CTR, GCM = (enums.BlockCipherMode[name] for name in ("CBC", "ECB", "CTR", "GCM"))
SHA_256 = enums.HashingAlgorithm.SHA_256
KEY_COMPROMISE = enums.RevocationReasonCode.KEY_COMPROMISE
FACTORY = AttributeFactory()


def attribute(kind: str, value: Any, index: int | None = None) -> Any:
    return FACTORY.create_attribute(enums.AttributeType[kind], value, index)


def named(value: str) -> Any:
    return attribute("NAME", value)


def values(client: ProxyKmipClient, key: str, *names: str) -> dict[str, Any]:
    """What Get Attributes says, by name."""
    found = {}
    for each in client.get_attributes(key, list(names))[1]:
        value = each.attribute_value
        found[each.attribute_name.value] = getattr(value, "value", value)
    return found


@EVERY_VERSION
def test_a_key_lives_from_create_to_destroy(pykmip_client: OpenClient, version: Version) -> None:
    client, name = pykmip_client(version), unique("pykmip")
    policy = "default" if version < (2, 0) else None
    key = client.create(AES, 256, policy, name, [Mask.WRAP_KEY])
    assert client.locate(attributes=[named(name)]) == [key]
    assert values(client, key, "State") == {"State": enums.State.PRE_ACTIVE}
    got = client.get(key)
    assert isinstance(got, objects.SymmetricKey)
    assert (got.cryptographic_algorithm, got.cryptographic_length, len(got.value)) == (AES, 256, 32)
    client.activate(key)
    assert values(client, key, "State", "Cryptographic Length") == {
        "State": enums.State.ACTIVE,
        "Cryptographic Length": 256,
    }
    listed = client.get_attribute_list(key)
    assert {"Name", "State", "Activation Date", "Cryptographic Usage Mask"} <= set(listed)
    with pytest.raises(KmipOperationFailure):
        client.destroy(key)
    client.revoke(KEY_COMPROMISE, key, "found on a bus", int(time.time()) - 3600)
    assert values(client, key, "State") == {"State": enums.State.COMPROMISED}
    assert values(client, key, "Compromise Occurrence Date")["Compromise Occurrence Date"] < time.time() - 3000
    client.destroy(key)
    assert values(client, key, "State") == {"State": enums.State.DESTROYED_COMPROMISED}
    with pytest.raises(KmipOperationFailure):
        client.get(key)
    assert client.locate(attributes=[named(name)]) == []


@EVERY_VERSION
def test_every_listing_of_attributes_is_read(pykmip_client: OpenClient, version: Version) -> None:
    """In 1.4 a listing holds what PyKMIP has no class for (see test_pykmip_limits.py): there it asks by name."""
    client = pykmip_client(version)
    keys = [client.create(AES, 128, name=unique("pykmip")), *client.create_key_pair(RSA, 2048)]
    keys += [client.register(made) for made in registered_objects(unique("pykmip"))]
    for key in keys:
        names = client.get_attribute_list(key)
        assert "Unique Identifier" in names
        if version != (1, 4):
            identifier, found = client.get_attributes(key)
            assert identifier == key
            assert {each.attribute_name.value for each in found} >= {"Unique Identifier", "Object Type", "State"}


@EVERY_VERSION
def test_objects_of_every_type_are_registered_and_come_back_as_they_were(
    pykmip_client: OpenClient, version: Version
) -> None:
    client = pykmip_client(version)
    for made in registered_objects(unique("pykmip")):
        identifier = client.register(made)
        got = client.get(identifier)
        assert type(got) is type(made)
        assert got.value == made.value
        for field in ("cryptographic_algorithm", "cryptographic_length", "key_format_type", "data_type"):
            assert getattr(got, field, None) == getattr(made, field, None)
        names = values(client, identifier, "Name")["Name"]
        assert str(getattr(names, "name_value", names)) == made.names[0]
        client.destroy(identifier)


@EVERY_VERSION
def test_objects_without_a_name_of_their_own_are_registered_more_than_once(
    pykmip_client: OpenClient, version: Version
) -> None:
    """PyKMIP gives each object that gets no name the name of its type, and Barbican's plug-in gives none."""
    client = pykmip_client(version)
    identifiers = []
    for _ in range(2):
        identifiers.append(client.register(objects.SymmetricKey(AES, 128, bytes(16), masks=[Mask.ENCRYPT])))
        identifiers.append(client.register(objects.SecretData(b"x", enums.SecretDataType.PASSWORD)))
        identifiers.append(client.register(objects.OpaqueObject(b"x", enums.OpaqueDataType.NONE)))
    assert len(set(identifiers)) == 6
    for identifier in identifiers:
        client.destroy(identifier)


@EVERY_VERSION
def test_key_pairs_are_created_and_rekeyed(pykmip_client: OpenClient, version: Version) -> None:
    client, name = pykmip_client(version), unique("pykmip")
    public, private = client.create_key_pair(
        RSA, 2048, None, f"{name}-public", [Mask.VERIFY], f"{name}-private", [Mask.SIGN]
    )
    assert isinstance(client.get(public), objects.PublicKey)
    assert isinstance(client.get(private), objects.PrivateKey)
    assert client.locate(attributes=[named(f"{name}-private")]) == [private]
    if version < (1, 1):
        return
    rekeyed = client.proxy.rekey_key_pair(private_key_uuid=core_attributes.PrivateKeyUniqueIdentifier(private))
    assert rekeyed.result_status.value == enums.ResultStatus.SUCCESS
    assert rekeyed.private_key_uuid not in (None, private)
    assert client.get(rekeyed.public_key_uuid).value != client.get(public).value
    assert client.locate(attributes=[named(f"{name}-private")]) == [rekeyed.private_key_uuid]


@EVERY_VERSION
def test_a_key_is_rekeyed_with_an_offset(pykmip_client: OpenClient, version: Version) -> None:
    client, name = pykmip_client(version), unique("pykmip")
    old = client.create(AES, 256, name=name)
    client.activate(old)
    new = client.rekey(old, offset=60)
    assert client.locate(attributes=[named(name)]) == [new]
    assert client.get(new).value != client.get(old).value
    assert values(client, new, "State") == {"State": enums.State.PRE_ACTIVE}
    later = client.rekey(new, deactivation_date=int(time.time()) + 3600)
    assert values(client, later, "Deactivation Date")["Deactivation Date"] > time.time()


@EVERY_VERSION
def test_attributes_are_modified_deleted_and_set(pykmip_client: OpenClient, version: Version) -> None:
    client, name = pykmip_client(version), unique("pykmip")
    key = client.create(AES, 256, name=name)
    if version < (2, 0):
        identifier, changed = client.modify_attribute(key, attribute=attribute("NAME", f"{name}-2", 0))
        assert (identifier, changed.attribute_value.name_value.value) == (key, f"{name}-2")
        assert client.locate(attributes=[named(f"{name}-2")]) == [key]
        identifier, deleted = client.delete_attribute(key, attribute_name="Name", attribute_index=0)
        assert (identifier, deleted.attribute_value.name_value.value) == (key, f"{name}-2")
        assert values(client, key, "Name") == {}
        return
    old = core_objects.CurrentAttribute(attribute=_name(name))
    new = core_objects.NewAttribute(attribute=_name(f"{name}-2"))
    assert client.modify_attribute(key, current_attribute=old, new_attribute=new) == (key, None)
    assert client.locate(attributes=[named(f"{name}-2")]) == [key]
    gone = core_objects.CurrentAttribute(attribute=_name(f"{name}-2"))
    assert client.delete_attribute(key, current_attribute=gone) == (key, None)
    assert values(client, key, "Name") == {}
    assert client.set_attribute(key, attribute_name="Sensitive", attribute_value=True) == key
    assert values(client, key, "Sensitive") == {"Sensitive": True}
    with pytest.raises(KmipOperationFailure):
        client.get(key)


def _name(value: str) -> Any:
    return core_attributes.Name.create(value, enums.NameType.UNINTERPRETED_TEXT_STRING)


@EVERY_VERSION
def test_objects_are_located_by_their_attributes(pykmip_client: OpenClient, version: Version) -> None:
    client, mark = pykmip_client(version), unique("pykmip")
    info = {"application_namespace": mark, "application_data": "www"}
    made = [
        client.register(
            objects.SymmetricKey(
                AES, bits, bytes(bits // 8), masks=[Mask.ENCRYPT], name=f"{mark}-{bits}", app_specific_info=[info]
            )
        )
        for bits in (128, 192, 256)
    ]
    client.activate(made[2])
    mine = attribute("APPLICATION_SPECIFIC_INFORMATION", info)
    assert client.locate(attributes=[mine]) == made[::-1]
    assert client.locate(maximum_items=2, attributes=[mine]) == made[:0:-1]
    assert client.locate(storage_status_mask=2, attributes=[mine]) == []
    now = int(time.time())
    for wanted, expected in (
        ([attribute("CRYPTOGRAPHIC_LENGTH", 192)], made[1:2]),
        ([attribute("STATE", enums.State.ACTIVE)], made[2:]),
        ([attribute("STATE", enums.State.DEACTIVATED)], []),
        ([attribute("OBJECT_TYPE", enums.ObjectType.SYMMETRIC_KEY)], made[::-1]),
        ([attribute("CRYPTOGRAPHIC_ALGORITHM", enums.CryptographicAlgorithm.TRIPLE_DES)], []),
        ([attribute("CRYPTOGRAPHIC_USAGE_MASK", [Mask.ENCRYPT])], made[::-1]),
        ([attribute("UNIQUE_IDENTIFIER", made[0])], made[:1]),
        ([attribute("INITIAL_DATE", now - 3600), attribute("INITIAL_DATE", now + 3600)], made[::-1]),
        ([attribute("INITIAL_DATE", now - 7200), attribute("INITIAL_DATE", now - 3600)], []),
        ([named(f"{mark}-128")], made[:1]),
    ):
        assert client.locate(attributes=[mine, *wanted]) == expected, wanted
    if version < (2, 0):
        assert client.locate(attributes=[mine, attribute("OPERATION_POLICY_NAME", "default")]) == made[::-1]
    if version >= (1, 1):
        in_group = [attribute("OBJECT_GROUP", mark)]
        assert client.locate(object_group_member=enums.ObjectGroupMember.GROUP_MEMBER_FRESH, attributes=in_group) == []
    if version >= (1, 3):
        assert client.locate(maximum_items=2, offset_items=2, attributes=[mine]) == made[:1]


DERIVATIONS = {
    enums.DerivationMethod.HASH: {"cryptographic_parameters": {"hashing_algorithm": SHA_256}},
    enums.DerivationMethod.HMAC: {
        "cryptographic_parameters": {"hashing_algorithm": SHA_256},
        "derivation_data": b"data",
    },
    enums.DerivationMethod.PBKDF2: {
        "cryptographic_parameters": {"hashing_algorithm": SHA_256},
        "salt": b"salt of 16 bytes",
        "iteration_count": 1000,
    },
    enums.DerivationMethod.ENCRYPT: {
        "cryptographic_parameters": {"block_cipher_mode": CBC, "padding_method": enums.PaddingMethod.PKCS5},
        "initialization_vector": bytes(16),
        "derivation_data": bytes(32),
    },
    enums.DerivationMethod.NIST800_108_C: {
        "cryptographic_parameters": {"hashing_algorithm": SHA_256},
        "derivation_data": b"data",
    },
}


@EVERY_VERSION
def test_keys_and_secrets_are_derived(pykmip_client: OpenClient, version: Version) -> None:
    client, secret = pykmip_client(version), bytes(range(32))
    base = client.register(objects.SymmetricKey(AES, 256, secret, masks=[Mask.DERIVE_KEY], name=unique("base")))
    client.activate(base)
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(bytes(16))).encryptor()
    expected = {
        enums.DerivationMethod.HASH: hashlib.sha256(secret).digest(),
        enums.DerivationMethod.HMAC: hmac.digest(secret, b"data", "sha256"),
        enums.DerivationMethod.PBKDF2: hashlib.pbkdf2_hmac("sha256", secret, b"salt of 16 bytes", 1000),
        enums.DerivationMethod.ENCRYPT: encryptor.update(bytes(32)),
    }
    for method, parameters in DERIVATIONS.items():
        derived = client.derive_key(
            enums.ObjectType.SYMMETRIC_KEY,
            [base],
            method,
            parameters,
            cryptographic_length=128,
            cryptographic_algorithm=AES,
            cryptographic_usage_mask=[Mask.ENCRYPT],
        )
        value = client.get(derived).value
        assert len(value) == 16
        assert value == expected.get(method, value)[:16]
        password = client.derive_key(enums.ObjectType.SECRET_DATA, [base], method, parameters, cryptographic_length=128)
        assert client.get(password).value == value


CIPHERS: tuple[tuple[Version, dict[str, Any], bytes | None], ...] = (
    ((1, 2), {"block_cipher_mode": CBC, "padding_method": enums.PaddingMethod.PKCS5}, bytes(16)),
    ((1, 2), {"block_cipher_mode": CBC, "padding_method": enums.PaddingMethod.PKCS5, "random_iv": True}, None),
    ((1, 2), {"block_cipher_mode": CBC, "padding_method": enums.PaddingMethod.PKCS5}, None),
    ((1, 2), {"block_cipher_mode": ECB, "padding_method": enums.PaddingMethod.PKCS5}, None),
    ((1, 2), {"block_cipher_mode": CTR}, bytes(16)),
)


@since((1, 2))
def test_data_is_encrypted_and_decrypted(pykmip_client: OpenClient, version: Version) -> None:
    client = pykmip_client(version)
    key = client.create(AES, 256, name=unique("pykmip"))
    client.activate(key)
    for _, parameters, iv in CIPHERS:
        named_too = parameters | {"cryptographic_algorithm": AES}
        data, made_iv = client.encrypt(b"secret data", key, named_too, iv)
        assert data != b"secret data"
        assert (made_iv is None) is (iv is not None or parameters["block_cipher_mode"] is ECB)
        assert client.decrypt(data, key, named_too, iv or made_iv) == b"secret data"
    if version < (1, 4):
        sealing = {"block_cipher_mode": GCM, "random_iv": True, "tag_length": 16}
        data, made_iv = client.encrypt(b"secret data", key, sealing)
        assert client.decrypt(data, key, sealing, made_iv) == b"secret data"
        with pytest.raises(KmipOperationFailure):
            client.decrypt(bytes(len(data)), key, sealing, made_iv)


@since((1, 2))
def test_data_is_signed_verified_and_authenticated(pykmip_client: OpenClient, version: Version) -> None:
    client = pykmip_client(version)
    public, private = client.create_key_pair(RSA, 2048, None, None, [Mask.VERIFY], None, [Mask.SIGN])
    for key in (public, private):
        client.activate(key)
    for how in (
        {"padding_method": enums.PaddingMethod.PSS, "hashing_algorithm": SHA_256, "cryptographic_algorithm": RSA},
        {"padding_method": enums.PaddingMethod.PKCS1v15, "hashing_algorithm": SHA_256, "cryptographic_algorithm": RSA},
        {"digital_signature_algorithm": enums.DigitalSignatureAlgorithm.SHA256_WITH_RSA_ENCRYPTION},
    ):
        signature = client.sign(b"message", private, how)
        assert client.signature_verify(b"message", signature, public, how) == enums.ValidityIndicator.VALID
        assert client.signature_verify(b"massage", signature, public, how) == enums.ValidityIndicator.INVALID
    secret = bytes(range(32))
    algorithm = enums.CryptographicAlgorithm.HMAC_SHA256
    key = client.register(
        objects.SymmetricKey(algorithm, 256, secret, masks=[Mask.MAC_GENERATE, Mask.MAC_VERIFY], name=unique("mac"))
    )
    client.activate(key)
    assert client.mac(b"message", key, algorithm) == (key, hmac.digest(secret, b"message", "sha256"))


@EVERY_VERSION
def test_a_key_is_checked(pykmip_client: OpenClient, version: Version) -> None:
    client = pykmip_client(version)
    key = client.create(AES, 256, name=unique("pykmip"))
    client.activate(key)
    assert client.check(key, cryptographic_usage_mask=[Mask.ENCRYPT, Mask.DECRYPT]) == key
    assert client.check(key, usage_limits_count=1, cryptographic_usage_mask=[Mask.ENCRYPT], lease_time=60) == key


@EVERY_VERSION
def test_a_check_says_which_usages_are_denied(pykmip_client: OpenClient, version: Version) -> None:
    client = pykmip_client(version)
    key = client.create(AES, 256, name=unique("pykmip"))
    denied = client.proxy.check(key, cryptographic_usage_mask=[Mask.ENCRYPT, Mask.SIGN], lease_time=60)
    assert denied["result_status"] is enums.ResultStatus.OPERATION_FAILED
    assert set(denied["cryptographic_usage_mask"]) == {Mask.ENCRYPT, Mask.SIGN}
    assert "lease_time" not in denied
    with pytest.raises(KmipOperationFailure):
        client.check(key, cryptographic_usage_mask=[Mask.SIGN])


@EVERY_VERSION
def test_the_server_says_what_it_can_do(pykmip_client: OpenClient, version: Version) -> None:
    proxy = pykmip_client(version).proxy
    first = [enums.QueryFunction(value) for value in range(1, 5 if version < (1, 1) else 7)]
    result = proxy.query(query_functions=first)
    assert result.result_status.value == enums.ResultStatus.SUCCESS
    assert {enums.Operation.CREATE, enums.Operation.LOCATE, enums.Operation.REKEY} <= set(result.operations)
    assert (enums.Operation.ENCRYPT in result.operations) is (version >= (1, 2))
    assert enums.ObjectType.SYMMETRIC_KEY in result.object_types
    assert result.vendor_identification
    if version >= (1, 3):
        more = [function for function in enums.QueryFunction if function.value in (7, 8, 9, 10, 12)]
        assert proxy.query(query_functions=more).result_status.value == enums.ResultStatus.SUCCESS
    if version >= (1, 1):
        offered = proxy.discover_versions().protocol_versions
        assert [(each.major, each.minor) for each in offered] == [
            (2, 1), (2, 0), (1, 4), (1, 3), (1, 2), (1, 1), (1, 0),
        ]  # fmt: skip
        asked = [ProtocolVersion(1, 2), ProtocolVersion(9, 0), ProtocolVersion(1, 0)]
        some = proxy.discover_versions(protocol_versions=asked).protocol_versions
        assert [(each.major, each.minor) for each in some] == [(1, 2), (1, 0)]


@EVERY_VERSION
def test_a_key_is_got_in_other_formats(pykmip_client: OpenClient, version: Version) -> None:
    client = pykmip_client(version)
    public, private = client.create_key_pair(RSA, 2048)
    for key, kinds in ((public, ("PKCS_1", "X_509")), (private, ("PKCS_1", "PKCS_8"))):
        forms = set()
        for kind in kinds:
            result = client.proxy.get(key, key_format_type=KeyFormatType(enums.KeyFormatType[kind]))
            assert result.result_status.value == enums.ResultStatus.SUCCESS
            block = result.secret.key_block
            assert block.key_format_type.value == enums.KeyFormatType[kind]
            forms.add(block.key_value.key_material.value)
        assert len(forms) == 2


@EVERY_VERSION
def test_a_client_may_send_a_password_beside_its_certificate(
    pykmip_client: OpenClient, password: tuple[str, str], version: Version
) -> None:
    client = pykmip_client(version)
    client.proxy.username, client.proxy.password = password
    key = client.create(AES, 256, name=unique("pykmip"))
    assert len(client.get(key).value) == 32
