"""What others have answered to the batch items of a request: the peers of a new shared key, nodes that acknowledge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from kmip_server.engine import Answer
from kmip_server.errors import KmipError
from kmip_server.messages.headers import (
    MessageExtension,
    RequestBatchItem,
    RequestMessage,
    ResponseBatchItem,
    ResponseMessage,
)
from kmip_server.objects.dscc_attributes import VENDOR
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.objects.sharing import is_held
from kmip_server.operations.negotiation import NegotiationFailed, Settled, Unsettled
from kmip_server.responses import failure
from kmip_server.storage.port import Unit
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import Item, Type
from kmip_server.ttlv.tags import Tag

NODES: Final = 0x540001
NEEDED: Final = 0x540002
"""Extension tags (KMIP 2.1 s11.57): how many nodes know of a revocation, and how many it takes."""

NOT_IN_TIME: Final = "the other site has not answered in time"
_NO_ANSWER: Final = KmipError(
    ResultReason.GENERAL_FAILURE, "the gateway of this server has not answered: the key is withdrawn"
)


def awaited(answer: Answer) -> list[str]:
    """The Unique Identifiers whose peers or nodes are waited for before the answer leaves."""
    return [each.unique_identifier for those in answer.unsettled.values() for each in those if each.is_awaited]


def unanswered(answer: Answer, settled: Mapping[str, Settled]) -> list[str]:
    """The new keys of which nobody has said what has become of them."""
    new = [each.unique_identifier for those in answer.unsettled.values() for each in those if each.held]
    return [each for each in new if each not in settled]


def settled_in(unit: Unit, identifiers: Iterable[str]) -> dict[str, Settled]:
    """What has become of new keys for good: they were confirmed, or withdrawn."""
    rows = [row for row in map(unit.get, identifiers) if row is not None]
    return {
        row.unique_identifier: refused(NOT_IN_TIME) if is_held(found.attributes) else Settled()
        for row in rows
        if (found := ManagedObject.of(row)).destroyed or not is_held(found.attributes)
    }


def refused(reason: str) -> Settled:
    """What whoever waits for a key is answered if its peers do not take it."""
    return Settled(NegotiationFailed(ResultReason.GENERAL_FAILURE, f"the other site does not take the key: {reason}"))


def with_settled(request: RequestMessage, answer: Answer, settled: Mapping[str, Settled]) -> ResponseMessage:
    """The response by what others have answered: a key that they do not take was not made."""
    items = list(answer.message.items)
    for place, those in answer.unsettled.items():
        for each in those:
            items[place] = _item(request, place, items[place], each, settled.get(each.unique_identifier))
    return answer.message._replace(items=tuple(items))


def _item(
    request: RequestMessage, place: int, item: ResponseBatchItem, about: Unsettled, answer: Settled | None
) -> ResponseBatchItem:
    asked = request.items[place]
    if about.held and (answer is None or answer.refusal is not None):
        return failure((answer and answer.refusal) or _NO_ANSWER, request.version, asked)
    if about.revoked and answer is not None and _wants_extension(asked):
        return replace(item, message_extension=(_extension(answer),))
    return item


def _wants_extension(asked: object) -> bool:
    """Whether a client has sent an extension of ours: others may not expect one (PyKMIP does not read any)."""
    return isinstance(asked, RequestBatchItem) and any(
        each.vendor_identification == VENDOR for each in asked.message_extension or ()
    )


def _extension(answer: Settled) -> MessageExtension:
    counts = (Item(NODES, Type.INTEGER, answer.nodes), Item(NEEDED, Type.INTEGER, answer.needed))
    return MessageExtension(
        vendor_identification=VENDOR,
        criticality_indicator=False,
        vendor_extension=Item(Tag.VENDOR_EXTENSION, Type.STRUCTURE, counts),
    )
