"""Fixtures that every test may ask for. A server is shared by the tests of a process, unless a test needs its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("support")

from support.requests import Session  # noqa: E402 -- after the line above, so that its asserts explain themselves
from support.server import Client, RunningServer  # noqa: E402
from support.wire import Version  # noqa: E402

if TYPE_CHECKING:
    from kmip.pie.client import ProxyKmipClient

MakeClient = Callable[..., Client]
_numbers = count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A running server that other tests use too: make clients and objects of your own, never stop it."""
    running = RunningServer(tmp_path_factory.mktemp("server"))
    running.start()
    yield running
    if running.is_running():
        running.stop()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A running server for one test, to be stopped, killed, filled or broken."""
    running = RunningServer(tmp_path)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Client:
    """A client of the shared server; its objects are seen by every test of this process that uses it."""
    return server.add_client("shared-client")


@pytest.fixture(scope="session")
def other(server: RunningServer) -> Client:
    """Another client of the shared server, to whom the objects of `client` are nothing."""
    return server.add_client("another-client")


@pytest.fixture(scope="session")
def make_client(server: RunningServer) -> MakeClient:
    """Make a client of the shared server: make_client("name", "group", ...). The name gets a number, to be unique."""

    def make(name: str = "client", *groups: str) -> Client:
        return server.add_client(f"{name}-{next(_numbers)}", *groups)

    return make


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a shared server with short deadlines, and a policy about Time Stamps."""
    running = RunningServer(
        tmp_path_factory.mktemp("impatient"),
        environment={
            "KMIP_LIMITS__HANDSHAKE_SECONDS": "1.5",
            "KMIP_LIMITS__MESSAGE_SECONDS": "1.5",
            "KMIP_LIMITS__IDLE_SECONDS": "3",
            "KMIP_POLICY__TIME_STAMP_SKEW_SECONDS": "60",
        },
    )
    running.start()
    yield running.add_client("impatient")
    running.stop()


@pytest.fixture
def session(client: Client) -> Iterator[Callable[[Version], Session]]:
    """Open sessions of the shared client: session((1, 4)). They are closed when the test ends."""
    opened = []

    def open_one(version: Version = (2, 1)) -> Session:
        opened.append(client.connect())
        return Session(opened[-1], version)

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def pykmip_client(client: Client) -> Iterator[Callable[[Version], ProxyKmipClient]]:
    """Open PyKMIP clients on the shared server: pykmip_client((1, 2)). They are closed when the test ends."""
    opened = []

    def open_one(version: Version = (1, 2)) -> ProxyKmipClient:
        opened.append(client.pykmip(version))
        opened[-1].open()
        return opened[-1]

    yield open_one
    for proxy in opened:
        proxy.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first, so that no process is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
