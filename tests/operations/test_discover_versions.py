"""Discover Versions (KMIP 2.1 s6.1.16): the versions that both sides speak, in the server's order."""

from __future__ import annotations

import pytest
from support.engine import EngineHarness
from support.numbers import Reason, Tag
from support.requests import discover_versions
from support.wire import VERSIONS, Result, Version

NEWEST_FIRST = list(reversed(VERSIONS))


def versions(result: Result) -> list[Version]:
    payload = result.expect_success().payload
    assert payload is not None
    return [
        (node.get(Tag.PROTOCOL_VERSION_MAJOR), node.get(Tag.PROTOCOL_VERSION_MINOR))
        for node in payload.all(Tag.PROTOCOL_VERSION)
    ]


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_without_a_list_all_versions_are_returned_the_newest_first(engine: EngineHarness, version: Version) -> None:
    assert versions(engine.client(version).do(discover_versions())) == NEWEST_FIRST


def test_with_a_list_those_that_both_sides_speak_are_returned(engine: EngineHarness) -> None:
    client = engine.client((1, 2))
    assert versions(client.do(discover_versions((1, 0), (1, 3), (3, 0)))) == [(1, 3), (1, 0)]
    assert versions(client.do(discover_versions((1, 9), (9, 9), (-1, 0)))) == []


def test_the_operation_does_not_exist_in_1_0(engine: EngineHarness) -> None:
    refused = engine.client((1, 0)).do(discover_versions()).reason
    assert refused in (Reason.OPERATION_NOT_SUPPORTED, Reason.INVALID_FIELD)


def test_anybody_may_ask(engine: EngineHarness) -> None:
    assert versions(engine.client((2, 1), "a stranger").do(discover_versions())) == NEWEST_FIRST
