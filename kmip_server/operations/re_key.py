"""Re-key: a new symmetric key takes the place of an existing one (KMIP 2.1 s6.1.46, KMIP 1.4 s4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from kmip_server.cryptography.generation import generate_symmetric_key, symmetric_key_length
from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, Slot, declare, interval, payload, plain, structure, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import read_template, template
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.key_block import raw_symmetric_material
from kmip_server.operations.call import Call
from kmip_server.operations.creation import digest_of, new_object, refuse_legacy
from kmip_server.operations.protection import ProtectionStorageMasks, check_protection
from kmip_server.operations.registry import operation
from kmip_server.operations.replacement import (
    check_replaceable,
    link_replacement,
    replacement_template,
    take_over,
    without_names_of,
)
from kmip_server.operations.sharing import replacing_key, with_provenance
from kmip_server.ttlv.enumerations import KeyFormatType, ObjectType, Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V1_4, V2_0, ProtocolVersion


class FormerTemplateField:
    """A Template-Attribute in 2.0, which removed it: PyKMIP sends one in every Re-key (docs/decisions)."""

    def slots(self, name: str, version: ProtocolVersion) -> Sequence[Slot]:
        """See Field: it is read as in 1.4, in 2.0 alone, and never written."""
        if version != V2_0:
            return ()
        tag = Tag.TEMPLATE_ATTRIBUTE
        return (Slot(name, tag, False, False, lambda items: read_template(items[0], V1_4), lambda _: b""),)


@payload
class ReKeyRequest(Payload):
    """Which key, when the new one is activated, and what else it shall have."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    offset: int | None = interval(Tag.OFFSET)
    former_template: tuple[AttributeValue, ...] = declare(FormerTemplateField(), default=())
    attributes: tuple[AttributeValue, ...] = template()
    protection_storage_masks: ProtectionStorageMasks | None = structure(
        Tag.PROTECTION_STORAGE_MASKS, ProtectionStorageMasks, since=V2_0
    )


@payload
class ReKeyResponse(Payload):
    """The replacement."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)


@operation(Operation.RE_KEY, request=ReKeyRequest, response=ReKeyResponse, changes=True, sets_placeholder=True)
def re_key(call: Call, request: ReKeyRequest) -> ReKeyResponse:
    """Make a key with the attributes of the existing one, and link the two (tables 303 and 304)."""
    check_protection(request.protection_storage_masks)
    existing = call.target(request.unique_identifier)
    check_replaceable(call, existing, ObjectType.SYMMETRIC_KEY)
    wanted = replacement_template(call, existing, request.former_template + request.attributes, request.offset)
    algorithm = wanted.first(Tag.CRYPTOGRAPHIC_ALGORITHM)
    refuse_legacy(call, algorithm)
    try:
        bits = symmetric_key_length(algorithm, wanted.first(Tag.CRYPTOGRAPHIC_LENGTH))
    except KmipError as error:
        raise KmipError(ResultReason.INVALID_FIELD, error.message) from None
    shared = replacing_key(call, existing, wanted, bits)
    if shared is None:
        key = generate_symmetric_key(algorithm, bits)
    else:
        key = shared.key
        wanted = with_provenance(call, without_names_of(existing, wanted), shared)
    made = new_object(
        call,
        ObjectType.SYMMETRIC_KEY,
        wanted,
        facts={Tag.KEY_FORMAT_TYPE: KeyFormatType.RAW},
        digest=digest_of(key, KeyFormatType.RAW),
        generated=True,
        unique_identifier=None if shared is None else shared.unique_identifier,
    )
    if shared is None:
        take_over(call, existing, made)
    else:
        # The other site has to take it first; then it takes over (gateway/confirming.py).
        link_replacement(existing, made)
        call.change(existing)
    call.add(made, raw_symmetric_material(algorithm, bits, key))
    return ReKeyResponse(unique_identifier=made.unique_identifier)
