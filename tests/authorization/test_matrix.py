"""Who may do what, to which object, in which state: every cell of the matrix is answered as separate code expects it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from authorization.cast import DOCUMENT, OBJECT_OPERATIONS, SERVER_OPERATIONS, not_
from authorization.expectation import SUCCESS, expected
from authorization.matrix import FACTORS, SEED, cells, pairwise
from authorization.over_the_wire import Clients
from authorization.play import MOST, make, outcome, play
from authorization.probes import PROBES, VERSION
from support import requests as ask
from support.numbers import Operation, Reason
from support.requests import Request
from support.server import RunningServer
from support.wire import PeerClosedError

from kmip_server.operations.registry import REGISTRY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    running = RunningServer(tmp_path_factory.mktemp("matrix"))
    running.start()
    made = Clients(running)
    yield made
    made.close()
    running.stop()


def test_every_operation_of_the_server_is_in_the_matrix() -> None:
    known = {operation.name for operation in REGISTRY}
    assert known <= {*OBJECT_OPERATIONS, *SERVER_OPERATIONS}, "a new operation needs a probe and an expectation"
    about_objects = {operation.name for operation, spec in REGISTRY.items() if spec.names_object}
    assert about_objects <= {probe.operation for probe in PROBES}


def test_each_cell_is_answered_as_expected(clients: Clients) -> None:
    asked = cells()
    assert len(asked) > 6000
    wrong = [str(each) for each in play(clients.exchange, asked)]
    assert not wrong, f"{len(wrong)} of {len(asked)} cells, seed {SEED}:\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("operation", [name for name in SERVER_OPERATIONS if Operation[name] in REGISTRY])
def test_what_a_rule_denies_is_not_asked_of_the_server_itself(clients: Clients, operation: str) -> None:
    asked = ask.one(VERSION, Request(Operation[operation], b""))
    denied = clients.exchange(not_(operation), VERSION, asked).result
    others = clients.exchange("nemo", VERSION, asked).result
    assert denied.reason == Reason.PERMISSION_DENIED or (denied.reason == Reason.INVALID_MESSAGE), denied
    assert others.reason != Reason.PERMISSION_DENIED, others


CONNECTIONS = 32


def test_no_refusal_becomes_an_allowance_while_the_policy_is_replaced_by_its_like(clients: Clients) -> None:
    refused = [cell for cell in cells(quick=True) if expected(*cell) != SUCCESS]
    things = list(dict.fromkeys(cell.thing for cell in refused))
    made = dict(zip(things, make(clients.exchange, things), strict=True))
    by_client: dict[str, list[int]] = {}
    for at, cell in enumerate(refused):
        by_client.setdefault(cell.who, []).append(at)
    busiest = sorted(by_client, key=lambda who: -len(by_client[who]))[:CONNECTIONS]
    numbers, wrong, done = count(10_000_000), [], []

    def ask_again(who: str) -> None:
        with clients.connect(who) as connection:
            for at in by_client[who]:
                cell = refused[at]
                request = cell.probe.build(made[cell.thing], next(numbers))
                result = connection.exchange(ask.one(VERSION, request)).result
                done.append(1)
                if outcome(result, cell.probe.operation) != expected(*cell):
                    wrong.append(f"{cell}: {result}")

    threads = [threading.Thread(target=ask_again, args=(who,)) for who in busiest]
    for thread in threads:
        thread.start()
    versions = 0
    while any(thread.is_alive() for thread in threads):
        versions += 1
        clients.put_in_force(f"version {versions}")
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:10]
    assert len(busiest) == CONNECTIONS
    assert versions > 1
    assert len(done) == sum(len(by_client[who]) for who in busiest)
