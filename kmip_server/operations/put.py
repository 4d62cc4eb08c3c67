"""Put: the server sends a client an object (KMIP 2.1 s6.2.3, KMIP 1.4 s5.2).

Only a server sends it, and it is no operation of this one: a client that asks for it is told so.
"""

from __future__ import annotations

from kmip_server.messages.fields import Payload, enumeration, secret_payload, text
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.operations.release import released_object
from kmip_server.ttlv.enumerations import PutFunction
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.tags import Tag


@secret_payload
class PutRequest(Payload):
    """The object, whether it replaces another one and which, and its attributes."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    put_function: PutFunction = enumeration(Tag.PUT_FUNCTION, PutFunction, required=True)
    replaced_unique_identifier: str | None = text(Tag.REPLACED_UNIQUE_IDENTIFIER)
    managed_object: Item | None = released_object()
    attributes: tuple[AttributeValue, ...] = attribute_list()
