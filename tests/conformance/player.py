"""Plays a published case against a running server, as a client would, and says where the answers differ.

Messages go as binary TTLV over TLS; the cases about encodings go over HTTPS in their encoding (KMIP 2.1 s10.2).
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Protocol

from comparison import Knowledge, Place, differences, value_at
from published import Case, Exchange, Message, walk
from support.numbers import Tag
from support.server import Client
from support.wire import Connection, parse

from kmip_server.ttlv import binary, json, xml
from kmip_server.ttlv.item import Item
from kmip_server.ttlv.text import enumeration_text

MARKERS = {
    "Interop": "says to a test harness where a case begins and ends; it is no part of what the case tests",
    "Log": "is not an operation of this server; it is the last step of a case whose other steps stand for themselves",
}
"""Operations whose exchanges are left out, with the reason."""

_GENERATING = {"Create", "CreateKeyPair"}
_IDENTIFIERS = (Tag.UNIQUE_IDENTIFIER, Tag.PRIVATE_KEY_UNIQUE_IDENTIFIER, Tag.PUBLIC_KEY_UNIQUE_IDENTIFIER)


class Transport(Protocol):
    def exchange(self, request: Item) -> Item: ...

    def close(self) -> None: ...


class OverTls:
    """Binary TTLV on the KMIP port; answers are read by the tests' own parser."""

    def __init__(self, client: Client) -> None:
        self._connection: Connection = client.connect()

    def exchange(self, request: Item) -> Item:
        self._connection.send(binary.encode(request))
        return Item(*parse(self._connection.receive()))

    def close(self) -> None:
        self._connection.close()


class OverHttps:
    """One encoding on the HTTPS port: POST /kmip."""

    def __init__(self, client: Client, encoding: ModuleType, content_type: str) -> None:
        host, port = client.server.https
        context = client.credentials.context()
        self._connection = http.client.HTTPSConnection(host, port, context=context, timeout=30)
        self._encoding = encoding
        self._content_type = content_type

    def exchange(self, request: Item) -> Item:
        self._connection.request("POST", "/kmip", self._encoding.encode(request), {"Content-Type": self._content_type})
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body[:200])
        assert response.headers.get_content_type() == self._content_type
        tree = self._encoding.decode(body)
        assert isinstance(tree, Item)
        return tree

    def close(self) -> None:
        self._connection.close()


TRANSPORTS: dict[str, Callable[[Client], Transport]] = {
    "MSGENC-HTTPS": lambda client: OverHttps(client, binary, "application/octet-stream"),
    "MSGENC-JSON": lambda client: OverHttps(client, json, "application/json"),
    "MSGENC-XML": lambda client: OverHttps(client, xml, "text/xml"),
}


def transport_for(name: str, client: Client) -> Transport:
    """The transport that a case asks for by its name."""
    for prefix, transport in TRANSPORTS.items():
        if name.startswith(prefix):
            return transport(client)
    return OverTls(client)


def play(case: Case, transport: Transport, knowledge: Knowledge, alternatives: Sequence[Case] = ()) -> list[str]:
    """Play a case to its end, or to the first exchange that differs; answers the differences there.

    The alternatives are cases with the same requests, any one of whose answers will do.
    """
    answers: list[Item] = []
    for step, exchange in enumerate(case.exchanges):
        if _operations(exchange.request.tree) <= MARKERS.keys():
            continue
        _bind_from_earlier(exchange.request, answers, knowledge)
        now = int(time.time())
        request = exchange.request.substituted(knowledge.bound, now)
        actual = transport.exchange(request)
        answers.append(actual)
        choices = [exchange, *(other.exchanges[step] for other in alternatives)]
        problems = min((_compare(request, choice, actual, knowledge, now) for choice in choices), key=len)
        if problems:
            return [f"exchange {step + 1} of {len(case.exchanges)}: {problem}" for problem in problems]
        _learn(request, actual, knowledge)
    return []


def _compare(request: Item, exchange: Exchange, actual: Item, knowledge: Knowledge, now: int) -> list[str]:
    expected = exchange.response.tree
    items, wanted = _batch_items(actual), _batch_items(expected)
    if actual.tag != Tag.RESPONSE_MESSAGE or len(items) != len(wanted):
        return [f"expected a response of {len(wanted)} items, got {len(items)}"]
    nowhere = Place("*", None, None, knowledge, now)
    found = differences(expected.value[0], actual.value[0], nowhere, "ResponseHeader")
    version = value_at(actual.value[0], Tag.PROTOCOL_VERSION)
    if version != value_at(request.value[0], Tag.PROTOCOL_VERSION):
        found.append("ResponseHeader/ProtocolVersion: is not the request's")
    for asked, wants, got in zip(_batch_items(request), wanted, items, strict=True):
        operation = _operation(asked)
        place = Place(operation, _payload(asked), _payload(got), knowledge, now)
        found += [f"{operation}: {problem}" for problem in differences(wants, got, place, "BatchItem")]
        knowledge.generated |= _generated(operation, got)
    return found


def _generated(operation: str, got: Item) -> set[str]:
    """The identifiers of objects that this item generated: later items of the batch may name them."""
    payload = _payload(got)
    if operation not in _GENERATING or payload is None:
        return set()
    return {item.value for item in payload.value if item.tag in _IDENTIFIERS}


def _learn(request: Item, actual: Item, knowledge: Knowledge) -> None:
    """Keep the Object Type of what was registered."""
    for asked, got in zip(_batch_items(request), _batch_items(actual), strict=True):
        if _operation(asked) == "Register":
            identifier = value_at(_payload(got), Tag.UNIQUE_IDENTIFIER)
            if identifier is not None:
                knowledge.object_types[identifier] = value_at(_payload(asked), Tag.OBJECT_TYPE)


def _bind_from_earlier(request: Message, answers: Sequence[Item], knowledge: Knowledge) -> None:
    """Bind what a request needs and no published response named: the last answer with the same field has it."""
    for name, holder in request.placeholders():
        if name not in knowledge.bound:
            fields = (item for answer in reversed(answers) for item in walk(answer))
            found = next((item for item in fields if (item.tag, item.type) == (holder.tag, holder.type)), None)
            if found is not None:
                knowledge.bound[name] = found.value


def _batch_items(message: Item) -> list[Item]:
    return [item for item in message.value if item.tag == Tag.BATCH_ITEM]


def _payload(batch_item: Item) -> Item | None:
    return next((i for i in batch_item.value if i.tag in (Tag.REQUEST_PAYLOAD, Tag.RESPONSE_PAYLOAD)), None)


def _operation(batch_item: Item) -> str:
    return enumeration_text(Tag.OPERATION, value_at(batch_item, Tag.OPERATION))


def _operations(message: Item) -> set[str]:
    return {_operation(item) for item in _batch_items(message)}
