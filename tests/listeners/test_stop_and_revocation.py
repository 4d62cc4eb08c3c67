"""How connections of the KMIP port end: by a stop, or by a revocation."""

from __future__ import annotations

import pytest
from edge_support import (
    ToyServer,
    World,
    eventually,
    exchange,
    is_closed,
    message,
    rest_of,
)
from twisted.internet.defer import Deferred

from kmip_server.listeners.handler import Reply

# Stop. ----------------------------------------------------------------------------------------------------------------


def test_a_stop_answers_what_was_taken_and_closes_what_is_idle(world: World) -> None:
    toy = ToyServer()
    pending: Deferred[Reply] = Deferred()
    answers = iter([pending])
    toy.answer = lambda data: next(answers, Reply(b"second.."))
    with world.edge(toy) as edge, edge.connect() as busy, edge.connect() as idle:
        busy.sendall(message(b"question") * 2)
        assert eventually(lambda: len(toy.requests) == 1)
        stopped: list[bool] = []
        world.call(lambda: (edge.edge.stop().addCallback(lambda _: stopped.append(True)), None)[1])
        assert is_closed(idle)
        with pytest.raises(ConnectionError):
            edge.tcp()
        assert not stopped
        world.call(pending.callback, Reply(b"first..."))
        assert rest_of(busy) == b"first...second.."
        assert eventually(lambda: bool(stopped))


def test_a_stop_does_not_wait_for_ever(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Deferred()
    with world.edge(toy, stop_seconds=0.3) as edge, edge.connect() as connection:
        connection.sendall(message(b"question"))
        assert eventually(lambda: len(toy.requests) == 1)
        world.call(edge.edge.stop)
        assert is_closed(connection)


def test_a_stop_waits_for_an_answer_to_be_read(world: World) -> None:
    toy = ToyServer()
    toy.answer = lambda data: Reply(bytes(8 << 20))
    with world.edge(toy) as edge, edge.connect() as connection:
        connection.sendall(message(b"question"))
        assert eventually(lambda: len(toy.requests) == 1)
        world.call(lambda: (edge.edge.stop(), None)[1])
        assert len(rest_of(connection)) == 8 << 20


# Revocation. ----------------------------------------------------------------------------------------------------------


def test_a_revoked_client_loses_its_open_connection_at_the_next_sweep(world: World) -> None:
    with world.edge(sweep_seconds=0.5) as edge, edge.connect() as connection:
        exchange(connection)
        edge.toy.revoked.add("alice")
        assert is_closed(connection)


def test_a_revoked_client_is_not_served_between_two_sweeps(world: World) -> None:
    with world.edge(sweep_seconds=3600) as edge, edge.connect() as connection:
        exchange(connection)
        edge.toy.revoked.add("alice")
        connection.sendall(message(b"question"))
        assert rest_of(connection) == b""
        assert len(edge.toy.requests) == 1


def test_a_revoked_client_gets_no_new_connection(world: World) -> None:
    with world.edge() as edge:
        edge.toy.revoked.add("alice")
        with edge.connect() as connection:
            assert is_closed(connection)


def test_a_certificate_that_names_nobody_is_refused(world: World) -> None:
    with world.edge() as edge, edge.connect(world.context(world.authority.issue("nobody"))) as connection:
        assert is_closed(connection)
