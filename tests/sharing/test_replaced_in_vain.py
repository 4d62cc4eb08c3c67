"""Replacing keys while a site is not reached: it is asked once in a round, and keys of other sites wait for it once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from support.engine import EngineHarness, MakeEngine
from support.requests import activation_date, create_aes

from dscc.errors import DsccError, Reason
from kmip_server.gateway.process import GatewayProcess
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.negotiation import Negotiated, Wanted
from policy.compiling import Ruling
from policy.documents import read_document

ME = "site-a"
WITHIN_S = 30
POLICY = "".join(
    f"""
[[sharing]]
name = "with {peer}"
subjects = ["anyone"]
peer = "{peer}"
rotate = "60s"
overlap = "5s"
"""
    for peer in ("site-b", "site-c")
)


def share(engine: EngineHarness, peer: str, count: int) -> None:
    """Make keys that are shared with a peer, and have long been active."""
    client = engine.client()
    keys = [client.do(create_aes((2, 1), activation_date(engine.now - 600))).unique_identifier for _ in range(count)]
    with engine.store.unit(writes=True) as unit:
        for key in keys:
            row = unit.get(key)
            assert row is not None
            found = ManagedObject.of(row)
            said = {"Peer": peer, "Purpose": "tunnel", "Initiator": ME, "ConfirmedAt": "1"}
            found.attributes = with_dscc(found.attributes, said)
            unit.update(found.to_row())


class Rounds(GatewayProcess):
    """A gateway that reaches nobody, for one round."""

    def begin(self) -> None:
        self.asked: Counter[str] = Counter()
        self.rounds = 0
        self.is_over = asyncio.Event()

    async def negotiate(self, wanted: Wanted) -> Negotiated:
        """See Gateway."""
        self.asked[wanted.peer] += 1
        raise DsccError(Reason.FAILED, f"{wanted.peer} is not reached")

    async def _stop_revoked(self) -> None:
        """It comes first in each round."""
        self.rounds += 1
        if self.rounds == 2:
            self.is_over.set()
            await asyncio.Event().wait()


def test_a_site_that_is_not_reached_is_asked_once_in_a_round(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    share(engine, "site-b", 3)
    share(engine, "site-c", 2)

    async def act() -> Counter[str]:
        with engine.store.unit(writes=False) as unit:
            directory = Directory(unit.epoch(), Ruling(read_document(POLICY, "test")))
        dscc = SimpleNamespace(peers={}, groups={}, answer_seconds=5)
        device = SimpleNamespace(name=ME, state=SimpleNamespace(groups={}))
        gateway = Rounds(
            cast(Any, SimpleNamespace(directory=tmp_path, dscc=dscc)),
            engine.store,
            engine.engine,
            cast(Any, SimpleNamespace(current=directory)),
            cast(Any, device),
        )
        gateway.begin()
        rotating = asyncio.create_task(gateway._rotate())
        try:
            await asyncio.wait_for(gateway.is_over.wait(), WITHIN_S)
        finally:
            rotating.cancel()
            await asyncio.gather(rotating, return_exceptions=True)
            gateway._storing.close()
        return gateway.asked

    assert asyncio.run(act()) == {"site-b": 1, "site-c": 1}
