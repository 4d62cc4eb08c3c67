"""Multi-part cryptographic operations between their requests (KMIP 2.1 s7.8: Correlation Value).

A stream lives in the memory of the worker that holds the client's connection, for a bounded time. It belongs to one
caller, one operation and one key; a forged, foreign or finished Correlation Value finds nothing.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import Operation, ResultReason

_SECONDS: Final = 600
_MAXIMUM: Final = 1000


@dataclass(frozen=True, slots=True)
class Stream:
    """One operation in the middle: whose it is, and the cryptographic context that goes on."""

    caller: str
    operation: Operation
    unique_identifier: str
    context: Any
    expires: int


class Streams:
    """The streams of one worker, oldest first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[bytes, Stream] = OrderedDict()

    def begin(self, caller: str, operation: Operation, unique_identifier: str, context: Any, now: int) -> bytes:
        """Keep a context for its next part; answers the Correlation Value."""
        while self._streams:
            oldest, stream = next(iter(self._streams.items()))
            if stream.expires > now and len(self._streams) < _MAXIMUM:
                break
            del self._streams[oldest]
        value = secrets.token_bytes(16)
        self._streams[value] = Stream(caller, operation, unique_identifier, context, now + _SECONDS)
        return value

    def resume(self, value: bytes, caller: str, operation: Operation, unique_identifier: str, now: int) -> Any:
        """The context of a stream. Raises Invalid Correlation Value."""
        stream = self._streams.get(value)
        if (
            stream is None
            or stream.expires <= now
            or (stream.caller, stream.operation, stream.unique_identifier) != (caller, operation, unique_identifier)
        ):
            raise KmipError(
                ResultReason.INVALID_CORRELATION_VALUE, "no operation is outstanding under this Correlation Value"
            )
        return stream.context

    def end(self, value: bytes) -> None:
        """Forget a stream: its final part was processed, or it failed."""
        self._streams.pop(value, None)
