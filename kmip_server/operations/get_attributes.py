"""Get Attributes: the attributes of an object, all of them or those that are asked for (KMIP 2.1 s6.1.20)."""

from __future__ import annotations

from kmip_server.errors import KmipError
from kmip_server.messages.fields import Payload, payload, plain, text
from kmip_server.messages.structures import UNIQUE_IDENTIFIER, Identifier
from kmip_server.objects.attribute_fields import AttributeReference, attribute_list, reference_to, references
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.dscc_attributes import CLIENTS_VENDOR, as_clients_read
from kmip_server.objects.managed_object import ManagedObject
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
        if any(reference.vendor == CLIENTS_VENDOR for reference in wanted):
            attributes += [read for read in _as_clients_read(target) if reference_to(read) in wanted]
    elif (short := listed(call.version, call.services.short_listings)) is None:
        attributes = list(target.attributes)
    else:
        attributes = [attribute for attribute in target.attributes if attribute.tag in short]
        if Tag.ATTRIBUTE in target.attributes:
            attributes = list(map(as_clients_read, attributes))
    return GetAttributesResponse(unique_identifier=target.unique_identifier, attributes=tuple(attributes))


def _as_clients_read(target: ManagedObject) -> list[AttributeValue]:
    """What the object has under other names for those who ask by them."""
    renamed = [(attribute, as_clients_read(attribute)) for attribute in target.attributes]
    return [read for attribute, read in renamed if read is not attribute]
