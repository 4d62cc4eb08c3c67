"""Locate as tests send it, and what it found."""

from __future__ import annotations

from support import requests as ask
from support.engine import EngineClient
from support.numbers import Tag
from support.requests import Attribute, Request
from support.wire import Result, enumeration, integer

ON_LINE, ARCHIVED, DESTROYED = 1, 2, 4
FRESH, DEFAULT = 1, 2


def create(client: EngineClient, *attributes: Attribute, **how: int) -> str:
    return client.do(ask.create_aes(client.version, *attributes, **how)).unique_identifier


def find(client: EngineClient, *attributes: Attribute, **paging: int) -> list[str]:
    return found(client.do(ask.locate(client.version, *attributes, **paging)))


def found(result: Result) -> list[str]:
    payload = result.expect_success().payload
    assert payload is not None
    return [node.value for node in payload.all(Tag.UNIQUE_IDENTIFIER)]


def storage(client: EngineClient, mask: int, *attributes: Attribute) -> Result:
    """Locate with a Storage Status Mask."""
    limits = integer(Tag.STORAGE_STATUS_MASK, mask)
    plain = ask.locate(client.version, *attributes)
    return client.do(Request(plain.operation, limits + plain.payload))


def member(client: EngineClient, which: int, *attributes: Attribute) -> Result:
    """Locate with an Object Group Member."""
    plain = ask.locate(client.version, *attributes)
    return client.do(Request(plain.operation, enumeration(Tag.OBJECT_GROUP_MEMBER, which) + plain.payload))
