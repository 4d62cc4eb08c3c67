"""Whole TTLV messages out of a stream (KMIP 2.1 s10.1), without I/O.

Feed bytes as they come, then take messages until there is none. A header is judged as soon as its 8 bytes are there,
so that at most one read more than the largest message allowed is ever held.
"""

from __future__ import annotations

from typing import Final

from kmip_server.ttlv.binary import HEADER_BYTES, frame_bytes
from kmip_server.ttlv.item import Limits
from kmip_server.ttlv.tags import Tag

_RESPONSE: Final = int(Tag.RESPONSE_MESSAGE).to_bytes(3, "big")


class FrameAssembler:
    """Collects one connection's bytes and hands out its messages in order."""

    __slots__ = ("_buffer", "_limits", "_size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer: bytes | bytearray = b""
        self._size = 0

    @property
    def buffered(self) -> int:
        """How many bytes are held."""
        return len(self._buffer)

    @property
    def complete(self) -> bool:
        """True if the held bytes are enough for `take` to answer, or to complain."""
        return len(self._buffer) >= (self._size or HEADER_BYTES)

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if not self._buffer:
            # Most often they are one whole message, which is handed out again as it is.
            self._buffer = data
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        self._buffer += data

    def take(self) -> bytes | None:
        """The next whole message, or None until there is one.

        Raises CodecError if what follows is not a message within the limits; the framing is lost for good then.
        """
        buffer = self._buffer
        if not self._size:
            if len(buffer) < HEADER_BYTES:
                return None
            # A response is framed like a request, so that the layer above can refuse it and the connection lives on.
            tag = Tag.RESPONSE_MESSAGE if buffer.startswith(_RESPONSE) else Tag.REQUEST_MESSAGE
            self._size = frame_bytes(buffer, tag, self._limits)
        if len(buffer) < self._size:
            return None
        message = bytes(buffer[: self._size])
        if isinstance(buffer, bytes):
            self._buffer = buffer[self._size :]
        else:
            del buffer[: self._size]
        self._size = 0
        return message
