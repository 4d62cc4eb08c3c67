"""What a gateway does to the store is done later if it cannot be done now."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.engine import MakeEngine

from kmip_server.gateway.storing import Storing
from kmip_server.identity.directory import Directory
from kmip_server.storage.port import StorageUnavailable
from policy.model import PolicyError


def test_while_the_policy_in_force_cannot_be_used_what_nodes_have_said_waits(make_engine: MakeEngine) -> None:
    harness = make_engine()
    with harness.store.unit(writes=False) as unit:
        former = Directory(unit.epoch() - 1, harness.engine.services.ruling)
    done: list[int] = []

    def unusable() -> bool:
        raise PolicyError("[[rules]]: of a later version")

    async def work() -> None:
        storing = Storing(harness.store, cast(Any, SimpleNamespace(current=former, refresh=unusable)))
        try:
            await storing.write(lambda _, __: done.append(1))
        finally:
            storing.close()

    with pytest.raises(StorageUnavailable, match="of a later version"):
        asyncio.run(work())
    assert not done
