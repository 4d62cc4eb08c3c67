"""A request on its way through the server: what is known of it at each step, its encodings, and how it may end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from kmip_server.engine import Plan
from kmip_server.errors import KmipError
from kmip_server.execution import Prepared
from kmip_server.identity.caller import Caller
from kmip_server.identity.directory import Directory, StaleDirectory
from kmip_server.listeners.handler import Answered, Encoding, Reply
from kmip_server.messages.citations import ENCODING
from kmip_server.messages.headers import BatchItemError, RequestBatchItem, RequestMessage
from kmip_server.storage.port import OutcomeUnknown, QueueFull, Unit
from kmip_server.ttlv import binary, json, xml
from kmip_server.ttlv.enumerations import Operation, ResultReason
from kmip_server.ttlv.item import CodecError, Item, Limits

_log: Final = structlog.stdlib.get_logger("kmip.service")

DECODE: Final[dict[Encoding, Callable[[bytes, Limits], Item]]] = {
    Encoding.TTLV: binary.decode,
    Encoding.XML: xml.decode,
    Encoding.JSON: json.decode,
}
ENCODE: Final[dict[Encoding, Callable[[Item], bytes]]] = {
    Encoding.TTLV: binary.encode,
    Encoding.XML: lambda message: xml.encode(binary.expand(message)),
    Encoding.JSON: lambda message: json.encode(binary.expand(message)),
}
UNAVAILABLE: Final = (
    (QueueFull, (ResultReason.SERVER_LIMIT_EXCEEDED, "the server is busy; try again")),
    (
        StaleDirectory,
        (ResultReason.GENERAL_FAILURE, "the server cannot read its accounts and policy; nothing was done"),
    ),
    (OutcomeUnknown, (ResultReason.GENERAL_FAILURE, "the database was lost; whether this was done is not known")),
    (Exception, (ResultReason.GENERAL_FAILURE, "the server's storage is unavailable; nothing was done")),
)
_RELOADS: Final = 3
_SHOWN_CHARACTERS: Final = 128


def _sayable_in_xml(payload: Item) -> None:
    try:
        xml.encode(binary.expand(payload))
    except CodecError:
        raise KmipError(
            ResultReason.GENERAL_FAILURE, "the answer has characters that XML does not have; ask in TTLV or in JSON"
        ) from None


SAYABLE: Final[dict[Encoding, Callable[[Item], None]]] = {Encoding.XML: _sayable_in_xml}
"""What an encoding cannot express is found before an operation's effect is accepted."""


def unreadable(message: str) -> KmipError:
    """Bytes are no message, for this reason."""
    return KmipError(ResultReason.CODEC_ERROR, f"{message} [{ENCODING}]")


class Exchange(NamedTuple):
    """A request on its way, and who is told its reply.

    It holds no function that holds it: nearly everything a request makes is gone with its answer, and nothing of it is
    left for the garbage collector, whose searches cost more than many a request.
    """

    caller: Caller
    data: bytes
    plan: Plan
    encoding: Encoding
    now: int
    answer: Answered
    reloads: int = _RELOADS


class Said(NamedTuple):
    """An answer that was given before in this second, to the same question of the same caller, by this directory."""

    caller: Caller
    data: bytes
    reply: Reply
    directory: Directory
    answer: Answered


class Attempt(NamedTuple):
    """An exchange that is carried out by one directory: the caller as that knows it, and what was prepared."""

    exchange: Exchange
    caller: Caller
    directory: Directory
    prepared: Mapping[int, Prepared] | None


def is_by(directory: Directory, unit: Unit) -> bool:
    """Whether a directory is still the newest."""
    return unit.epoch() == directory.epoch


def alike(request: RequestMessage, place: int) -> list[int]:
    """The places of a batch item, and of those behind it that ask for the same."""
    asked = _asked(request.items[place])
    return [place, *(later for later in range(place + 1, len(request.items)) if _asked(request.items[later]) == asked)]


def _asked(item: RequestBatchItem | BatchItemError) -> tuple[Operation, Item] | None:
    return (item.operation, item.request_payload) if isinstance(item, RequestBatchItem) else None


def correlated(caller: Caller, plan: Plan) -> Plan:
    """A plan whose answer has a Server Correlation Value, which stands in the log beside the client's (s9.9, s9.10)."""
    request, correlation = plan.request, secrets.token_hex(16)
    _log.info(
        "correlation",
        caller=caller.name,
        client_correlation_value=ascii((request.header.client_correlation_value or "")[:_SHOWN_CHARACTERS]),
        server_correlation_value=correlation,
    )
    return plan._replace(request=request._replace(correlation=correlation))
