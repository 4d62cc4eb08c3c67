"""Create: the server makes a new symmetric key (KMIP 2.1 s6.1.8)."""

from __future__ import annotations

from dataclasses import dataclass

from kmip_server.cryptography.generation import generate_symmetric_key, symmetric_key_length
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, enumeration, structure, text
from kmip_server.objects.attribute_fields import template
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.key_block import raw_symmetric_material
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template, digest_of, new_object, refuse_legacy
from kmip_server.operations.defaults import SYMMETRIC_KEY
from kmip_server.operations.protection import ProtectionStorageMasks, check_protection
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import KeyFormatType, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0


@dataclass(frozen=True, kw_only=True)
class CreateRequest(Payload):
    """What to make."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    attributes: tuple[AttributeValue, ...] = template(required=True)
    protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )


@dataclass(frozen=True, kw_only=True)
class CreateResponse(Payload):
    """The new object."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.CREATE,
    request=CreateRequest,
    response=CreateResponse,
    changes=True,
    sets_placeholder=True,
    names_object=False,
)
def create(call: Call, request: CreateRequest) -> CreateResponse:
    """Make a symmetric key with the attributes that the client wants (s6.1.8)."""
    if request.object_type is not ObjectType.SYMMETRIC_KEY:
        raise KmipError(ResultReason.INVALID_OBJECT_TYPE, "Create makes Symmetric Keys; Register takes other objects")
    check_protection(request.protection_storage_masks)
    template = check_template(call, ObjectType.SYMMETRIC_KEY, request.attributes)
    return CreateResponse(
        object_type=ObjectType.SYMMETRIC_KEY, unique_identifier=make_symmetric_key(call, template).unique_identifier
    )


def make_symmetric_key(call: Call, template: AttributeSet) -> ManagedObject:
    """Make and store a symmetric key of the template's algorithm and length."""
    algorithm = template.first(Tag.CRYPTOGRAPHIC_ALGORITHM) or SYMMETRIC_KEY.algorithm
    refuse_legacy(call, algorithm)
    try:
        bits = symmetric_key_length(algorithm, template.first(Tag.CRYPTOGRAPHIC_LENGTH))
        key = generate_symmetric_key(algorithm, bits)
    except KmipError as error:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, error.message) from None
    made = new_object(
        call,
        ObjectType.SYMMETRIC_KEY,
        template,
        facts={
            Tag.CRYPTOGRAPHIC_ALGORITHM: algorithm,
            Tag.CRYPTOGRAPHIC_LENGTH: bits,
            Tag.CRYPTOGRAPHIC_USAGE_MASK: template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or SYMMETRIC_KEY.usage_mask,
            Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW,
        },
        digest=digest_of(key, KeyFormatType.RAW),
        generated=True,
    )
    call.add(made, raw_symmetric_material(algorithm, bits, key))
    return made
