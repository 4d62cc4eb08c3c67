"""A shared key whose row was changed behind the server: what is to be done to all keys is done to the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from support.engine import EngineHarness, MakeEngine
from support.requests import activation_date, create_aes

from kmip_server.gateway.watching import stop_peer, stop_peer_here
from kmip_server.identity.directory import Directory
from kmip_server.objects.dscc_attributes import with_dscc
from kmip_server.objects.managed_object import ManagedObject
from kmip_server.ttlv.enumerations import State

PEER = "site-b"


def shared(engine: EngineHarness, count: int) -> list[str]:
    """Active keys that are shared with the peer."""
    client = engine.client()
    keys = [client.do(create_aes((2, 1), activation_date(engine.now - 1))).unique_identifier for _ in range(count)]
    with engine.store.unit(writes=True) as unit:
        for key in keys:
            row = unit.get(key)
            assert row is not None
            found = ManagedObject.of(row)
            found.attributes = with_dscc(found.attributes, {"Peer": PEER, "ConfirmedAt": "1"})
            unit.update(found.to_row())
    return keys


def break_seal(engine: EngineHarness, key: str) -> None:
    with engine.store.database.writing() as connection:
        connection.execute(text("UPDATE objects SET version = 9 WHERE unique_identifier = :key"), {"key": key})


def states(engine: EngineHarness, keys: list[str]) -> list[State]:
    rows = [engine.row(key) for key in keys]
    return [State(row.state) for row in rows if row is not None]


@pytest.mark.parametrize("stop", [stop_peer, stop_peer_here])
def test_a_revoked_site_s_other_keys_are_stopped(make_engine: MakeEngine, stop: Callable[..., None]) -> None:
    engine = make_engine()
    keys = shared(engine, 3)
    break_seal(engine, keys[1])
    with engine.store.unit(writes=True) as unit:
        services = engine.engine.services
        stop(unit, Directory(unit.epoch(), services.ruling), services, PEER, engine.now)
    assert states(engine, keys) == [State.DEACTIVATED, State.ACTIVE, State.DEACTIVATED]
