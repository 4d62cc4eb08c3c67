"""Multi-part cryptographic operations between their requests (KMIP 2.1 s7.8: Correlation Value).

A stream lives in the memory of the worker that holds the client's connection, for a bounded time. It belongs to one
caller, one operation and one key; a forged, foreign or finished Correlation Value finds nothing.

A storage unit may carry out the same request twice, if its first transaction could not be committed. So a stream
remembers its last part: the same batch item gets the same result, and the context advances once. A context cannot go
back: so a stream ends with a part that fails, and with a batch item that is refused or undone after its part.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kmip_server.errors import KmipError
from kmip_server.ttlv.enumerations import Operation, ResultReason
from policy.parameters import NO_PARAMETERS, Parameters

_SECONDS: Final = 600
_MAXIMUM: Final = 1000

Result = TypeVar("Result")


@dataclass(slots=True)
class Stream:
    """One operation in the middle: whose it is, the cryptographic context that goes on, and its last part."""

    caller: str
    operation: Operation
    unique_identifier: str
    context: Any
    expires: int
    parameters: Parameters
    last_request: object
    last_result: Any = None
    finished: bool = False

    def end(self) -> None:
        """Take no more parts."""
        self.finished, self.context = True, None


class Streams:
    """The streams of one worker, oldest first."""

    def __init__(self) -> None:
        self._streams: OrderedDict[bytes, Stream] = OrderedDict()

    def begin(
        self,
        caller: str,
        operation: Operation,
        unique_identifier: str,
        context: Any,
        now: int,
        request: object,
        parameters: Parameters = NO_PARAMETERS,
    ) -> bytes:
        """Keep a context for its next part; answers the Correlation Value. `request` is the batch item.

        `parameters` are those with which it computes.
        """
        while self._streams:
            oldest, stream = next(iter(self._streams.items()))
            if stream.expires > now and len(self._streams) < _MAXIMUM:
                break
            del self._streams[oldest]
        value = secrets.token_bytes(16)
        self._streams[value] = Stream(
            caller, operation, unique_identifier, context, now + _SECONDS, parameters, last_request=request
        )
        return value

    def parameters(self, value: bytes) -> Parameters | None:
        """With which parameters the operation under a Correlation Value computes; None if there is none."""
        stream = self._streams.get(value)
        return None if stream is None else stream.parameters

    def advance(
        self,
        value: bytes,
        caller: str,
        operation: Operation,
        unique_identifier: str,
        now: int,
        request: object,
        part: Callable[[Any], Result],
        *,
        final: bool,
    ) -> Result:
        """Process one part with the stream's context. Raises Invalid Correlation Value, and what the part raises."""
        stream = self._streams.get(value)
        if (
            stream is None
            or stream.expires <= now
            or (stream.caller, stream.operation, stream.unique_identifier) != (caller, operation, unique_identifier)
            or (stream.finished and stream.last_request is not request)
        ):
            raise KmipError(
                ResultReason.INVALID_CORRELATION_VALUE,
                "no operation is outstanding under this Correlation Value (4200D6)",
            )
        if stream.last_request is not request:
            stream.last_request, stream.finished = None, True
            stream.last_result = part(stream.context)
            stream.last_request, stream.finished = request, False
            if final:
                stream.end()
        result: Result = stream.last_result
        return result

    def end(self, requests: Iterable[object]) -> None:
        """End the streams whose last part was processed for one of these batch items."""
        ended = {id(request) for request in requests}
        for stream in self._streams.values():
            if id(stream.last_request) in ended:
                stream.end()
