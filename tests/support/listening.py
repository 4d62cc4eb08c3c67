"""Clients who listen for Notify and Put: real TLS servers with a client's certificate, which know TTLV by the standard.

Nothing here imports the server: what comes is bytes, and is read by support.wire.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

from support.numbers import Tag
from support.wire import (
    Node,
    Version,
    date_time,
    enumeration,
    integer,
    octets,
    parse,
    protocol_version,
    structure,
)

Answer = Callable[[bytes, ssl.SSLSocket], None]


def exactly(stream: ssl.SSLSocket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            break
        data += part
    return bytes(data)


def response(asked: bytes, status: int = 0, *fields: bytes, identifier: bytes | None = None) -> bytes:
    """A Response Message without a payload; `fields` stand behind its Result Status (KMIP 1.4 s7.2)."""
    message = parse(asked)
    version = message.find(Tag.REQUEST_HEADER, Tag.PROTOCOL_VERSION)
    item = message.find(Tag.BATCH_ITEM)
    assert version is not None
    assert item is not None
    spoken: Version = (version.get(Tag.PROTOCOL_VERSION_MAJOR), version.get(Tag.PROTOCOL_VERSION_MINOR))
    return structure(
        Tag.RESPONSE_MESSAGE,
        structure(
            Tag.RESPONSE_HEADER, protocol_version(spoken), date_time(Tag.TIME_STAMP, 0), integer(Tag.BATCH_COUNT, 1)
        ),
        structure(
            Tag.BATCH_ITEM,
            enumeration(Tag.OPERATION, item.get(Tag.OPERATION)),
            octets(Tag.UNIQUE_BATCH_ITEM_ID, identifier or item.get(Tag.UNIQUE_BATCH_ITEM_ID)),
            enumeration(Tag.RESULT_STATUS, status),
            *fields,
        ),
    )


def takes(asked: bytes, stream: ssl.SSLSocket) -> None:
    """Answer that it was taken."""
    stream.sendall(response(asked))


@dataclass
class Listener:
    """A client who listens at `port`: what `came`, and what went wrong with connections in which nothing did."""

    port: int
    answer: Answer = takes
    came: Queue[bytes] = field(default_factory=Queue)
    failed: Queue[str] = field(default_factory=Queue)

    def next(self) -> Node:
        """The next message that comes."""
        return parse(self.came.get(timeout=30))


def of_client(folder: Path, *, certificate: str = "cert.pem", key: str = "key.pem") -> ssl.SSLContext:
    """The TLS of a listener that has the files of `client add`, and wants to see a certificate for clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / certificate, folder / key)
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def listening(context: ssl.SSLContext, answer: Answer = takes, port: int = 0) -> Iterator[Listener]:
    """A client who listens, for one connection after another."""
    with socket.create_server(("127.0.0.1", port)) as accepting:
        listener = Listener(accepting.getsockname()[1], answer)

        def serve() -> None:
            while True:
                try:
                    plain, _ = accepting.accept()
                except OSError:
                    return
                plain.settimeout(30)
                try:
                    with context.wrap_socket(plain, server_side=True) as stream:
                        _hear(stream, listener)
                except OSError as error:
                    plain.close()
                    listener.failed.put(str(error))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                accepting.shutdown(socket.SHUT_RDWR)
            accepting.close()
            thread.join(30)


def _hear(stream: ssl.SSLSocket, listener: Listener) -> None:
    head = exactly(stream, 8)
    if not head:
        listener.failed.put("nothing came")
        return
    asked = head + exactly(stream, int.from_bytes(head[4:], "big"))
    listener.came.put(asked)
    listener.answer(asked, stream)
