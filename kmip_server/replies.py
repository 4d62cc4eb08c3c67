"""What a request is answered: encoded, traced, and in which words it fails if it was not carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from twisted.python.failure import Failure

from kmip_server.errors import KmipError
from kmip_server.exchanges import ENCODE, UNAVAILABLE, Exchange
from kmip_server.identity.directory import StaleDirectory
from kmip_server.listeners.handler import Encoding, Reply
from kmip_server.messages.headers import ResponseMessage
from kmip_server.responses import all_failed, refusal
from kmip_server.storage.port import OutcomeUnknown, StorageConflict, StorageUnavailable
from kmip_server.ttlv import binary, tree
from kmip_server.ttlv.enumerations import ResultReason
from kmip_server.ttlv.item import Item

_log: Final = structlog.stdlib.get_logger("kmip.service")


def encoded(message: ResponseMessage, encoding: Encoding, *, close: bool = False) -> Reply:
    """A response in an encoding."""
    return Reply(ENCODE[encoding](message.encode()), close)


class Replies:
    """Makes replies. If it `traces`, responses go to the log; `now` tells the time in POSIX seconds."""

    def __init__(self, now: Callable[[], int], *, traces: bool) -> None:
        self._now, self.traces = now, traces

    def reply(self, exchange: Exchange, message: ResponseMessage, *, close: bool = False) -> Reply:
        """The reply to a request."""
        if self.traces:
            self.trace(exchange, message)
        return encoded(message, exchange.encoding, close=close)

    def trace(self, exchange: Exchange, message: ResponseMessage) -> None:
        """Have a response in the log."""
        shown = tree.render(binary.expand(message.encode()))
        _log.info("response", caller=exchange.caller.name, message=shown)

    # Failures. --------------------------------------------------------------------------------------------------------

    def refuse(self, error: KmipError, message: Item | None, encoding: Encoding, *, close: bool = False) -> Reply:
        """The reply to bytes that are no request that can be carried out."""
        refused = refusal(error, message, self._now())
        _log.info("message refused", reason=error.reason.title, detail=refused.items[0].result_message)
        return encoded(refused, encoding, close=close)

    def refuse_all(self, exchange: Exchange, error: KmipError, *, close: bool = False) -> None:
        """Answer that no batch item was carried out, each for the same reason."""
        refused = all_failed(exchange.plan.request, error, self._now())
        exchange.answer(self.reply(exchange, refused, close=close))

    def failed(self, failure: Failure, exchange: Exchange) -> None:
        """As `fail`, for a Deferred."""
        self.fail(exchange, failure.value)

    def fail(self, exchange: Exchange, error: BaseException | None) -> None:
        """Answer a request that was not carried out, through no fault of its own."""
        if isinstance(error, (StorageUnavailable, StorageConflict, StaleDirectory)):
            self.unavailable(exchange, error)
        else:
            _log.error("a fault of ours", exc_info=error)
            self.refuse_all(exchange, KmipError(ResultReason.GENERAL_FAILURE, "the server failed; its log has more"))

    def unavailable(self, exchange: Exchange, error: Exception) -> None:
        """Answer a request that the storage did not carry out."""
        _log.error("the storage did not carry out a request", reason=str(error))
        reason, message = next(shown for kind, shown in UNAVAILABLE if isinstance(error, kind))
        # A failure that may be a success is no answer: the client shall look before it tries again.
        self.refuse_all(exchange, KmipError(reason, message), close=isinstance(error, OutcomeUnknown))
