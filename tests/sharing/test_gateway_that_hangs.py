"""A worker that asks its gateway waits longer than that waits for others: what is told to a client is settled then."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from kmip_server.gateway.client import GatewayClient
from kmip_server.operations.negotiation import Settled


@pytest.mark.parametrize("answer_seconds", [10.0, 300.0])
def test_an_answer_is_waited_for_longer_than_the_gateway_waits(tmp_path: Path, answer_seconds: float) -> None:
    """Else a key would be confirmed at both sites of which the client was told that it is withdrawn."""
    clock = Clock()
    client = GatewayClient(cast(Any, clock), tmp_path, answer_seconds)
    connection = client._begun()
    connection.makeConnection(StringTransport())
    client._made(connection)
    told: list[dict[str, Settled]] = []
    client.settle(["key"]).addCallback(told.append)
    clock.advance(answer_seconds + 1)
    assert told == []
    clock.advance(120)
    assert told == [{}]
