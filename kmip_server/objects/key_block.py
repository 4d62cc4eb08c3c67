"""Managed objects as messages carry them: key blocks, key values, wrapping data (KMIP 2.1 s2 and s3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from kmip_server.messages.fields import (
    Field,
    Payload,
    Slot,
    byte_string,
    declare,
    enumeration,
    integer,
    item,
    payload,
    plain,
    secret_payload,
    structure,
    text,
)
from kmip_server.messages.kinds import BYTES, OneOf, StructureKind
from kmip_server.messages.structures import CryptographicParameters
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.ttlv import binary
from kmip_server.ttlv import enumerations as enums
from kmip_server.ttlv.enumerations import ObjectType
from kmip_server.ttlv.item import Item, Limits, Type
from kmip_server.ttlv.memory import remembered
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import STORAGE_VERSION, V1_0, V1_1, ProtocolVersion


@payload
class KeyInformation(Payload):
    """Encryption Key Information or MAC/Signature Key Information (s3.3)."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    cryptographic_parameters: CryptographicParameters | None = structure(
        Tag.CRYPTOGRAPHIC_PARAMETERS, CryptographicParameters
    )


@payload
class KeyWrappingData(Payload):
    """Key Wrapping Data (s3.3): how the Key Value of this block is wrapped."""

    wrapping_method: enums.WrappingMethod = enumeration(Tag.WRAPPING_METHOD, enums.WrappingMethod, required=True)
    encryption_key_information: KeyInformation | None = structure(Tag.ENCRYPTION_KEY_INFORMATION, KeyInformation)
    mac_signature_key_information: KeyInformation | None = structure(Tag.MAC_SIGNATURE_KEY_INFORMATION, KeyInformation)
    mac_signature: bytes | None = byte_string(Tag.MAC_SIGNATURE)
    iv_counter_nonce: bytes | None = byte_string(Tag.IV_COUNTER_NONCE)
    encoding_option: enums.EncodingOption | None = enumeration(Tag.ENCODING_OPTION, enums.EncodingOption, since=V1_1)


@payload
class KeyWrappingSpecification(Payload):
    """Key Wrapping Specification (s7.18): how the requester wants a Key Value wrapped."""

    wrapping_method: enums.WrappingMethod = enumeration(Tag.WRAPPING_METHOD, enums.WrappingMethod, required=True)
    encryption_key_information: KeyInformation | None = structure(Tag.ENCRYPTION_KEY_INFORMATION, KeyInformation)
    mac_signature_key_information: KeyInformation | None = structure(Tag.MAC_SIGNATURE_KEY_INFORMATION, KeyInformation)
    attribute_name: tuple[str, ...] = text(Tag.ATTRIBUTE_NAME, many=True)
    encoding_option: enums.EncodingOption | None = enumeration(Tag.ENCODING_OPTION, enums.EncodingOption, since=V1_1)


@secret_payload
class KeyValue(Payload):
    """Key Value in the clear (s3.2). Key Material is a Byte String, or a Structure for Transparent formats."""

    key_material: Item = item(Tag.KEY_MATERIAL, required=True)
    attributes: tuple[AttributeValue, ...] = attribute_list()

    def __repr__(self) -> str:
        return "KeyValue(…)"


KEY_VALUE: Final = OneOf(
    (
        (Type.STRUCTURE, StructureKind(KeyValue), KeyValue, V1_0),
        (Type.BYTE_STRING, BYTES, bytes, V1_0),
    )
)


@secret_payload
class KeyBlock(Payload):
    """Key Block (s3.1). The Key Value is bytes when it is wrapped, and absent when it is elsewhere."""

    key_format_type: enums.KeyFormatType = enumeration(Tag.KEY_FORMAT_TYPE, enums.KeyFormatType, required=True)
    key_compression_type: enums.KeyCompressionType | None = enumeration(
        Tag.KEY_COMPRESSION_TYPE, enums.KeyCompressionType
    )
    key_value: KeyValue | bytes | None = plain(Tag.KEY_VALUE, KEY_VALUE)
    cryptographic_algorithm: enums.CryptographicAlgorithm | None = enumeration(
        Tag.CRYPTOGRAPHIC_ALGORITHM, enums.CryptographicAlgorithm
    )
    cryptographic_length: int | None = integer(Tag.CRYPTOGRAPHIC_LENGTH)
    key_wrapping_data: KeyWrappingData | None = structure(Tag.KEY_WRAPPING_DATA, KeyWrappingData)

    def __repr__(self) -> str:
        return f"KeyBlock({self.key_format_type.name})"


@secret_payload
class Certificate(Payload):
    """Certificate (s2.1)."""

    certificate_type: enums.CertificateType = enumeration(Tag.CERTIFICATE_TYPE, enums.CertificateType, required=True)
    certificate_value: bytes = byte_string(Tag.CERTIFICATE_VALUE, required=True)


@secret_payload
class OpaqueObject(Payload):
    """Opaque Object (s2.3)."""

    opaque_data_type: int = enumeration(Tag.OPAQUE_DATA_TYPE, enums.OpaqueDataType, required=True, extensible=True)
    opaque_data_value: bytes = byte_string(Tag.OPAQUE_DATA_VALUE, required=True)


@secret_payload
class PrivateKey(Payload):
    """Private Key (s2.5)."""

    key_block: KeyBlock = structure(Tag.KEY_BLOCK, KeyBlock, required=True)


@secret_payload
class PublicKey(Payload):
    """Public Key (s2.6)."""

    key_block: KeyBlock = structure(Tag.KEY_BLOCK, KeyBlock, required=True)


@secret_payload
class SecretData(Payload):
    """Secret Data (s2.7)."""

    secret_data_type: enums.SecretDataType = enumeration(Tag.SECRET_DATA_TYPE, enums.SecretDataType, required=True)
    key_block: KeyBlock = structure(Tag.KEY_BLOCK, KeyBlock, required=True)


@secret_payload
class SymmetricKey(Payload):
    """Symmetric Key (s2.9)."""

    key_block: KeyBlock = structure(Tag.KEY_BLOCK, KeyBlock, required=True)


ObjectStructure = Certificate | OpaqueObject | PrivateKey | PublicKey | SecretData | SymmetricKey

STRUCTURES: Final[dict[ObjectType, tuple[Tag, type[ObjectStructure]]]] = {
    ObjectType.CERTIFICATE: (Tag.CERTIFICATE, Certificate),
    ObjectType.SYMMETRIC_KEY: (Tag.SYMMETRIC_KEY, SymmetricKey),
    ObjectType.PUBLIC_KEY: (Tag.PUBLIC_KEY, PublicKey),
    ObjectType.PRIVATE_KEY: (Tag.PRIVATE_KEY, PrivateKey),
    ObjectType.SECRET_DATA: (Tag.SECRET_DATA, SecretData),
    ObjectType.OPAQUE_OBJECT: (Tag.OPAQUE_OBJECT, OpaqueObject),
}
"""The object types that this server manages, and how each looks on the wire."""

TYPE_OF: Final[dict[type[Payload], ObjectType]] = {row[1]: object_type for object_type, row in STRUCTURES.items()}

_STORAGE_LIMITS: Final = Limits(message_bytes=1 << 26)
_SMALL: Final = 8192
"""Objects are kept up to this many bytes."""


def to_material(value: ObjectStructure) -> bytes:
    """The object as the storage seals it."""
    tag = STRUCTURES[TYPE_OF[type(value)]][0]
    return binary.encode(Item(tag, Type.STRUCTURE, value.encode(STORAGE_VERSION)))


def raw_symmetric_key(algorithm: enums.CryptographicAlgorithm, bits: int, key: bytes) -> SymmetricKey:
    """A symmetric key in the Raw format (s3.1)."""
    return SymmetricKey(
        key_block=KeyBlock(
            key_format_type=enums.KeyFormatType.RAW,
            key_value=KeyValue(key_material=Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, key)),
            cryptographic_algorithm=algorithm,
            cryptographic_length=bits,
        )
    )


def raw_secret(secret: bytes) -> SecretData:
    """Secret Data that was made here, of which other keys may be derived, in the Raw format (s2.7)."""
    return SecretData(
        secret_data_type=enums.SecretDataType.SEED,
        key_block=KeyBlock(
            key_format_type=enums.KeyFormatType.RAW,
            key_value=KeyValue(key_material=Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, secret)),
        ),
    )


def raw_symmetric_material(algorithm: enums.CryptographicAlgorithm, bits: int, key: bytes) -> bytes:
    """As to_material of a raw symmetric key: what is around the key bytes is the same for all keys of a kind."""
    before, after = _around_raw_key(algorithm, bits, len(key))
    return before + key + after


@lru_cache(maxsize=256)
def _around_raw_key(algorithm: enums.CryptographicAlgorithm, bits: int, size: int) -> tuple[bytes, bytes]:
    whole = to_material(raw_symmetric_key(algorithm, bits, bytes(size)))
    header = binary.encode(Item(Tag.KEY_MATERIAL, Type.BYTE_STRING, bytes(size)))[: binary.HEADER_BYTES]
    start = whole.index(header) + binary.HEADER_BYTES
    return whole[:start], whole[start + size :]


@remembered(1024, lambda arguments, _: len(arguments[1]) <= _SMALL)
def from_material(object_type: ObjectType, material: bytes) -> ObjectStructure:
    """The object that `to_material` wrote. Small ones are kept, as the storage keeps what it unsealed."""
    structure_type = STRUCTURES[object_type][1]
    return structure_type.decode(binary.decode(material, _STORAGE_LIMITS).value, STORAGE_VERSION)


class ManagedObjectField:
    """One managed object of any supported type, under the tag of its type."""

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field: one slot an object type; at most one of them may be there."""
        return [_object_slot(name, StructureKind(kind), tag, kind, version) for tag, kind in STRUCTURES.values()]


def _object_slot(
    name: str, kind: StructureKind, tag: Tag, structure_type: type[ObjectStructure], version: ProtocolVersion
) -> Slot:
    return Slot(
        name,
        tag,
        False,
        False,
        lambda items: kind.read(items[0], version),
        lambda value: kind.write(tag, value, version) if isinstance(value, structure_type) else b"",
    )


_MANAGED_OBJECT: Final[Field] = ManagedObjectField()


def managed_object() -> Any:
    """A managed object in a payload; None if absent."""
    return declare(_MANAGED_OBJECT)
