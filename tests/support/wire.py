"""A small KMIP client for tests, independent of the server: TTLV bytes in, TTLV bytes out, mutual TLS between them.

Builders answer bytes, so that a test can bend any of them; `parse` is strict and answers Nodes. Nothing here imports
the server.
"""

from __future__ import annotations

import socket
import ssl
import struct as _struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from support.error_tables import assert_allowed, says_where
from support.numbers import Operation, Reason, Tag

STRUCTURE, INTEGER, LONG_INTEGER, BIG_INTEGER, ENUMERATION, BOOLEAN = 1, 2, 3, 4, 5, 6
TEXT_STRING, BYTE_STRING, DATE_TIME, INTERVAL, DATE_TIME_EXTENDED = 7, 8, 9, 10, 11

Version = tuple[int, int]
VERSIONS: tuple[Version, ...] = ((1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0), (2, 1))

SUCCESS, OPERATION_FAILED, OPERATION_PENDING, OPERATION_UNDONE = 0, 1, 2, 3


# --- building -------------------------------------------------------------------------------------------------------


def raw(tag: int, kind: int, length: int, value: bytes) -> bytes:
    """An item whose length field says what the test wants it to say; nothing is padded."""
    return tag.to_bytes(3, "big") + bytes([kind]) + length.to_bytes(4, "big") + value


def _padded(tag: int, kind: int, value: bytes) -> bytes:
    return raw(tag, kind, len(value), value + bytes(-len(value) % 8))


def structure(tag: int, *parts: bytes) -> bytes:
    return _padded(tag, STRUCTURE, b"".join(parts))


def integer(tag: int, value: int) -> bytes:
    return _padded(tag, INTEGER, _struct.pack(">i", value))


def long_integer(tag: int, value: int) -> bytes:
    return _padded(tag, LONG_INTEGER, _struct.pack(">q", value))


def big_integer(tag: int, value: int) -> bytes:
    return _padded(tag, BIG_INTEGER, value.to_bytes((value.bit_length() // 64 + 1) * 8, "big", signed=True))


def enumeration(tag: int, value: int) -> bytes:
    return _padded(tag, ENUMERATION, _struct.pack(">I", value))


def boolean(tag: int, value: bool) -> bytes:
    return _padded(tag, BOOLEAN, _struct.pack(">Q", int(value)))


def text(tag: int, value: str) -> bytes:
    return _padded(tag, TEXT_STRING, value.encode())


def octets(tag: int, value: bytes) -> bytes:
    return _padded(tag, BYTE_STRING, value)


def date_time(tag: int, value: int) -> bytes:
    return _padded(tag, DATE_TIME, _struct.pack(">q", value))


def interval(tag: int, value: int) -> bytes:
    return _padded(tag, INTERVAL, _struct.pack(">I", value))


# --- parsing --------------------------------------------------------------------------------------------------------


class Node(NamedTuple):
    """A parsed item; the value of a structure is the tuple of its children."""

    tag: int
    type: int
    value: Any

    def find(self, *path: int) -> Node | None:
        """The first descendant along a path of tags, or None."""
        node: Node | None = self
        for tag in path:
            node = next((child for child in node.value if child.tag == tag), None) if node is not None else None
        return node

    def get(self, *path: int) -> Any:
        """The value at a path of tags, or None if it is absent."""
        node = self.find(*path)
        return None if node is None else node.value

    def all(self, tag: int) -> list[Node]:
        """The children with this tag, in order."""
        return [child for child in self.value if child.tag == tag]

    def walk(self) -> Iterator[Node]:
        """This item and everything below it."""
        yield self
        if self.type == STRUCTURE:
            for child in self.value:
                yield from child.walk()


_VALUES: dict[int, tuple[str, int]] = {
    INTEGER: (">i", 4),
    LONG_INTEGER: (">q", 8),
    ENUMERATION: (">I", 4),
    BOOLEAN: (">Q", 8),
    DATE_TIME: (">q", 8),
    INTERVAL: (">I", 4),
    DATE_TIME_EXTENDED: (">q", 8),
}


def parse(data: bytes) -> Node:
    """Parse exactly one item. Raises ValueError if the bytes are anything else."""
    nodes = _parse(data)
    if len(nodes) != 1:
        raise ValueError(f"expected one item, found {len(nodes)}")
    return nodes[0]


def _parse(data: bytes) -> tuple[Node, ...]:
    nodes, at = [], 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError(f"a header is cut short at byte {at}")
        tag, kind = int.from_bytes(data[at : at + 3], "big"), data[at + 3]
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        body, end = data[at + 8 : at + 8 + length], at + 8 + length + -length % 8
        if end > len(data):
            raise ValueError(f"tag {tag:06X} at byte {at} is longer than its parent")
        if any(data[at + 8 + length : end]):
            raise ValueError(f"tag {tag:06X} at byte {at}: padding is not zero")
        nodes.append(Node(tag, kind, _value(tag, kind, body)))
        at = end
    return tuple(nodes)


def _value(tag: int, kind: int, body: bytes) -> Any:
    if kind == STRUCTURE:
        return _parse(body)
    if kind in _VALUES:
        form, size = _VALUES[kind]
        if len(body) != size:
            raise ValueError(f"tag {tag:06X}: {len(body)} bytes for type {kind}")
        (value,) = _struct.unpack(form, body)
        if kind == BOOLEAN and value > 1:
            raise ValueError(f"tag {tag:06X}: a Boolean of {value}")
        return bool(value) if kind == BOOLEAN else value
    if kind == TEXT_STRING:
        return body.decode()
    if kind == BYTE_STRING:
        return body
    if kind == BIG_INTEGER and body and len(body) % 8 == 0:
        return int.from_bytes(body, "big", signed=True)
    raise ValueError(f"tag {tag:06X}: type {kind:02X} with {len(body)} bytes")


# --- messages -------------------------------------------------------------------------------------------------------


def protocol_version(version: Version) -> bytes:
    return structure(
        Tag.PROTOCOL_VERSION,
        integer(Tag.PROTOCOL_VERSION_MAJOR, version[0]),
        integer(Tag.PROTOCOL_VERSION_MINOR, version[1]),
    )


def header(version: Version, count: int, *fields: bytes) -> bytes:
    """A request header; `fields` go between the version and the batch count, in the order given."""
    return structure(Tag.REQUEST_HEADER, protocol_version(version), *fields, integer(Tag.BATCH_COUNT, count))


def batch_item(operation: int, *payload: bytes, identifier: bytes | None = None, extension: bytes = b"") -> bytes:
    """A request batch item; `payload` is the content of the Request Payload, `extension` follows it."""
    return structure(
        Tag.BATCH_ITEM,
        enumeration(Tag.OPERATION, operation),
        b"" if identifier is None else octets(Tag.UNIQUE_BATCH_ITEM_ID, identifier),
        structure(Tag.REQUEST_PAYLOAD, *payload),
        extension,
    )


def message(version: Version, *items: bytes, fields: tuple[bytes, ...] = ()) -> bytes:
    """A request message of finished batch items, with further header fields."""
    return structure(Tag.REQUEST_MESSAGE, header(version, len(items), *fields), *items)


def request(version: Version, operation: int, *payload: bytes, fields: tuple[bytes, ...] = ()) -> bytes:
    """A request message of one batch item."""
    return message(version, batch_item(operation, *payload), fields=fields)


def credential(username: str, password: str) -> bytes:
    """The Authentication header field with a Username and Password credential."""
    return structure(
        Tag.AUTHENTICATION,
        structure(
            Tag.CREDENTIAL,
            enumeration(Tag.CREDENTIAL_TYPE, 1),
            structure(Tag.CREDENTIAL_VALUE, text(Tag.USERNAME, username), text(Tag.PASSWORD, password)),
        ),
    )


@dataclass(frozen=True)
class Result:
    """One response batch item."""

    operation: int | None
    status: int
    reason: int | None
    message: str | None
    identifier: bytes | None
    correlation: bytes | None
    payload: Node | None

    @property
    def ok(self) -> bool:
        return self.status == SUCCESS

    def get(self, *path: int) -> Any:
        """A value of the payload, or None."""
        return None if self.payload is None else self.payload.get(*path)

    @property
    def unique_identifier(self) -> str:
        """The payload's first Unique Identifier; fails with the server's own words if the operation failed."""
        self.expect_success()
        return str(self.get(Tag.UNIQUE_IDENTIFIER))

    def expect_success(self) -> Self:
        assert self.ok, self
        return self

    def __str__(self) -> str:
        operation = self.operation if self.operation is None else Operation(self.operation).name
        reason = Reason(self.reason).name if self.reason in set(Reason) else self.reason
        return f"{operation}: status {self.status}, reason {reason}, {self.message!r}"


@dataclass(frozen=True)
class Response:
    """A response message; `node` is the whole of it."""

    version: Version
    results: tuple[Result, ...]
    node: Node

    @property
    def result(self) -> Result:
        """The only batch item."""
        assert len(self.results) == 1, self
        return self.results[0]


def read_response(data: bytes) -> Response:
    """Parse a response message, and check what holds for every one of them (KMIP 2.1 s8.4 to s8.6, s9.18, s6.1)."""
    node = parse(data)
    assert node.tag == Tag.RESPONSE_MESSAGE, hex(node.tag)
    head, *items = node.value
    assert head.tag == Tag.RESPONSE_HEADER, hex(head.tag)
    assert all(item.tag == Tag.BATCH_ITEM for item in items), node
    assert head.get(Tag.BATCH_COUNT) == len(items), node
    assert head.find(Tag.TIME_STAMP) is not None, node
    major = head.get(Tag.PROTOCOL_VERSION, Tag.PROTOCOL_VERSION_MAJOR)
    minor = head.get(Tag.PROTOCOL_VERSION, Tag.PROTOCOL_VERSION_MINOR)
    results = tuple(_result(item) for item in items)
    for result in results:
        if (major, minor) == (2, 1):
            assert_allowed(result.operation, result.reason)
    return Response((major, minor), results, node)


def _result(item: Node) -> Result:
    result = Result(
        operation=item.get(Tag.OPERATION),
        status=item.get(Tag.RESULT_STATUS),
        reason=item.get(Tag.RESULT_REASON),
        message=item.get(Tag.RESULT_MESSAGE),
        identifier=item.get(Tag.UNIQUE_BATCH_ITEM_ID),
        correlation=item.get(Tag.ASYNCHRONOUS_CORRELATION_VALUE),
        payload=item.find(Tag.RESPONSE_PAYLOAD),
    )
    assert result.status is not None, item
    if result.status == OPERATION_FAILED:
        assert result.reason is not None, item
        assert says_where(result.message), result.message
    assert result.status != SUCCESS or (result.reason is None and result.message is None), item
    return result


# --- connections ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credentials:
    """The files of a client certificate, as `client add` writes them."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, folder: Path) -> Self:
        return cls(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")

    def context(self, tls: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client's TLS settings: this certificate, this authority; one TLS version only, if one is given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        if tls is not None:
            context.minimum_version = context.maximum_version = tls
        return context


class PeerClosedError(Exception):
    """The server closed the connection instead of answering."""


class Connection:
    """One mutual TLS connection to a KMIP server; a context manager."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        *,
        timeout: float = 30,
        check_name: bool = True,
        resume: ssl.SSLSession | None = None,
    ) -> None:
        context.check_hostname = check_name
        plain = socket.create_connection(address, timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket = context.wrap_socket(plain, server_hostname=address[0], session=resume)
        except BaseException:
            plain.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        """The bytes of one message. Raises PeerClosedError if the server closes first."""
        head = self._exactly(8)
        return head + self._exactly(int.from_bytes(head[4:], "big"))

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except (ConnectionError, ssl.SSLError) as error:
                raise PeerClosedError(str(error)) from error
            if not part:
                raise PeerClosedError(f"closed after {len(data)} of {count} bytes")
            data += part
        return bytes(data)

    def exchange(self, data: bytes) -> Response:
        """Send one message and read its response."""
        self.send(data)
        return read_response(self.receive())

    def call(self, version: Version, operation: int, *payload: bytes, fields: tuple[bytes, ...] = ()) -> Result:
        """Carry out one operation."""
        return self.exchange(request(version, operation, *payload, fields=fields)).result
