"""Nodes may acknowledge a revocation before the request that made it waits for them: the look has found it first."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from kmip_server.gateway.pending import MOST
from kmip_server.gateway.telling import Telling
from kmip_server.operations.negotiation import Settled


def telling() -> Telling:
    """One that is not started: what is asked of it is in its memory."""
    nothing = cast(Any, None)
    return Telling(nothing, nothing, nothing, nothing, lambda: 0, answer_seconds=5)


def test_what_nodes_have_said_already_is_the_answer() -> None:
    async def act() -> None:
        one = telling()
        one._acknowledge("key", Settled(nodes=2, needed=2))
        began = asyncio.get_running_loop().time()
        assert await one.settle(["key"]) == {"key": Settled(nodes=2, needed=2)}
        assert asyncio.get_running_loop().time() - began < one._answer_seconds
        assert not one._acknowledged

    asyncio.run(act())


def test_what_nobody_asks_for_is_forgotten_in_time() -> None:
    async def act() -> None:
        one = telling()
        for number in range(MOST + 5):
            one._acknowledge(f"key {number}", Settled(nodes=2, needed=2))
        assert len(one._acknowledged) == MOST and "key 0" not in one._acknowledged

    asyncio.run(act())
