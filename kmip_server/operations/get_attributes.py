"""Get Attributes: the attributes of an object, all of them or those that are asked for (KMIP 2.1 s6.1.20)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import AttributeReference, attribute_list, reference_to, references
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.operations.call import Call
from kmip_server.operations.listing import listed
from kmip_server.operations.registry import operation
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import V2_0


@payload
class GetAttributesRequest(Payload):
    """Which object, and which attributes; none named means all."""

    unique_identifier: Identifier | None = plain(Tag.UNIQUE_IDENTIFIER, UNIQUE_IDENTIFIER)
    attribute_reference: tuple[AttributeReference, ...] = references()


@payload
class GetAttributesResponse(Payload):
    """The attributes that the object has, of those that were asked for; Attributes is there if there are none (2.x)."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attributes: tuple[AttributeValue, ...] = attribute_list(required=True)


@operation(Operation.GET_ATTRIBUTES, request=GetAttributesRequest, response=GetAttributesResponse)
def get_attributes(call: Call, request: GetAttributesRequest) -> GetAttributesResponse:
    """An attribute that the object does not have is simply not in the answer (s6.1.20)."""
    target = call.target(request.unique_identifier)
    wanted = frozenset(request.attribute_reference)
    if len(wanted) < len(request.attribute_reference) and call.version < V2_0:
        raise KmipError(ResultReason.INVALID_MESSAGE, "the same Attribute Name (42000A) is there twice")
    if wanted:
        attributes = [attribute for attribute in target.attributes if reference_to(attribute) in wanted]
    else:
        short = listed(call.version, call.services.short_listings)
        attributes = [attribute for attribute in target.attributes if short is None or attribute.tag in short]
    return GetAttributesResponse(unique_identifier=target.unique_identifier, attributes=tuple(attributes))
