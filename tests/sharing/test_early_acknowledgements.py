"""Nodes may acknowledge a revocation before the request that made it waits for them: the look has found it first."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from kmip_server.gateway.pending import MOST
from kmip_server.gateway.telling import Telling
from kmip_server.gateway.waiting import Waiting
from kmip_server.operations.negotiation import Settled

KNOWN = Settled(nodes=2, needed=2)


def test_what_nodes_have_said_already_is_the_answer_to_who_comes_first() -> None:
    async def act() -> None:
        waiting = Waiting()
        waiting.acknowledge("key", KNOWN)
        first, second = waiting.enter(["key"], 5), waiting.enter(["key"], 5)
        assert first["key"].settled.result() == KNOWN
        assert not second["key"].settled.done()
        waiting.leave(first)
        waiting.leave(second)

    asyncio.run(act())


def test_a_request_that_nodes_have_acknowledged_already_does_not_wait() -> None:
    async def act() -> None:
        nothing = cast(Any, None)
        # It is not started: what is asked of it is in its memory.
        telling = Telling(nothing, nothing, nothing, nothing, lambda: 0, answer_seconds=60)
        telling._waiting.acknowledge("key", KNOWN)
        async with asyncio.timeout(30):
            assert await telling.settle(["key"]) == {"key": KNOWN}

    asyncio.run(act())


def test_what_nobody_asks_for_is_forgotten_in_time() -> None:
    async def act() -> None:
        waiting = Waiting()
        for number in range(MOST + 5):
            waiting.acknowledge(f"key {number}", KNOWN)
        waiters = waiting.enter([f"key {number}" for number in range(MOST + 5)], 5)
        assert [name for name, waiter in waiters.items() if not waiter.settled.done()] == [
            f"key {number}" for number in range(5)
        ]

    asyncio.run(act())
