"""Key Material in its two forms: an Item in a Key Block, and what the cryptography room computes with."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from kmip_server.cryptography import transparent
from kmip_server.cryptography.key_formats import convert, default_key_formats
from kmip_server.cryptography.transparent import KeyMaterial, Transparent
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, big_integer, secret_payload
from kmip_server.messages.kinds import wrong_type
from kmip_server.messages.structures import Digest, TransparentEC, TransparentRSA, TransparentSymmetricKey
from kmip_server.objects.key_block import KeyBlock, KeyValue
from kmip_server.operations.creation import digest_of
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import CryptographicAlgorithm, KeyFormatType, ObjectType, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION, ProtocolVersion


@secret_payload
class TransparentDSA(Payload):
    """The Key Material of a Transparent DSA Private or Public Key (s3.5, s3.6)."""

    p: int = big_integer(Tag.P, required=True)
    q: int = big_integer(Tag.Q, required=True)
    g: int = big_integer(Tag.G, required=True)
    x: int | None = big_integer(Tag.X)
    y: int | None = big_integer(Tag.Y)


@secret_payload
class TransparentDH(Payload):
    """The Key Material of a Transparent DH Private or Public Key (s3.9, s3.10)."""

    p: int = big_integer(Tag.P, required=True)
    q: int | None = big_integer(Tag.Q)
    g: int = big_integer(Tag.G, required=True)
    j: int | None = big_integer(Tag.J)
    x: int | None = big_integer(Tag.X)
    y: int | None = big_integer(Tag.Y)


_F = KeyFormatType
_RSA: Final = (TransparentRSA, transparent.TransparentRSA)
_EC: Final = (TransparentEC, transparent.TransparentEC)
_DSA: Final = (TransparentDSA, transparent.TransparentDSA)
_DH: Final = (TransparentDH, transparent.TransparentDH)

_STRUCTURES: Final[dict[KeyFormatType, tuple[type[Payload], type[Transparent]]]] = {
    _F.TRANSPARENT_SYMMETRIC_KEY: (TransparentSymmetricKey, transparent.TransparentSymmetricKey),
    _F.TRANSPARENT_DSA_PRIVATE_KEY: _DSA,
    _F.TRANSPARENT_DSA_PUBLIC_KEY: _DSA,
    _F.TRANSPARENT_RSA_PRIVATE_KEY: _RSA,
    _F.TRANSPARENT_RSA_PUBLIC_KEY: _RSA,
    _F.TRANSPARENT_DH_PRIVATE_KEY: _DH,
    _F.TRANSPARENT_DH_PUBLIC_KEY: _DH,
    _F.TRANSPARENT_ECDSA_PRIVATE_KEY: _EC,
    _F.TRANSPARENT_ECDSA_PUBLIC_KEY: _EC,
    _F.TRANSPARENT_ECDH_PRIVATE_KEY: _EC,
    _F.TRANSPARENT_ECDH_PUBLIC_KEY: _EC,
    _F.TRANSPARENT_ECMQV_PRIVATE_KEY: _EC,
    _F.TRANSPARENT_ECMQV_PUBLIC_KEY: _EC,
    _F.TRANSPARENT_EC_PRIVATE_KEY: _EC,
    _F.TRANSPARENT_EC_PUBLIC_KEY: _EC,
}
"""The formats whose Key Material is a Structure: as messages carry it, and as the cryptography room has it."""


def material_of(
    key_format: KeyFormatType, key_material: Item, version: ProtocolVersion = STORAGE_VERSION
) -> KeyMaterial:
    """What is inside a Key Material item of this format. Raises KmipError if it is not of the format's form."""
    row = _STRUCTURES.get(key_format)
    if row is None:
        if key_material.type != Type.BYTE_STRING:
            raise wrong_type(key_material, Type.BYTE_STRING)
        material: bytes = key_material.value
        return material
    if key_material.type != Type.STRUCTURE:
        raise wrong_type(key_material, Type.STRUCTURE)
    return row[1](**vars(row[0].decode(key_material.value, version)))


def item_of(key_format: KeyFormatType, material: KeyMaterial) -> Item:
    """The Key Material item that says this in this format."""
    if isinstance(material, bytes):
        return Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, material)
    structure = _STRUCTURES[key_format][0](**{field.name: getattr(material, field.name) for field in fields(material)})
    return Item(Tag.KEY_MATERIAL, Type.STRUCTURE, structure.encode(STORAGE_VERSION))


def clear_value(block: KeyBlock) -> KeyValue:
    """The Key Value of a block that is not wrapped. Raises Key Value Not Present, or Feature Not Supported."""
    if block.key_value is None:
        raise KmipError(
            ResultReason.KEY_VALUE_NOT_PRESENT, "the Key Value (420045) is not on this server (KMIP 2.1 s4.28)"
        )
    if isinstance(block.key_value, bytes):
        raise KmipError(
            ResultReason.FEATURE_NOT_SUPPORTED,
            "the Key Value (420045) is stored wrapped, as it was registered (KMIP 2.1 s3.2)",
        )
    return block.key_value


def clear_material(block: KeyBlock) -> KeyMaterial:
    """The Key Material of a block that is not wrapped. Raises as `clear_value`."""
    return material_of(block.key_format_type, clear_value(block).key_material)


def with_material(block: KeyBlock, key_format: KeyFormatType, material: KeyMaterial) -> KeyBlock:
    """A block like this one that holds other material, or the same in another format."""
    return KeyBlock(
        key_format_type=key_format,
        key_value=KeyValue(key_material=item_of(key_format, material)),
        cryptographic_algorithm=block.cryptographic_algorithm,
        cryptographic_length=block.cryptographic_length,
    )


def default_format(
    object_type: ObjectType, algorithm: CryptographicAlgorithm | None, version: ProtocolVersion
) -> KeyFormatType:
    """The standard's default Key Format Type (s4.26), or the next best if the peer's version does not know it."""
    formats = default_key_formats(object_type, algorithm)
    return next((one for one in formats if one.known_in(version)), formats[-1])


def key_digest(
    object_type: ObjectType,
    algorithm: CryptographicAlgorithm | None,
    key_format: KeyFormatType,
    material: KeyMaterial,
) -> Digest:
    """The SHA-256 Digest of a key, over its default format where it can be had in that (s4.21)."""
    default = default_key_formats(object_type, algorithm)[0]
    if key_format is not default and key_format is not KeyFormatType.OPAQUE:
        try:
            material = convert(object_type, material, key_format, default, algorithm=algorithm)
            key_format = default
        except KmipError:
            pass
    return digest_of(
        material if isinstance(material, bytes) else binary.encode(item_of(key_format, material)), key_format
    )
