"""Keys that cannot be replaced: who is not reached is asked once in a round, and a refusal stands for a while."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from support.engine import EngineHarness, MakeEngine
from support.requests import Attribute, activation_date, create_aes, object_group

from dscc.drawing import unique_identifier
from dscc.errors import DsccError, Reason
from kmip_server.gateway.confirming import withdraw
from kmip_server.gateway.process import GatewayProcess
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.operations.negotiation import Negotiated, Wanted
from kmip_server.operations.replacement import replacement_of
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


def share(engine: EngineHarness, peer: str, count: int, *more: Attribute) -> list[str]:
    """Make keys that are shared with a peer, and have long been active."""
    asked = create_aes((2, 1), activation_date(engine.now - 600), *more)
    keys = [engine.client().do(asked).unique_identifier for _ in range(count)]
    with engine.store.unit(writes=True) as unit:
        for key in keys:
            row = unit.get(key)
            assert row is not None
            found = ManagedObject.of(row)
            said = {"Peer": peer, "Purpose": "tunnel", "Initiator": ME, "ConfirmedAt": "1"}
            found.attributes = with_dscc(found.attributes, said)
            unit.update(found.to_row())
    return keys


class Rounds(GatewayProcess):
    """A gateway that goes a few rounds, and reaches some sites."""

    asked: Counter[str]
    reached: tuple[str, ...] = ()
    left: int
    is_over: asyncio.Event
    between_rounds: Callable[[], object]

    async def negotiate(self, wanted: Wanted) -> Negotiated:
        """See Gateway."""
        self.asked[wanted.peer] += 1
        if wanted.peer not in self.reached:
            raise DsccError(Reason.FAILED, f"{wanted.peer} is not reached")
        kid = secrets.token_bytes(16)
        said = {"KeyId": kid.hex(), "SessionId": f"{kid.hex()}/1", "Initiator": ME}
        return Negotiated(wanted, unique_identifier(kid), secrets.token_bytes(wanted.bits // 8), said, 0, 0)

    async def _stop_revoked(self) -> None:
        """It comes first in each round."""
        self.left -= 1
        self.between_rounds()
        if self.left < 0:
            self.is_over.set()
            await asyncio.Event().wait()


def go(
    engine: EngineHarness, folder: Path, rounds: int, *reached: str, between: Callable[[], object] = lambda: None
) -> Counter[str]:
    """Go so many rounds; how often each site was asked for a key."""

    async def act() -> Counter[str]:
        with engine.store.unit(writes=False) as unit:
            directory = Directory(unit.epoch(), Ruling(read_document(POLICY, "test")))
        dscc = SimpleNamespace(peers={}, groups={}, answer_seconds=5)
        device = SimpleNamespace(name=ME, state=SimpleNamespace(groups={}))
        gateway = Rounds(
            cast(Any, SimpleNamespace(directory=folder, dscc=dscc)),
            engine.store,
            engine.engine,
            cast(Any, SimpleNamespace(current=directory)),
            cast(Any, device),
        )
        gateway.asked, gateway.left, gateway.reached = Counter(), rounds, reached
        gateway.is_over, gateway.between_rounds = asyncio.Event(), between
        rotating = asyncio.create_task(gateway._rotate())
        try:
            await asyncio.wait_for(gateway.is_over.wait(), WITHIN_S)
        finally:
            rotating.cancel()
            await asyncio.gather(rotating, return_exceptions=True)
            gateway._storing.close()
        return gateway.asked

    return asyncio.run(act())


def test_a_site_that_is_not_reached_is_asked_once_in_a_round(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    share(engine, "site-b", 3)
    share(engine, "site-c", 2)
    assert go(engine, tmp_path, 1) == {"site-b": 1, "site-c": 1}


def test_a_replacement_that_is_refused_is_not_asked_for_again_at_once(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Each refusal is on record: one every second would fill the log."""
    engine = make_engine()
    share(engine, "site-b", 1, *[object_group(f"{number}" + "x" * 3000) for number in range(3)])
    assert go(engine, tmp_path, 2, "site-b") == {"site-b": 1}
    assert [row.outcome for row in engine.audit()].count("failed") == 1


def test_a_replacement_that_the_peer_refuses_is_not_made_again_at_once(make_engine: MakeEngine, tmp_path: Path) -> None:
    """Each one is an object of its own, at both sites, which is there for good."""
    engine = make_engine()
    (key,) = share(engine, "site-b", 1)

    def refuse() -> None:
        with engine.store.unit(writes=True) as unit:
            row = unit.get(key)
            assert row is not None
            replacement = replacement_of(unit, ManagedObject.of(row))
            if replacement is not None:
                services, now = engine.engine.services, engine.now
                directory = Directory(unit.epoch(), services.ruling)
                withdraw(unit, directory, services, replacement.unique_identifier, now, "site-b refuses it")

    assert go(engine, tmp_path, 2, "site-b", between=refuse) == {"site-b": 1}
