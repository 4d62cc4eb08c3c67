"""Who may do what, to which object, in which state: every cell is answered as separate code expects it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from authorization.cast import OBJECT_OPERATIONS, SERVER_OPERATIONS
from authorization.expectation import SUCCESS, expected
from authorization.matrix import SEED, cells
from authorization.over_the_wire import Clients
from authorization.play import make, outcome, play, play_server
from authorization.probes import PROBES, VERSION
from authorization.scenarios import scenarios
from authorization.things import Thing
from support import requests as ask
from support.databases import Databases
from support.numbers import Operation, Reason
from support.server import RunningServer
from support.wire import Connection, PeerClosedError

from kmip_server.identity.pki import issue_client, make_authority
from kmip_server.operations.registry import REGISTRY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clients(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    running = RunningServer(databases, tmp_path_factory.mktemp("matrix"))
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


def test_what_a_rule_denies_is_not_asked_of_the_server_itself(clients: Clients) -> None:
    known = [name for name in SERVER_OPERATIONS if Operation[name] in REGISTRY]
    assert [str(each) for each in play_server(clients.exchange, known)] == []


def test_what_takes_several_objects_or_requests_is_answered_as_expected(clients: Clients) -> None:
    assert [str(each) for each in scenarios(clients.exchange)] == []


CONNECTIONS, VERSIONS = 32, 3


def test_no_refusal_becomes_an_allowance_while_the_policy_is_replaced_by_its_like(clients: Clients) -> None:
    refused = [cell for cell in cells(quick=True) if expected(*cell) != SUCCESS]
    things = list(dict.fromkeys(cell.thing for cell in refused))
    made = dict(zip(things, make(clients.exchange, things), strict=True))
    by_client: dict[str, list[int]] = {}
    for at, cell in enumerate(refused):
        by_client.setdefault(cell.who, []).append(at)
    busiest = sorted(by_client, key=lambda who: -len(by_client[who]))[:CONNECTIONS]
    numbers, replaced = count(10_000_000), threading.Event()
    wrong: list[str] = []
    done: list[str] = []

    def ask_again(who: str) -> None:
        with clients.connect(who) as connection:
            while True:
                for at in by_client[who]:
                    cell = refused[at]
                    request = cell.probe.build(made[cell.thing], next(numbers))
                    result = connection.exchange(ask.one(VERSION, request)).result
                    if outcome(result, cell.probe.operation) != expected(*cell):
                        wrong.append(f"{cell}: {result}")
                if replaced.is_set():
                    done.append(who)
                    return

    threads = [threading.Thread(target=ask_again, args=(who,)) for who in busiest]
    for thread in threads:
        thread.start()
    for version in range(VERSIONS):
        clients.put_in_force(f"version {version}")
    replaced.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:10]
    assert sorted(done) == sorted(busiest)
    assert len(busiest) == CONNECTIONS


@pytest.mark.parametrize("how", ["revoke", "quarantine"])
def test_a_client_put_out_is_refused_everything_on_a_connection_that_is_open(clients: Clients, how: str) -> None:
    server = clients.server
    client = server.add_client(f"leaver-{how}")
    (key,) = make(clients.exchange, [Thing()])
    opened = {probe.name: client.connect() for probe in PROBES}
    for connection in opened.values():
        assert connection.exchange(ask.one(VERSION, ask.query(1))).result.ok
    server.command("client", how, str(server.data), client.name)
    for number, probe in enumerate(PROBES, 20_000_000):
        with opened[probe.name] as connection:
            try:
                result = connection.exchange(ask.one(VERSION, probe.build(key, number))).result
            except (PeerClosedError, OSError):
                continue  # the server has closed it already
            assert result.reason == Reason.AUTHENTICATION_NOT_SUCCESSFUL, result
    with pytest.raises((PeerClosedError, OSError)), client.connect() as again:
        again.exchange(ask.one(VERSION, ask.query(1)))


def test_without_a_certificate_of_the_server_s_authority_nothing_is_answered(clients: Clients, tmp_path: Path) -> None:
    foreign = make_authority()
    made = issue_client(foreign, "olga")
    (tmp_path / "cert.pem").write_bytes(made.certificate_pem)
    (tmp_path / "key.pem").write_bytes(made.key_pem)
    for with_one in (True, False):
        context = ssl.create_default_context(cafile=str(clients.authority))
        if with_one:
            context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        with (
            pytest.raises((PeerClosedError, OSError)),
            Connection(clients.server.kmip, context) as connection,
        ):
            connection.exchange(ask.one(VERSION, ask.query(1)))
