"""What a client is told of an object, decided by the policy when it is sent, in the transaction that reads the object.

1. A client is told of an object if it may Get Attributes of it, and no rule denies Notify. Otherwise the message is
   withheld.
2. It is sent the object itself if it may Get it, as it is, and no rule denies Put: what is not Extractable, or leaves
   only wrapped, or only after others have approved it, is not put. Then, and where Put is not wanted, it is notified.
3. Of an object that is destroyed only that is told.

The key is in no message that waits: the outbox names the object, and its value is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from kmip_server.announcing.messages import request
from kmip_server.errors import KmipError
from kmip_server.identity.caller import Caller
from kmip_server.objects.attribute_set import AttributeValue
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.batch import Batch
from kmip_server.operations.call import Call
from kmip_server.operations.get import GetRequest
from kmip_server.operations.listing import listed
from kmip_server.operations.notify import NotifyRequest
from kmip_server.operations.put import PutRequest
from kmip_server.operations.registry import REGISTRY
from kmip_server.operations.release import release
from kmip_server.operations.services import Services
from kmip_server.storage.port import AuditEntry, Unit
from kmip_server.ttlv.enumerations import LinkType, Operation, PutFunction
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.tags import Tag
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS, ProtocolVersion
from notifying.transport import WithheldError
from policy.channels import Announcement, Mode
from policy.compiling import Ruling
from policy.model import Who
from policy.notifications import Waiting

_REVOKED: Final = frozenset({Tag.STATE, Tag.REVOCATION_REASON, Tag.LAST_CHANGE_DATE})
_CHANGED: Final[Mapping[str, frozenset[Tag]]] = {
    "key-revoked": _REVOKED | {Tag.DEACTIVATION_DATE, Tag.PROTECT_STOP_DATE},
    "key-compromised": _REVOKED | {Tag.COMPROMISE_DATE, Tag.COMPROMISE_OCCURRENCE_DATE},
    "key-destroyed": frozenset({Tag.STATE, Tag.DESTROY_DATE, Tag.LAST_CHANGE_DATE}),
}
"""The attributes that an event changes. Events that are not here make an object, all of whose attributes are new."""

_VERSIONS: Final = {str(version): version for version in SUPPORTED_VERSIONS}


class Asking(NamedTuple):
    """The client that is told, as if it asked for this itself, at POSIX seconds."""

    unit: Unit
    services: Services
    ruling: Ruling
    caller: Caller
    version: ProtocolVersion
    now: int

    def call(self, operation: Operation) -> Call:
        """The client's request for an operation, so far as it is decided."""
        subject = self.ruling.subject(Who.CLIENT, self.caller.name, self.caller.groups)
        return Call(
            REGISTRY[operation],
            self.version,
            self.caller,
            self.now,
            self.unit,
            self.services,
            Batch(),
            self.ruling,
            subject,
        )


class Content(NamedTuple):
    """A Request Message for a client, encoded: it may have a key in it, so it is not shown."""

    operation: Operation
    version: ProtocolVersion
    message: bytes

    def __repr__(self) -> str:
        return f"Content({self.operation.title})"


def version_of(announced: Announcement) -> ProtocolVersion:
    """The version of KMIP in which a client is told."""
    return _VERSIONS[announced.version]


def content_of(asking: Asking, announced: Announcement, message: Waiting) -> Content:
    """What a message of the outbox says to its client. That a key is put goes on record. Raises WithheldError."""
    identifier = json.loads(message.body)["resource"]
    call = asking.call(Operation.GET_ATTRIBUTES)
    try:
        target = call.target(identifier)
    except KmipError as error:
        raise WithheldError(f"{announced.client} may not know: {error.message}") from None
    if not _is_left_to_it(call, Operation.NOTIFY, target):
        raise WithheldError(f"{announced.client} may not know: the policy is against a Notify")
    if target.destroyed and message.event != "key-destroyed":
        raise WithheldError("the object is destroyed meanwhile")
    attributes = _told(asking, target, message.event)
    value = _value(asking, identifier) if _is_put(announced, message) else None
    if value is None:
        notice = NotifyRequest(unique_identifier=identifier, attributes=attributes)
        sent = request(asking.version, Operation.NOTIFY, notice, message.message_id)
        return Content(Operation.NOTIFY, asking.version, sent)
    replaced = _replaced(target)
    put = PutRequest(
        unique_identifier=identifier,
        put_function=PutFunction.NEW if replaced is None else PutFunction.REPLACE,
        replaced_unique_identifier=replaced,
        managed_object=value,
        attributes=attributes,
    )
    # On record before it leaves: whether it arrives or not, nobody has to guess whether it was sent.
    detail = f"over the channel {message.channel}"
    asking.unit.audit(AuditEntry(asking.now, announced.client, Operation.PUT.title, identifier, "submitted", detail))
    return Content(Operation.PUT, asking.version, request(asking.version, Operation.PUT, put, message.message_id))


def _is_put(announced: Announcement, message: Waiting) -> bool:
    return announced.mode is Mode.PUT and message.event not in _CHANGED


def _told(asking: Asking, target: ManagedObject, event: str) -> tuple[AttributeValue, ...]:
    wanted = _CHANGED.get(event) or listed(asking.version, asking.services.short_listings)
    return tuple([attribute for attribute in target.attributes if wanted is None or attribute.tag in wanted])


def _value(asking: Asking, identifier: str) -> Item | None:
    """The object as the client would Get it; None if it may not."""
    call = asking.call(Operation.GET)
    try:
        target = call.target(identifier)
        value = release(call, target, GetRequest(unique_identifier=identifier))
    except KmipError:
        return None
    return value if _is_left_to_it(call, Operation.PUT, target) else None


def _is_left_to_it(call: Call, operation: Operation, target: ManagedObject) -> bool:
    """Whether the policy has nothing against an operation of the server's on an object that the client may have."""
    if target.row is None:
        return False
    decision = call.restrict(operation, target.row)
    return decision.allowed and not decision.obligations.wrap and not decision.obligations.approvals


def _replaced(target: ManagedObject) -> str | None:
    """The Unique Identifier of the object that this one replaces (s4.31)."""
    links = target.attributes.all(Tag.LINK)
    found = [link.linked_object_identifier for link in links if link.link_type is LinkType.REPLACED_OBJECT_LINK]
    return str(found[0]) if found else None
