"""An object's value on its way to a client: in the format, and the wrapping, that the client wants (KMIP 2.1 s6.1.19).

Used by Get and Export. An object that is wanted as it is stored goes out as it is stored, without being taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from kmip_server.cryptography.key_formats import convert
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, Slot, declare, enumeration, payload, plain, structure
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.key_block import (
    STRUCTURES,
    Certificate,
    KeyBlock,
    KeyWrappingSpecification,
    OpaqueObject,
    from_material,
)
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.key_material import clear_material, default_format, with_material
from kmip_server.operations.pkcs12_container import pkcs12_of
from kmip_server.operations.wrapping import unwrap_block, wrap_block
from kmip_server.ttlv import binary
from kmip_server.ttlv.enumerations import KeyCompressionType, KeyFormatType, KeyWrapType, ObjectType, ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4, ProtocolVersion

_WRAPPING_DATA: Final = int(Tag.KEY_WRAPPING_DATA).to_bytes(3) + bytes([Type.STRUCTURE])


@payload
class ReleaseRequest(Payload):
    """Which object, and in which form (Get and Export have the same fields)."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    key_format_type: KeyFormatType | None = enumeration(Tag.KEY_FORMAT_TYPE, KeyFormatType)
    key_wrap_type: KeyWrapType | None = enumeration(Tag.KEY_WRAP_TYPE, KeyWrapType, since=V1_4)
    key_compression_type: KeyCompressionType | None = enumeration(Tag.KEY_COMPRESSION_TYPE, KeyCompressionType)
    key_wrapping_specification: KeyWrappingSpecification | None = structure(
        Tag.KEY_WRAPPING_SPECIFICATION, KeyWrappingSpecification
    )


class ReleasedField:
    """A managed object that is an Item already, under the tag of its type."""

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field: one slot an object type."""
        return [_slot(name, tag) for tag, _ in STRUCTURES.values()]


def _slot(name: str, tag: Tag) -> Slot:
    return Slot(
        name, tag, False, False, lambda items: items[0], lambda item: binary.encode(item) if item.tag == tag else b""
    )


def released_object() -> Any:
    """A managed object in a response; None if it is destroyed."""
    return declare(ReleasedField())


def release(call: Call, target: ManagedObject, request: ReleaseRequest) -> Item:
    """The object's value for the client.

    Raises Object Destroyed, Key Value Not Present, Not Extractable, Sensitive, Key Format Type, Key Compression Type
    or Key Wrap Type Not Supported, and what `wrap_block` raises (s6.1.19.1).
    """
    material = call.stored(target)
    if target.first(Tag.EXTRACTABLE) is False:
        raise KmipError(
            ResultReason.NOT_EXTRACTABLE, "the object's Extractable (420122) attribute is False (KMIP 2.1 s4.23)"
        )
    specification = request.key_wrapping_specification
    wrapped = _is_wrapped(target, material)
    stays_wrapped = wrapped and request.key_wrap_type is not KeyWrapType.NOT_WRAPPED
    if target.first(Tag.SENSITIVE) and specification is None and not stays_wrapped:
        raise KmipError(
            ResultReason.SENSITIVE,
            "the object is Sensitive (KMIP 2.1 s4.55); give a Key Wrapping Specification (420047)",
        )
    if call.obligations.wrap and specification is None and not stays_wrapped:
        raise KmipError(
            ResultReason.PERMISSION_DENIED,
            "the policy lets this object leave wrapped only: give a Key Wrapping Specification (420047)",
        )
    tag, wanted, compression = STRUCTURES[target.object_type][0], request.key_format_type, request.key_compression_type
    if not wrapped and specification is None and compression is None and _is_as_wanted(target, wanted, call.version):
        return Item(tag, Type.STRUCTURE, material[binary.HEADER_BYTES :])
    value = from_material(target.object_type, material)
    if isinstance(value, Certificate | OpaqueObject):
        _check_no_key(target, wanted, specification)
        return Item(tag, Type.STRUCTURE, material[binary.HEADER_BYTES :])
    block = value.key_block
    if not stays_wrapped or specification is not None:
        block = _formatted(call, target, unwrap_block(call, block), request)
    elif wanted not in (None, block.key_format_type) or compression is not None:
        raise KmipError(
            ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED,
            "the key is stored wrapped; ask for Key Wrap Type (4200F8) Not Wrapped to have it in another format",
        )
    if specification is not None:
        block = wrap_block(call, target, block, specification)
    return Item(tag, Type.STRUCTURE, replace(value, key_block=block).encode(call.version))


def _is_wrapped(target: ManagedObject, material: bytes) -> bool:
    """Whether the object is stored wrapped. Most are not, and do not even have the bytes of such an item's header."""
    if _WRAPPING_DATA not in material:
        return False
    value = from_material(target.object_type, material)
    return not isinstance(value, Certificate | OpaqueObject) and value.key_block.key_wrapping_data is not None


def _is_as_wanted(target: ManagedObject, wanted: KeyFormatType | None, version: ProtocolVersion) -> bool:
    """Whether the stored form is the form wanted, and one that the peer's version knows."""
    stored, algorithm = target.first(Tag.KEY_FORMAT_TYPE), target.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    if stored is None:
        return wanted is None
    return (
        (wanted is None or wanted is stored)
        and stored.known_in(version)
        and (algorithm is None or algorithm.known_in(version))
    )


def _check_no_key(
    target: ManagedObject, wanted: KeyFormatType | None, specification: KeyWrappingSpecification | None
) -> None:
    if specification is not None:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE, f"a {target.object_type.title} has no Key Block (420040) to wrap"
        )
    if wanted not in (None, target.first(Tag.KEY_FORMAT_TYPE)):
        raise KmipError(
            ResultReason.KEY_FORMAT_TYPE_NOT_SUPPORTED,
            f"{wanted.title} is no Key Format Type (420042) for this {target.object_type.title}",
        )


_AS_BYTES: Final = frozenset({KeyFormatType.RAW, KeyFormatType.OPAQUE})


def _formatted(call: Call, target: ManagedObject, block: KeyBlock, request: ReleaseRequest) -> KeyBlock:
    """The block in the Key Format Type that is asked for, or else in one that the peer's version knows."""
    object_type, source = target.object_type, block.key_format_type
    algorithm, compression = target.first(Tag.CRYPTOGRAPHIC_ALGORITHM), request.key_compression_type
    wanted = request.key_format_type
    if wanted is None:
        known = source.known_in(call.version)
        wanted = source if known else default_format(object_type, algorithm, call.version)
    if wanted is source and compression is None:
        return block
    material = clear_material(block)
    if wanted is KeyFormatType.PKCS12 and object_type is ObjectType.PRIVATE_KEY:
        return with_material(block, wanted, pkcs12_of(call, target, block))
    if object_type in (ObjectType.SYMMETRIC_KEY, ObjectType.SECRET_DATA) and {wanted, source} == _AS_BYTES:
        return with_material(block, wanted, material)
    converted = convert(object_type, material, source, wanted, algorithm=algorithm, compression=compression)
    return replace(with_material(block, wanted, converted), key_compression_type=compression)
