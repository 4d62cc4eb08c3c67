"""A private key in PKCS#12: sealed with the password it is linked to, with its certificates (KMIP 2.1 s6.1.19).

A container that a client brings is kept as it came, and not opened (docs/decisions/cryptography.md). Every object on
the way is one that the caller may Get; to others no link leads.
"""

from __future__ import annotations

from typing import Final

from kmip_server.cryptography.key_formats import load_private_key
from kmip_server.cryptography.pkcs12 import to_pkcs12
from kmip_server.errors import KmipError
from kmip_server.objects.key_block import Certificate, KeyBlock, SecretData
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.key_material import clear_material
from kmip_server.ttlv.enumerations import LinkType, Operation, ResultReason, SecretDataType, State
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0

_LONGEST_CHAIN: Final = 16
_FRIENDLY_NAME: Final = "alias"
"""The alias of a key that has no PKCS#12 Friendly Name (s4.39)."""


def pkcs12_of(call: Call, target: ManagedObject, block: KeyBlock) -> bytes:
    """The container. Raises Invalid Field where the links do not lead to one password and one chain at most."""
    key = load_private_key(block.key_format_type, clear_material(block), target.first(Tag.CRYPTOGRAPHIC_ALGORITHM))
    _, password = _password(call, target)
    certificates = _chain(call, target)
    certificate = certificates[0] if certificates else None
    name = target.first(Tag.PKCS12_FRIENDLY_NAME) or _FRIENDLY_NAME
    try:
        return to_pkcs12(key, password, friendly_name=name, certificate=certificate, chain=certificates[1:])
    except KmipError as error:
        if error.reason is not ResultReason.BAD_PASSWORD:
            raise
        raise KmipError(ResultReason.INVALID_FIELD, error.message) from None


def check_password(call: Call, made: ManagedObject) -> None:
    """Refuse a container from a client unless its password is here too (s6.1.43.1).

    Raises Bad Password where the object's links do not lead to one, in 2.x to one that is Active; Permission Denied.
    """
    try:
        linked, _ = _password(call, made)
    except KmipError as error:
        if error.reason is ResultReason.PERMISSION_DENIED:
            raise
        raise KmipError(ResultReason.BAD_PASSWORD, error.message) from None
    if call.version >= V2_0 and linked.state is not State.ACTIVE:
        raise KmipError(
            ResultReason.BAD_PASSWORD,
            "the Secret Data of the PKCS#12 Password Link (42004A) is not Active (KMIP 2.1 s4.57)",
        )


def _password(call: Call, target: ManagedObject) -> tuple[ManagedObject, bytes]:
    """The Secret Data that the PKCS#12 Password Link leads to, and the password in it."""
    linked = _linked(call, target, LinkType.PKCS12_PASSWORD_LINK)
    value = call.value(linked) if linked is not None else None
    if linked is None or not isinstance(value, SecretData) or value.secret_data_type is not SecretDataType.PASSWORD:
        raise _unlinked("the key has no PKCS#12 Password Link to Secret Data that is a Password")
    material = clear_material(value.key_block)
    if not isinstance(material, bytes):
        raise _unlinked("the PKCS#12 password is no Byte String")
    return linked, material


def _chain(call: Call, target: ManagedObject) -> list[bytes]:
    """The certificate of the key's public key, and those of its issuers."""
    public_key = _linked(call, target, LinkType.PUBLIC_KEY_LINK)
    if public_key is None:
        return []
    certificate = _linked(call, public_key, LinkType.PKCS12_CERTIFICATE_LINK)
    certificate = certificate or _linked(call, public_key, LinkType.CERTIFICATE_LINK)
    found: dict[str, bytes] = {}
    while certificate is not None:
        value = call.value(certificate)
        if not isinstance(value, Certificate):
            raise _unlinked("a Certificate Link does not lead to a certificate")
        if certificate.unique_identifier in found or len(found) == _LONGEST_CHAIN:
            raise _unlinked(f"the certificate chain is circular, or longer than {_LONGEST_CHAIN}")
        found[certificate.unique_identifier] = value.certificate_value
        certificate = _linked(call, certificate, LinkType.CERTIFICATE_LINK)
    return list(found.values())


def _linked(call: Call, one: ManagedObject, link_type: LinkType) -> ManagedObject | None:
    links = [link for link in one.attributes.all(Tag.LINK) if link.link_type is link_type]
    if not links:
        return None
    if len(links) > 1:
        raise _unlinked(f"there is more than one {link_type.title}")
    return call.object(str(links[0].linked_object_identifier), Operation.GET)


def _unlinked(why: str) -> KmipError:
    return KmipError(ResultReason.INVALID_FIELD, f"Key Format Type (420042) PKCS#12 needs its links: {why}")
