"""Notify: the server tells a client which attributes of an object have changed (KMIP 2.1 s6.2.2, KMIP 1.4 s5.1).

Only a server sends it, and it is no operation of this one: a client that asks for it is told so. Nothing that is told
of takes an attribute away, so there are no Attribute References to deleted ones.
"""

from __future__ import annotations

from kmip_server.messages.fields import Payload, payload, text
from kmip_server.objects.attribute_fields import attribute_list
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.ttlv.tags import Tag


@payload
class NotifyRequest(Payload):
    """The object, and its attributes that are new or other than they were."""

    unique_identifier: str = text(Tag.UNIQUE_IDENTIFIER, required=True)
    attributes: tuple[AttributeValue, ...] = attribute_list()
