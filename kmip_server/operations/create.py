"""Create: the server makes a new symmetric key, or since 2.0 Secret Data (KMIP 2.1 s6.1.8, KMIP 1.4 s4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from kmip_server.cryptography.generation import generate_symmetric_key, random_bytes, symmetric_key_length
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, enumeration, payload, structure, text
from kmip_server.objects.attribute_fields import template
from kmip_server.objects.attribute_set import AttributeSet, AttributeValue
from kmip_server.objects.key_block import raw_secret, raw_symmetric_material
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template, digest_of, new_object, refuse_legacy
from kmip_server.operations.defaults import SECRET_DATA_LENGTH, SECRET_DATA_USAGE_MASK, SECRET_LENGTHS, SYMMETRIC_KEY
from kmip_server.operations.protection import ProtectionStorageMasks, check_protection
from kmip_server.operations.registry import operation
from kmip_server.operations.sharing import shared_key, with_provenance
from kmip_server.ttlv.enumerations import KeyFormatType, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_0, V2_0, ProtocolVersion


@payload
class CreateRequest(Payload):
    """What to make."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    attributes: tuple[AttributeValue, ...] = template(required=True)
    protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )


@payload
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
    repeats=True,
)
def create(call: Call, request: CreateRequest) -> CreateResponse:
    """Make an object with the attributes that the client wants (s6.1.8)."""
    object_type = request.object_type
    maker = _MAKERS.get(object_type)
    if maker is None or call.version < maker.since:
        raise KmipError(
            ResultReason.INVALID_OBJECT_TYPE,
            f"Create makes no Object Type (420057) {object_type.title}; Register takes other objects",
        )
    check_protection(request.protection_storage_masks)
    made = maker.make(call, check_template(call, object_type, request.attributes))
    return CreateResponse(object_type=object_type, unique_identifier=made.unique_identifier)


def make_symmetric_key(call: Call, template: AttributeSet) -> ManagedObject:
    """Make and store a symmetric key of the template's algorithm and length: of this site, or shared with another."""
    algorithm = template.first(Tag.CRYPTOGRAPHIC_ALGORITHM) or SYMMETRIC_KEY.algorithm
    refuse_legacy(call, algorithm)
    try:
        bits = symmetric_key_length(algorithm, template.first(Tag.CRYPTOGRAPHIC_LENGTH))
    except KmipError as error:
        raise KmipError(ResultReason.INVALID_ATTRIBUTE_VALUE, error.message) from None
    shared = shared_key(call, template, algorithm, bits)
    if shared is None:
        key = generate_symmetric_key(algorithm, bits)
    else:
        key, template = shared.key, with_provenance(call, template, shared)
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
        unique_identifier=None if shared is None else shared.unique_identifier,
    )
    call.add(made, raw_symmetric_material(algorithm, bits, key))
    return made


def make_secret_data(call: Call, template: AttributeSet) -> ManagedObject:
    """Make and store Secret Data: random bytes, as many as the template's Cryptographic Length says."""
    bits = template.first(Tag.CRYPTOGRAPHIC_LENGTH) or SECRET_DATA_LENGTH
    if bits not in SECRET_LENGTHS:
        raise KmipError(
            ResultReason.INVALID_ATTRIBUTE_VALUE,
            "Secret Data has a Cryptographic Length (42002A) of whole bytes, and of"
            f" {SECRET_LENGTHS[0]} to {SECRET_LENGTHS[-1]} bits",
        )
    secret = random_bytes(bits // 8)
    made = new_object(
        call,
        ObjectType.SECRET_DATA,
        template,
        facts={
            Tag.CRYPTOGRAPHIC_LENGTH: bits,
            Tag.CRYPTOGRAPHIC_USAGE_MASK: template.first(Tag.CRYPTOGRAPHIC_USAGE_MASK) or SECRET_DATA_USAGE_MASK,
            Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW,
        },
        digest=digest_of(secret, KeyFormatType.RAW),
        generated=True,
    )
    call.add(made, raw_secret(secret))
    return made


class _Maker(NamedTuple):
    """How an object is made, and the version since which Create makes it."""

    since: ProtocolVersion
    make: Callable[[Call, AttributeSet], ManagedObject]


_MAKERS: Final = {
    ObjectType.SYMMETRIC_KEY: _Maker(V1_0, make_symmetric_key),
    ObjectType.SECRET_DATA: _Maker(V2_0, make_secret_data),
}
