"""Register: the client brings an object that was made elsewhere (KMIP 2.1 s6.1.43, KMIP 1.4 s4.3)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, enumeration, payload, structure, text
from kmip_server.objects.attribute_fields import template
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import ObjectStructure, managed_object
from kmip_server.operations.call import Call
from kmip_server.operations.creation import check_template, linked, new_object
from kmip_server.operations.pkcs12_container import check_password
from kmip_server.operations.protection import ProtectionStorageMasks, check_protection
from kmip_server.operations.registration import announced, encapsulated, examine
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import KeyFormatType, LinkType, ObjectType, Operation
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0


@payload
class RegisterRequest(Payload):
    """The object, and the attributes that it shall have."""

    object_type: ObjectType = enumeration(Tag.OBJECT_TYPE, ObjectType, required=True)
    attributes: tuple[AttributeValue, ...] = template(required=True)
    managed_object: ObjectStructure | None = managed_object()
    protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )


@payload
class RegisterResponse(Payload):
    """The object that is managed here now."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(
    Operation.REGISTER,
    request=RegisterRequest,
    response=RegisterResponse,
    changes=True,
    sets_placeholder=True,
    names_object=False,
)
def register(call: Call, request: RegisterRequest) -> RegisterResponse:
    """Store the object. A wrapped one stays as it is, and is linked to its wrapping key (s6.1.43)."""
    check_protection(request.protection_storage_masks)
    value = announced(request.object_type, request.managed_object)
    wanted = request.attributes + encapsulated(value, request.attributes)
    template = check_template(call, request.object_type, wanted)
    found = examine(call, value, template)
    made = new_object(call, request.object_type, template, facts=found.facts, digest=found.digest, generated=False)
    for attribute in found.more:
        made.attributes = made.attributes.with_added(attribute.tag, attribute.value)
    if made.first(Tag.KEY_FORMAT_TYPE) is KeyFormatType.PKCS12:
        check_password(call, made)
    if found.wrapped_by is not None:
        linked(made, LinkType.WRAPPING_KEY_LINK, found.wrapped_by)
    call.add(made, found.stored)
    return RegisterResponse(unique_identifier=made.unique_identifier)
