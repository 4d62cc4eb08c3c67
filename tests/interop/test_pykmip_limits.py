"""What PyKMIP cannot do in some version: each row says why, as its source shows, and is shown by doing it.

A row that no longer fails is a row to be removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kmip.core import attributes as core_attributes
from kmip.core import enums
from kmip.core.exceptions import AttributeNotSupported, ReadValueError, StreamNotEmptyError, VersionNotSupported
from kmip.core.factories.attributes import AttributeFactory
from kmip.core.messages import payloads
from kmip.pie import objects
from kmip.pie.client import ProxyKmipClient
from kmip.pie.exceptions import KmipOperationFailure
from pykmip_support import AES, PYKMIP_VERSIONS, RSA, Mask, OpenClient, registered_objects
from replaying import unique
from support.server import MakeServer
from support.wire import Version

DOCUMENTS = Path(__file__).parents[2] / "docs"
GCM = {"block_cipher_mode": enums.BlockCipherMode.GCM, "random_iv": True, "tag_length": 16}


class Limit(NamedTuple):
    """A call that fails: in which versions, how it shows, and why."""

    call: str
    versions: tuple[Version, ...]
    error: type[Exception]
    why: str


def before(version: Version) -> tuple[Version, ...]:
    return tuple(each for each in PYKMIP_VERSIONS if each < version)


def after(version: Version) -> tuple[Version, ...]:
    return tuple(each for each in PYKMIP_VERSIONS if each >= version)


REFUSED = KmipOperationFailure
LIMITS = (
    Limit("set_attribute", before((2, 0)), VersionNotSupported, "PyKMIP knows that it is an operation of 2.0"),
    Limit("encrypt", before((1, 2)), REFUSED, "Encrypt is an operation of 1.2; PyKMIP sends it all the same"),
    Limit("decrypt", before((1, 2)), REFUSED, "Decrypt is an operation of 1.2; PyKMIP sends it all the same"),
    Limit("sign", before((1, 2)), REFUSED, "Sign is an operation of 1.2; PyKMIP sends it all the same"),
    Limit("signature_verify", before((1, 2)), REFUSED, "Signature Verify is an operation of 1.2"),
    Limit("mac", before((1, 2)), REFUSED, "MAC is an operation of 1.2; PyKMIP sends it all the same"),
    Limit(
        "discover_versions", before((1, 1)), AttributeError, "an operation of 1.1; a refusal has no versions to read"
    ),
    Limit("rekey_key_pair", before((1, 1)), AttributeError, "an operation of 1.1; the refusal has no keys to read"),
    Limit("locate offset_items", before((1, 3)), REFUSED, "Offset Items is a field of 1.3; PyKMIP sends it anyway"),
    Limit("locate object_group_member", before((1, 1)), REFUSED, "Object Group Member is a field of 1.1"),
    Limit("derive_key cryptographic_algorithm", before((1, 2)), REFUSED, "that Cryptographic Parameter is of 1.2"),
    Limit("locate operation_policy_name", after((2, 0)), AttributeNotSupported, "the attribute ended with 1.4"),
    Limit("get_attributes custom", after((2, 0)), ValueError, "PyKMIP has no vendor attributes in Attribute Reference"),
    Limit(
        "get_attributes all",
        ((1, 4),),
        Exception,
        "PyKMIP's factory has no class for Random Number Generator, and in 1.4 a listing holds all that is there",
    ),
    Limit(
        "check of no object",
        PYKMIP_VERSIONS,
        AttributeError,
        "KMIPProxy.check reads the payload of a failure, which has one only where a field of the request is denied",
    ),
    Limit(
        "get wrapped",
        after((1, 1)),
        ReadValueError,
        "PyKMIP's KeyBlock reads a structure; a wrapped Key Value is a Byte String (KMIP 1.4 s2.1.4)",
    ),
    Limit("get wrapped", before((1, 1)), REFUSED, "Encoding Option is a field of 1.1; PyKMIP sends it all the same"),
    Limit(
        "encrypt and decrypt gcm",
        after((1, 4)),
        REFUSED,
        "since 1.4 the tag has a field of its own, which ProxyKmipClient neither returns nor takes",
    ),
    Limit(
        "query capabilities",
        after((2, 0)),
        StreamNotEmptyError,
        "PyKMIP's Capability Information has no Quantum Safe Capability (KMIP 2.0 s7.5)",
    ),
    Limit(
        "query storage protection masks",
        after((2, 0)),
        StreamNotEmptyError,
        "PyKMIP reads masks without the structure around them (KMIP 2.0 s7.27)",
    ),
    Limit("register split key", PYKMIP_VERSIONS, REFUSED, "this server has no Split Keys, and says so in Query"),
    Limit(
        "obtain_lease",
        PYKMIP_VERSIONS,
        NotImplementedError,
        "PyKMIP has payloads of Obtain Lease, Get Usage Allocation, Archive, Recover, Poll and Cancel, and its factory"
        " makes none of them",
    ),
)


def attribute(kind: str, value: Any) -> Any:
    return AttributeFactory().create_attribute(enums.AttributeType[kind], value)


def active_key(client: ProxyKmipClient) -> str:
    key = client.create(AES, 256, None, unique("limit"), [Mask.WRAP_KEY, Mask.DERIVE_KEY, Mask.MAC_GENERATE])
    client.activate(key)
    return str(key)


def wrapped(client: ProxyKmipClient, key: str) -> Any:
    """Get a key wrapped by another."""
    specification = {
        "wrapping_method": enums.WrappingMethod.ENCRYPT,
        "encryption_key_information": {
            "unique_identifier": active_key(client),
            "cryptographic_parameters": {"block_cipher_mode": enums.BlockCipherMode.NIST_KEY_WRAP},
        },
        "encoding_option": enums.EncodingOption.NO_ENCODING,
    }
    return client.get(key, specification)


def rekeyed_pair(client: ProxyKmipClient, _: str) -> Any:
    _, private = client.create_key_pair(RSA, 2048)
    identifier = core_attributes.PrivateKeyUniqueIdentifier(private)
    return client.proxy.rekey_key_pair(private_key_uuid=identifier).private_key_uuid


def derived(client: ProxyKmipClient, key: str) -> Any:
    parameters = {
        "cryptographic_parameters": {
            "block_cipher_mode": enums.BlockCipherMode.CBC,
            "padding_method": enums.PaddingMethod.PKCS5,
            "cryptographic_algorithm": AES,
        },
        "initialization_vector": bytes(16),
        "derivation_data": bytes(32),
    }
    return client.derive_key(
        enums.ObjectType.SECRET_DATA, [key], enums.DerivationMethod.ENCRYPT, parameters, cryptographic_length=128
    )


def sealed(client: ProxyKmipClient, key: str) -> Any:
    data, iv = client.encrypt(b"data", key, GCM)
    return client.decrypt(data, key, GCM, iv)


def split_key(client: ProxyKmipClient, _: str) -> Any:
    part = objects.SplitKey(
        AES,
        128,
        bytes(16),
        [Mask.ENCRYPT],
        unique("split"),
        split_key_parts=3,
        key_part_identifier=1,
        split_key_threshold=2,
        split_key_method=enums.SplitKeyMethod.XOR,
    )
    return client.register(part)


def located(**how: Any) -> Callable[[ProxyKmipClient, str], Any]:
    return lambda client, _: client.locate(**how)


def queried(function: str) -> Callable[[ProxyKmipClient, str], Any]:
    return lambda client, _: client.proxy.query(query_functions=[enums.QueryFunction[function]])


CALLS: dict[str, Callable[[ProxyKmipClient, str], Any]] = {
    "set_attribute": lambda client, key: client.set_attribute(key, attribute_name="Sensitive", attribute_value=True),
    "encrypt": lambda client, key: client.encrypt(b"data", key),
    "decrypt": lambda client, key: client.decrypt(b"data", key),
    "sign": lambda client, key: client.sign(b"data", key),
    "signature_verify": lambda client, key: client.signature_verify(b"data", b"signature", key),
    "mac": lambda client, key: client.mac(b"data", key, enums.CryptographicAlgorithm.HMAC_SHA256),
    "discover_versions": lambda client, _: client.proxy.discover_versions().protocol_versions,
    "rekey_key_pair": rekeyed_pair,
    "locate offset_items": located(offset_items=1),
    "locate object_group_member": located(
        object_group_member=enums.ObjectGroupMember.GROUP_MEMBER_FRESH, attributes=[attribute("OBJECT_GROUP", "group")]
    ),
    "locate operation_policy_name": located(attributes=[attribute("OPERATION_POLICY_NAME", "default")]),
    "derive_key cryptographic_algorithm": derived,
    "get_attributes custom": lambda client, key: client.get_attributes(key, ["x-mine"]),
    "get_attributes all": lambda client, key: client.get_attributes(key),
    "check of no object": lambda client, key: client.check("none", cryptographic_usage_mask=[Mask.SIGN]),
    "get wrapped": wrapped,
    "encrypt and decrypt gcm": sealed,
    "query capabilities": queried("QUERY_CAPABILITIES"),
    "query storage protection masks": queried("QUERY_STORAGE_PROTECTION_MASKS"),
    "register split key": split_key,
    "obtain_lease": lambda client, key: client.proxy.send_request_payload(
        enums.Operation.OBTAIN_LEASE, payloads.ObtainLeaseRequestPayload(key)
    ),
}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.call}, {limit.versions[0]}")
def test_pykmip_cannot_do_this_and_goes_on(pykmip_client: OpenClient, limit: Limit) -> None:
    for version in limit.versions:
        client = pykmip_client(version)
        key = active_key(client)
        with pytest.raises(limit.error):
            CALLS[limit.call](client, key)
        assert len(client.get(key).value) == 32


def test_with_the_setting_of_the_documents_pykmip_lists_all_attributes_in_1_4(
    make_server: MakeServer,
) -> None:
    (setting,) = re.findall(r"^short_listings = .*$", (DOCUMENTS / "clients.md").read_text(), re.MULTILINE)
    server = make_server()
    configuration = server.data / "server.toml"
    configuration.write_text(re.sub(r"(?m)^short_listings = .*$", setting, configuration.read_text()))
    server.start()
    try:
        with server.add_client("pykmip").pykmip((1, 4)) as client:
            keys = [client.create(AES, 128), *client.create_key_pair(RSA, 2048)]
            keys += [client.register(made) for made in registered_objects("listed")]
            for key in keys:
                identifier, listed = client.get_attributes(key)
                assert identifier == key
                assert {each.attribute_name.value for each in listed} >= {"Unique Identifier", "Object Type", "State"}
    finally:
        server.kill()
