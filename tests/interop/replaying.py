"""What replays share: a client that sends its bytes as they are, and every answer held against the client's version."""

from __future__ import annotations

import http.client
import ssl
import uuid
from collections.abc import Sequence
from typing import Any, Protocol

from support.known_in import assert_known
from support.numbers import Tag
from support.requests import Request
from support.server import Client
from support.wire import (
    Connection,
    Node,
    Response,
    Result,
    Version,
    batch_item,
    boolean,
    date_time,
    enumeration,
    integer,
    message,
    octets,
    read_response,
    structure,
    text,
)


class Channel(Protocol):
    """How a client's bytes travel."""

    def round_trip(self, data: bytes) -> bytes: ...

    def close(self) -> None: ...


class OverTls:
    """The KMIP port."""

    def __init__(self, client: Client, tls: ssl.TLSVersion | None = None) -> None:
        self.connection: Connection = client.connect(tls)

    def round_trip(self, data: bytes) -> bytes:
        self.connection.send(data)
        return self.connection.receive()

    def close(self) -> None:
        self.connection.close()


class OverHttps:
    """POST /kmip, binary."""

    def __init__(self, client: Client) -> None:
        host, port = client.server.https
        self.connection = http.client.HTTPSConnection(host, port, context=client.credentials.context(), timeout=30)

    def round_trip(self, data: bytes) -> bytes:
        self.connection.request("POST", "/kmip", data, {"Content-Type": "application/octet-stream"})
        response = self.connection.getresponse()
        assert response.status == 200, response.status
        return response.read()

    def close(self) -> None:
        self.connection.close()


class Replay:
    """One client on one connection.

    `fields` go into the header of every request; `item_id` is the Unique Batch Item ID before the count of a client
    that gives one to single requests too, and None for one that does not.
    """

    def __init__(
        self, channel: Channel, version: Version, fields: Sequence[bytes] = (), item_id: bytes | None = None
    ) -> None:
        self.channel = channel
        self.version = version
        self.fields = tuple(fields)
        self.item_id = item_id

    def send(self, data: bytes, version: Version | None = None) -> Response:
        """Send one message and read its answer, in which there is nothing that the client's version does not have."""
        response = read_response(self.channel.round_trip(data))
        assert_known(response, self.version if version is None else version)
        return response

    def ask(self, *requests: Request) -> Response:
        """Send requests in one message; the answers have the Unique Batch Item IDs that were sent."""
        identifiers = [self._identifier(number, len(requests)) for number in range(1, len(requests) + 1)]
        items = [
            batch_item(request.operation, request.payload, identifier=identifier)
            for request, identifier in zip(requests, identifiers, strict=True)
        ]
        response = self.send(message(self.version, *items, fields=self.fields))
        assert [result.identifier for result in response.results] == identifiers[: len(response.results)]
        return response

    def _identifier(self, number: int, count: int) -> bytes | None:
        if self.item_id is None:
            return None if count == 1 else bytes([number])
        return self.item_id + bytes([number])

    def do(self, operation: int, *payload: bytes) -> Result:
        """Carry out one operation, which succeeds."""
        return self.try_(operation, *payload).expect_success()

    def try_(self, operation: int, *payload: bytes) -> Result:
        """Carry out one operation."""
        result = self.ask(Request(operation, b"".join(payload))).result
        assert result.operation == operation
        return result


# What these clients put into requests. ------------------------------------------------------------------------------


def unique(stem: str) -> str:
    """A name that no other test gives."""
    return f"{stem}-{uuid.uuid4()}"


def uid(value: str) -> bytes:
    return text(Tag.UNIQUE_IDENTIFIER, value)


def attribute(title: str, value: bytes, index: int | None = None) -> bytes:
    """An Attribute of 1.x; `value` is an item of any tag."""
    return structure(
        Tag.ATTRIBUTE,
        text(Tag.ATTRIBUTE_NAME, title),
        b"" if index is None else integer(Tag.ATTRIBUTE_INDEX, index),
        int(Tag.ATTRIBUTE_VALUE).to_bytes(3, "big") + value[3:],
    )


def named(value: str, index: int | None = None) -> bytes:
    """The attribute Name."""
    item = structure(Tag.NAME, text(Tag.NAME_VALUE, value), enumeration(Tag.NAME_TYPE, 1))
    return attribute("Name", item, index)


def words(title: str, value: str) -> bytes:
    """An attribute that is a Text String."""
    return attribute(title, text(Tag.ATTRIBUTE_VALUE, value))


def number(title: str, value: int, index: int | None = None) -> bytes:
    """An attribute that is an Integer."""
    return attribute(title, integer(Tag.ATTRIBUTE_VALUE, value), index)


def choice(title: str, value: int, index: int | None = None) -> bytes:
    """An attribute that is an Enumeration."""
    return attribute(title, enumeration(Tag.ATTRIBUTE_VALUE, value), index)


def moment(title: str, value: int) -> bytes:
    """An attribute that is a Date-Time."""
    return attribute(title, date_time(Tag.ATTRIBUTE_VALUE, value))


def truth(title: str, value: bool) -> bytes:
    """An attribute that is a Boolean."""
    return attribute(title, boolean(Tag.ATTRIBUTE_VALUE, value))


def blob(title: str, value: bytes) -> bytes:
    """An attribute that is a Byte String."""
    return attribute(title, octets(Tag.ATTRIBUTE_VALUE, value))


AES_256 = (
    choice("Cryptographic Algorithm", 3)
    + number("Cryptographic Length", 256)
    + number("Cryptographic Usage Mask", 0x0C)
)


def template(*attributes: bytes) -> bytes:
    return structure(Tag.TEMPLATE_ATTRIBUTE, *attributes)


def asking(*titles: str) -> bytes:
    """Attribute Names."""
    return b"".join(text(Tag.ATTRIBUTE_NAME, title) for title in titles)


def revocation(code: int, words_: str | None = None, at: int | None = None) -> bytes:
    """The reason in a Revoke request, and the Compromise Occurrence Date."""
    said = b"" if words_ is None else text(Tag.REVOCATION_MESSAGE, words_)
    when = b"" if at is None else date_time(Tag.COMPROMISE_OCCURRENCE_DATE, at)
    return structure(Tag.REVOCATION_REASON, enumeration(Tag.REVOCATION_REASON_CODE, code), said) + when


# What these clients read out of answers. ----------------------------------------------------------------------------


def attributes_in(result: Result) -> dict[str, Any]:
    """The attributes of a 1.x answer by name; structures are tuples of values."""
    assert result.payload is not None
    found = result.payload.all(Tag.ATTRIBUTE)
    return {node.get(Tag.ATTRIBUTE_NAME): _plain(node.find(Tag.ATTRIBUTE_VALUE)) for node in found}


def _plain(node: Node | None) -> Any:
    assert node is not None
    return tuple(_plain(child) for child in node.value) if isinstance(node.value, tuple) else node.value


def found_in(result: Result) -> list[str]:
    """The Unique Identifiers that Locate answers."""
    assert result.payload is not None
    return [node.value for node in result.expect_success().payload.all(Tag.UNIQUE_IDENTIFIER)]  # type: ignore[union-attr]


def key_in(result: Result, kind: int = Tag.SYMMETRIC_KEY) -> bytes:
    """The key bytes that Get answers, in a Key Block that has nothing but the Key Material in its Key Value."""
    value = result.payload and result.payload.find(kind, Tag.KEY_BLOCK, Tag.KEY_VALUE)
    assert value is not None, result
    assert [child.tag for child in value.value] == [Tag.KEY_MATERIAL]
    return bytes(value.get(Tag.KEY_MATERIAL))
