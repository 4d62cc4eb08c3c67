"""Get Attribute List: the names of the attributes that an object has (KMIP 2.1 s6.1.21)."""

from __future__ import annotations

from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import AttributeReference, reference_to, references
from kmip_server.operations.call import Call
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation
from kmip_server.ttlv.tags import Tag


@payload
class GetAttributeListRequest(Payload):
    """Which object."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)


@payload
class GetAttributeListResponse(Payload):
    """The object's attributes, each once, however many instances it has."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attribute_reference: tuple[AttributeReference, ...] = references()


@operation(Operation.GET_ATTRIBUTE_LIST, request=GetAttributeListRequest, response=GetAttributeListResponse)
def get_attribute_list(call: Call, request: GetAttributeListRequest) -> GetAttributeListResponse:
    """An attribute that the client's version does not have is not in the list."""
    target = call.target(request.unique_identifier)
    return GetAttributeListResponse(
        unique_identifier=target.unique_identifier,
        attribute_reference=tuple(dict.fromkeys([reference_to(attribute) for attribute in target.attributes])),
    )
